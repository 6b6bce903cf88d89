//! What makes no sense in a pod, however it is made.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, DEPLOYMENTS, GADGETS, deployment, gadget};

const CONTAINER: &str = "spec.template.spec.containers[0]";

fn with_container(field: &str, value: Value) -> Value {
    let mut body = deployment("a", 1);
    body["spec"]["template"]["spec"]["containers"][0][field] = value;
    body
}

#[tokio::test]
async fn a_container_requests_no_more_than_its_limit() -> Result<()> {
    let bench = Bench::new("limits").await?;
    let resources =
        |request: &str| json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": request}});
    let refused = bench.post(DEPLOYMENTS, with_container("resources", resources("1001m"))).await?;
    let refused = refused.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), [format!("{CONTAINER}.resources.requests")]);
    assert!(refused.message().contains("must be less than or equal to cpu limit of 1"), "{}", refused.text);
    let negative = json!({"limits": {"cpu": "-1"}});
    bench.post(DEPLOYMENTS, with_container("resources", negative)).await?.refused(422, "Invalid");
    bench.post(DEPLOYMENTS, with_container("resources", resources("1000m"))).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn a_probe_asks_in_one_way() -> Result<()> {
    let bench = Bench::new("probes").await?;
    let refused = bench.post(DEPLOYMENTS, with_container("livenessProbe", json!({}))).await?;
    assert_eq!(refused.refused(422, "Invalid").cause_fields(), [format!("{CONTAINER}.livenessProbe")]);
    let both = json!({"exec": {"command": ["true"]}, "tcpSocket": {"port": 80}});
    let refused = bench.post(DEPLOYMENTS, with_container("readinessProbe", both)).await?;
    assert_eq!(
        refused.refused(422, "Invalid").cause_fields(),
        [format!("{CONTAINER}.readinessProbe.tcpSocket")]
    );
    let probe = json!({"httpGet": {"port": 80}});
    bench.post(DEPLOYMENTS, with_container("startupProbe", probe)).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn a_volume_is_of_one_kind() -> Result<()> {
    let bench = Bench::new("volumes").await?;
    let mut body = deployment("a", 1);
    let both = json!([{"name": "a", "configMap": {"name": "a"}, "emptyDir": {}}]);
    body["spec"]["template"]["spec"]["volumes"] = both;
    let refused = bench.post(DEPLOYMENTS, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.template.spec.volumes[0].configMap"]);
    Ok(())
}

#[tokio::test]
async fn a_schedule_has_five_fields() -> Result<()> {
    let bench = Bench::new("schedule").await?;
    let job = |schedule: &str| {
        let template =
            json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}});
        json!({"metadata": {"name": "a"}, "spec": {
            "schedule": schedule, "suspend": true, "jobTemplate": {"spec": {"template": template}},
        }})
    };
    let jobs = "/apis/batch/v1/namespaces/{ns}/cronjobs";
    let refused = bench.post(jobs, job("* * *")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.schedule"]);
    bench.post(jobs, job("@daily")).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn replicas_of_a_custom_resource_are_not_negative() -> Result<()> {
    let bench = Bench::with_gadgets("negative").await?;
    let mut body = gadget("a");
    body["spec"]["size"] = json!(-1);
    let refused = bench.post(GADGETS, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), [".spec.size", "spec.size"]);
    Ok(())
}
