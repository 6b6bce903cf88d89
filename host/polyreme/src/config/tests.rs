//! Configuration files in, typed values or messages out.

use std::path::Path;

use polyreme_ownership::{KeyBy, Timing};

use super::*;

const SMALLEST: &str = "\
apiVersion: polyreme.dev/v1alpha1
kind: HostConfiguration
controllers:
- name: website
  module: file:website.wasm
";

fn parse(text: &str) -> Result<HostConfig, ConfigError> {
    HostConfig::parse(text, Path::new("conf/polyreme.yaml"))
}

fn message(text: &str) -> String {
    parse(text).expect_err("the file was accepted").to_string()
}

/// The smallest file with `line` appended to its controller.
fn with(line: &str) -> String {
    format!("{SMALLEST}  {line}\n")
}

#[test]
fn the_smallest_file_gets_every_default() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.admin.address, DEFAULT_ADMIN_ADDRESS);
    assert_eq!(config.shutdown_grace_period.as_secs(), 30);
    let controller = &config.controllers[0];
    assert_eq!(controller.module, ModuleSource::File("conf/website.wasm".into()));
    assert_eq!(controller.workers, 4);
    assert_eq!(controller.limits, Limits::default());
    assert_eq!(controller.settings_json().as_ref(), "{}");
    assert_eq!(controller.resync.as_secs(), 36_000);
    assert_eq!(controller.queue, Backoff::default());
    assert_eq!(config.ownership, OwnershipConfig::default());
    assert_eq!(config.ring(controller), "default");
}

#[test]
fn everything_that_can_be_written_is_read() {
    let config = parse(
        "\
apiVersion: polyreme.dev/v1alpha1
kind: HostConfiguration
admin: { address: \"0.0.0.0:9090\" }
cacheDir: /var/cache/polyreme
shutdownGracePeriod: 1m30s
controllers:
- name: website
  module: file:/modules/website.wasm
  workers: 8
  settings: { ingress: { hosts: [a.example] } }
  grants:
  - apiVersion: apps/v1
    kinds: [Deployment]
    verbs: [get, apply]
    namespaces: [project-foo]
    names: [site]
  limits: { memory: 32Mi, cpuTime: 500ms, wallTime: 10s, apiCallsInFlight: 4, apiCallsPerSecond: 50, hostCalls: 100,
            httpRequestsInFlight: 2, httpTimeout: 3s, logLines: 20, logBytes: 4Ki, payload: 1Mi }
  resync: 5m
  queue: { baseDelay: 1s, maxDelay: 5m }
",
    )
    .unwrap();
    let controller = &config.controllers[0];
    assert_eq!(config.admin.address.port(), 9090);
    assert_eq!(config.shutdown_grace_period.as_secs(), 90);
    assert_eq!(controller.module, ModuleSource::File("/modules/website.wasm".into()));
    assert_eq!(controller.limits.memory.bytes(), 32 << 20);
    assert_eq!(controller.limits.cpu_time.as_millis(), 500);
    assert_eq!(controller.settings["ingress"]["hosts"][0], "a.example");
    assert_eq!((controller.limits.api_calls_in_flight, controller.limits.api_calls_per_second), (4, 50));
    assert_eq!((controller.limits.http_requests_in_flight, controller.limits.http_timeout.as_secs()), (2, 3));
    assert_eq!(controller.grants[0].line, Some(12));
    assert_eq!(controller.grants[0].namespaces.as_deref(), Some(&["project-foo".to_owned()][..]));
}

#[test]
fn the_hosts_own_name_is_not_a_controllers() {
    let text = message(&with("workers: 3").replace("name: website", "name: polyreme"));
    assert!(text.contains("controller name \"polyreme\" is the host's own"), "{text}");
    assert!(text.contains("another name"), "{text}");
}

#[test]
fn an_unknown_field_names_its_line_and_the_nearest_field() {
    let text = message(&with("worker: 3"));
    assert!(text.starts_with("conf/polyreme.yaml:6:3: unknown field \"worker\""), "{text}");
    assert!(text.contains("did you mean \"workers\"?"), "{text}");
}

#[test]
fn a_wrong_type_names_its_line_and_what_was_expected() {
    let text = message(&with("workers: many"));
    assert!(text.starts_with("conf/polyreme.yaml:6:12: wrong type: found `many`"), "{text}");
    assert!(text.contains("expected a whole number"), "{text}");
    let text = message(&with("grants: all"));
    assert!(text.starts_with("conf/polyreme.yaml:6:11: wrong type"), "{text}");
    let text = message(&with("limits: [1]"));
    assert!(text.starts_with("conf/polyreme.yaml:6:11: wrong type"), "{text}");
}

#[test]
fn outside_servers_are_granted_by_scheme_host_method_and_network() {
    let config = parse(&format!(
        "clusterNetworks: [34.118.224.0/20]\n{SMALLEST}  http:\n  - {{hosts: [api.example.com, \"*.cloud.test\"], \
         methods: [GET, POST]}}\n  - {{hosts: [10.0.0.7], methods: [GET], scheme: http, ports: [80, 8080], \
         networks: [10.0.0.0/24]}}\n"
    ));
    let config = config.unwrap();
    let [secure, plain] = &*config.controllers[0].http else { panic!("two grants") };
    assert_eq!((secure.scheme, &*secure.ports, secure.networks.len()), (Scheme::Https, &[443][..], 0));
    assert_eq!(secure.hosts[1].to_string(), "*.cloud.test");
    assert_eq!((plain.scheme, &*plain.ports, plain.line), (Scheme::Http, &[80, 8080][..], Some(9)));
    assert_eq!(plain.networks[0].to_string(), "10.0.0.0/24");
    assert_eq!(config.cluster_networks[0].to_string(), "34.118.224.0/20");
}

#[test]
fn a_grant_of_servers_that_cannot_be_meant_is_refused_with_its_place() {
    let fault = |grant: &str| message(&with(&format!("http: [{{{grant}}}]")));
    let text = fault("hosts: [\"https://a.com\"], methods: [GET]");
    assert!(
        text.starts_with("conf/polyreme.yaml:6:19: http.hosts: \"https://a.com\" is no host; write"),
        "{text}"
    );
    assert!(fault("hosts: [\"*\"], methods: [GET]").contains("*.example.com"));
    assert!(fault("hosts: [a.com], methods: [get]").contains("did you mean \"GET\"?"));
    assert!(fault("hosts: [a.com], methods: []").contains("http.methods is empty"));
    assert!(fault("hosts: [a.com], methods: [GET], ports: [0]").contains("0 is no port"));
    assert!(fault("hosts: [a.com], methods: [GET], networks: [0.0.0.0/0]").contains("at least /8"));
    assert!(fault("hosts: [a.com], methods: [GET], networks: [10.0.0.1/8]").contains("write 10.0.0.0/8"));
    assert!(fault("hosts: [a.com], methods: [GET], networks: [10.0.0.1]").contains("ADDRESS/PREFIX"));
    assert!(fault("hosts: [a.com], methods: [GET], scheme: ftp").contains("unknown value \"ftp\""));
}

#[test]
fn a_key_given_twice_is_refused() {
    let text = message(&with("name: other"));
    assert!(text.contains("\"name\" is given twice"), "{text}");
}

#[test]
fn a_missing_field_is_named() {
    let text = message(&SMALLEST.replace("  module: file:website.wasm\n", ""));
    assert!(text.contains("field \"module\" is missing"), "{text}");
    assert!(text.contains("conf/polyreme.yaml:4:"), "{text}");
}

#[test]
fn a_value_out_of_range_says_the_range_and_the_default() {
    let text = message(&with("workers: 0"));
    assert_eq!(text, "conf/polyreme.yaml:6:12: workers: 0 is outside 1 to 1024; leave it out for 4");
    let text = message(&with("limits: { memory: 1Ki }"));
    assert!(text.contains("limits.memory: 1Ki is outside 1Mi to 4Gi"), "{text}");
}

#[test]
fn a_duration_without_unit_names_its_line_and_the_remedy() {
    let text = message(&with("resync: 30"));
    assert!(text.starts_with("conf/polyreme.yaml:6:11:"), "{text}");
    assert!(text.contains("write a number and a unit"), "{text}");
}

#[test]
fn two_controllers_of_one_name_are_refused() {
    let text = message(&format!("{SMALLEST}- name: website\n  module: file:b.wasm\n"));
    assert!(text.contains(":6:9: controller \"website\" is already on line 4"), "{text}");
}

#[test]
fn a_source_that_is_not_pinned_or_has_no_scheme_is_refused() {
    let text = message(&SMALLEST.replace("file:website.wasm", "oci://registry.example/website:1"));
    assert!(text.contains("is not pinned"), "{text}");
    let text = message(&SMALLEST.replace("file:website.wasm", "website.wasm"));
    assert!(text.contains("write file:website.wasm"), "{text}");
}

#[test]
fn an_unknown_verb_gets_a_suggestion() {
    let text = message(&with("grants: [{ apiVersion: v1, kinds: [Secret], verbs: [gets] }]"));
    assert!(text.contains("unknown verb \"gets\"; did you mean \"get\"?"), "{text}");
}

#[test]
fn wildcards_in_grants_are_refused() {
    let text = message(&with("grants: [{ apiVersion: v1, kinds: ['*'], verbs: [get] }]"));
    assert!(text.contains("grants have no wildcard"), "{text}");
}

#[test]
fn all_faults_of_a_readable_file_are_reported_together() {
    let text = message(&SMALLEST.replace("v1alpha1", "v9").replace("website\n", "Web_Site\n"));
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn text_that_is_not_yaml_names_its_line() {
    let text = message("controllers:\n- name: [\n");
    assert!(text.starts_with("conf/polyreme.yaml:"), "{text}");
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let text = message("");
    assert!(text.contains("apiVersion"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let error = HostConfig::load(Path::new("/nowhere/polyreme.yaml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/polyreme.yaml"));
}

#[test]
fn settings_that_the_schema_refuses_are_named_by_path_and_line() {
    let config = parse(&with("settings: { replicas: many }")).unwrap();
    let schema = r#"{"properties":{"replicas":{"type":"integer"}}}"#;
    let text = validate_settings(schema, &config.controllers[0]).unwrap_err().to_string();
    assert!(text.starts_with("conf/polyreme.yaml:6:13: settings of controller website"), "{text}");
    assert!(text.contains("settings.replicas: "), "{text}");
}

#[test]
fn settings_that_the_schema_allows_pass() {
    let config = parse(&with("settings: { replicas: 2 }")).unwrap();
    let schema = r#"{"type":"object","properties":{"replicas":{"type":"integer"}}}"#;
    validate_settings(schema, &config.controllers[0]).unwrap();
}

#[test]
fn a_schema_that_is_none_is_the_modules_fault() {
    let config = parse(SMALLEST).unwrap();
    let text = validate_settings("{", &config.controllers[0]).unwrap_err().to_string();
    assert!(text.contains("it is the module that has to be fixed"), "{text}");
}

/// The smallest file with an `ownership:` of this one line.
fn owned(fields: &str) -> String {
    format!("{SMALLEST}ownership: {{ {fields} }}\n")
}

fn ownership(fields: &str) -> OwnershipConfig {
    parse(&owned(fields)).unwrap().ownership
}

#[test]
fn every_field_of_ownership_is_read() {
    let text = "\
apiVersion: polyreme.dev/v1alpha1
kind: HostConfiguration
ownership:
  strategy: leader
  ring: main
  namespace: polyreme-system
  slots: 4096
  key: namespace
  timing: { holdFor: 20s, fenceAfter: 30s, renewEvery: 4s }
  weight: 50
  drainTimeout: 5s
  settle: 500ms
  rebalance: { burst: 100, perMinute: 60 }
controllers:
- { name: a, module: file:a.wasm, ring: heavy }
- { name: b, module: file:b.wasm }
";
    let config = parse(text).unwrap();
    let seconds = Duration::from_secs;
    let expected = OwnershipConfig {
        strategy: Strategy::Leader,
        ring: "main".to_owned(),
        namespace: Some("polyreme-system".to_owned()),
        slots: polyreme_ownership::SlotCount::new(4_096).unwrap(),
        key: KeyBy::Namespace,
        timing: Timing { hold_for: seconds(20), fence_after: seconds(30), renew_every: seconds(4) },
        weight: 50,
        drain_timeout: seconds(5),
        settle: Duration::from_millis(500),
        rebalance: Rebalance { burst: 100, per_minute: 60 },
    };
    assert_eq!(config.ownership, expected);
    let rings: Vec<_> = config.controllers.iter().map(|controller| config.ring(controller)).collect();
    assert_eq!(rings, ["heavy", "main"]);
}

#[test]
fn damping_follows_the_number_of_slots() {
    assert_eq!(ownership("slots: 64").rebalance, Rebalance { burst: 128, per_minute: 64 });
    assert_eq!(
        ownership("slots: 64, rebalance: { burst: 9 }").rebalance,
        Rebalance { burst: 9, per_minute: 64 }
    );
}

#[test]
fn timings_are_known_by_name() {
    assert_eq!(ownership("timing: default").timing, Timing::DEFAULT);
    assert_eq!(ownership("timing: fast").timing, Timing::FAST);
    let text = message(&owned("timing: quick"));
    assert!(text.starts_with("conf/polyreme.yaml:6:22: unknown timing \"quick\""), "{text}");
    assert!(
        text.ends_with("known here: default, fast, or a map of holdFor, fenceAfter and renewEvery"),
        "{text}"
    );
    let text = message(&owned("timing: 3"));
    assert!(text.starts_with("conf/polyreme.yaml:6:22: unknown timing \"3\""), "{text}");
    let text = message(&owned("timing: [fast]"));
    assert!(text.contains("expected default, fast, or a map of holdFor"), "{text}");
}

#[test]
fn a_timing_that_is_not_safe_names_the_field_to_change_and_its_limit() {
    let with = |hold, fence, renew| {
        message(&format!(
            "{SMALLEST}ownership:\n  timing:\n    holdFor: {hold}\n    fenceAfter: {fence}\n    renewEvery: {renew}\n"
        ))
    };
    let text = with("10s", "14s", "2s");
    assert!(
        text.starts_with("conf/polyreme.yaml:9:17: ownership.timing.fenceAfter must be at least 1.5 times"),
        "{text}"
    );
    assert!(text.ends_with("; write 15s or more"), "{text}");
    let text = with("9s", "15s", "4s");
    assert!(text.starts_with("conf/polyreme.yaml:10:17: ") && text.ends_with("; write 3s or less"), "{text}");
    let text = with("500ms", "15s", "100ms");
    assert!(text.starts_with("conf/polyreme.yaml:8:14: ") && text.ends_with("; write 1s or more"), "{text}");
    let text = with("10s", "2h", "2s");
    assert!(text.starts_with("conf/polyreme.yaml:9:17: ") && text.ends_with("; write 1h or less"), "{text}");
}

#[test]
fn a_timing_with_a_field_missing_or_misspelt_says_which() {
    let text = message(&owned("timing: { holdFor: 10s, fenceAfter: 15s }"));
    assert!(text.contains("field \"renewEvery\" is missing"), "{text}");
    let text = message(&owned("timing: { holdFor: 10s, fenceAfter: 15s, renewEvry: 2s }"));
    assert!(text.contains("did you mean \"renewEvery\"?"), "{text}");
}

#[test]
fn values_of_ownership_out_of_range_name_their_place_and_default() {
    for (fields, expected) in [
        (
            "slots: 1000",
            ":6:21: ownership.slots must be a power of two from 64 to 16384, not 1000; leave it out",
        ),
        ("weight: 10001", ":6:22: ownership.weight: 10001 is outside 0 to 10000; leave it out for 100"),
        ("ring: My_Ring", ":6:20: ownership.ring \"My_Ring\" is not a DNS label"),
        ("namespace: a.b", ":6:25: ownership.namespace \"a.b\" is not a DNS label"),
        ("key: label", ":6:19: unknown value \"label\""),
        ("strategy: shard", ":6:24: unknown value \"shard\"; did you mean \"sharded\"?"),
        ("settle: 1h", ":6:22: ownership.settle: 1h is outside 0s to 10m"),
        ("rebalance: { burst: 0 }", ":6:34: ownership.rebalance.burst: 0 is outside 1 to 1000000"),
    ] {
        let text = message(&owned(fields));
        assert!(text.contains(expected), "{fields}: {text}");
    }
}

#[test]
fn what_a_strategy_has_no_use_for_is_an_error() {
    for (fields, expected) in [
        ("ordinal: { replicas: 3 }", ":6:23: ordinal is only for strategy ordinal"),
        ("strategy: ordinal", ":6:24: strategy ordinal does not say of how many"),
        (
            "strategy: ordinal, ordinal: { replicas: 3, ordinal: 3 }",
            ": ordinal 3 is not below 3 replicas; ordinals count from 0",
        ),
        (
            "strategy: ordinal, ordinal: { replicas: 3 }, timing: fast",
            "timing has no meaning with strategy ordinal; remove it",
        ),
        ("strategy: label, weight: 5", "weight has no meaning with strategy label"),
        ("strategy: label, slots: 64", "slots has no meaning with strategy label"),
        ("strategy: label, rebalance: { perMinute: 5 }", "rebalance has no meaning with strategy label"),
    ] {
        let text = message(&owned(fields));
        assert!(text.contains(expected), "{fields}: {text}");
    }
    for strategy in ["ordinal, ordinal: { replicas: 3 }", "label"] {
        let of_its_own = with("ring: heavy") + &format!("ownership: {{ strategy: {strategy} }}\n");
        assert!(
            message(&of_its_own).starts_with("conf/polyreme.yaml:6:9: ring has no meaning"),
            "{strategy}"
        );
    }
}

#[test]
fn an_ordinal_is_taken_from_the_name_unless_it_is_written() {
    let identify = |fields: &str, name: &str| {
        let mut config = parse(&owned(fields)).unwrap();
        let identity = Identity { name: name.to_owned(), ..Identity::default() };
        config.identify(identity).map_err(|error| error.to_string())?;
        match config.ownership.strategy {
            Strategy::Ordinal(OrdinalConfig { ordinal, .. }) => Ok(ordinal.unwrap()),
            other => Err(format!("{other:?}")),
        }
    };
    let three = "strategy: ordinal, ordinal: { replicas: 3 }";
    assert_eq!(identify(three, "host-2"), Ok(2));
    assert_eq!(identify("strategy: ordinal, ordinal: { replicas: 3, ordinal: 1 }", "host-2"), Ok(1));
    let text = identify(three, "host-3").unwrap_err();
    assert!(text.contains("ordinal 3 is not below 3 replicas; set ordinal.replicas"), "{text}");
    let text = identify(three, "laptop").unwrap_err();
    assert!(text.starts_with("conf/polyreme.yaml:6:") && text.contains("--identity NAME-0"), "{text}");
}

#[test]
fn draining_ends_before_the_grace_period_does() {
    let drain = |grace: &str, ownership: &str| {
        let text = format!("{SMALLEST}shutdownGracePeriod: {grace}\nownership: {{ {ownership} }}\n");
        parse(&text).map(|config| config.ownership.drain_timeout.as_secs()).map_err(|error| error.to_string())
    };
    assert_eq!(drain("30s", ""), Ok(10));
    assert_eq!(drain("8s", ""), Ok(4), "a default makes room");
    assert_eq!(drain("0s", "drainTimeout: 20s"), Ok(20), "who ends at once gives nothing away");
    let text = drain("30s", "drainTimeout: 30s").unwrap_err();
    assert!(text.starts_with("conf/polyreme.yaml:7:28: ownership.drainTimeout 30s is not below"), "{text}");
    assert!(text.contains("raise shutdownGracePeriod"), "{text}");
}

#[test]
fn instances_are_fresh_unless_some_are_kept_warm() {
    use polyreme_runtime::{Instances, Warm};
    use std::time::Duration;

    let instances = |line: &str| parse(&with(line)).unwrap().controllers[0].instances;
    assert_eq!(parse(SMALLEST).unwrap().controllers[0].instances, Instances::Fresh);
    assert_eq!(instances("instances: fresh"), Instances::Fresh);
    let kept = Warm { count: 2, max_reconciles: 1_000, idle: Duration::from_secs(60) };
    assert_eq!(instances("instances: { warm: 2 }"), Instances::Warm(kept));
    let kept = Warm { count: 1, max_reconciles: 50, idle: Duration::from_secs(5) };
    let written = "instances: { warm: 1, maxReconciles: 50, idleSeconds: 5 }";
    assert_eq!(instances(written), Instances::Warm(kept));
}

#[test]
fn faults_in_instances_are_named_with_their_place_and_what_to_write() {
    let fault = |line: &str, words: &[&str]| {
        let text = message(&with(line));
        assert!(text.starts_with("conf/polyreme.yaml:6:"), "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    };
    fault("instances: frsh", &["unknown instances \"frsh\"", "did you mean \"fresh\"", "{warm: 2}"]);
    fault("instances: 2", &["unknown instances \"2\"", "{warm: 2}"]);
    fault("instances: { warm: 0 }", &["instances.warm: 0 is outside 1 to 1024"]);
    fault("instances: { warm: 5 }", &["instances.warm 5 is more than workers 4", "raise workers"]);
    fault("instances: { warm: 1, idleSeconds: 0 }", &["instances.idleSeconds: 0 is outside 1 to 86400"]);
    fault("instances: { warm: 1, idleSeconds: 1m }", &["found `1m", "whole number"]);
    fault("instances: { warm: 1, maxReconcile: 5 }", &["maxReconcile", "did you mean \"maxReconciles\""]);
    fault("instances: { maxReconciles: 5 }", &["warm"]);
    fault("instances: [warm]", &["fresh, or a map of warm, maxReconciles and idleSeconds"]);
}

#[test]
fn the_first_wait_after_a_failure_is_not_longer_than_the_longest() {
    let text = message(&with("queue: { baseDelay: 10s, maxDelay: 9s }"));
    assert!(text.starts_with("conf/polyreme.yaml:6:"), "{text}");
    assert!(text.contains("queue.baseDelay 10s is more than queue.maxDelay 9s"), "{text}");
    let text = message(&with("queue: { maxDelay: 30 }"));
    assert!(text.contains("queue.maxDelay") || text.contains("30s"), "{text}");
    let text = message(&with("queue: { rate: 3s }"));
    assert!(text.contains("unknown field \"rate\"") && text.contains("baseDelay"), "{text}");
}

/// A pinned module of a registry.
fn pinned() -> String {
    format!("oci://registry.example/team/website:1.4.0@sha256:{}", "a".repeat(64))
}

#[test]
fn registries_are_read_with_paths_beside_the_file() {
    let registries = "\
registries:
  dockerConfig: docker/config.json
  caFile: /etc/ca.pem
  mirrors:
    docker.io: [mirror.example, \"harbor.example/hub\"]
  signature: { publicKey: cosign.pub }
";
    let config = parse(&format!("{}{registries}", SMALLEST.replace("file:website.wasm", &pinned()))).unwrap();
    let controller = &config.controllers[0];
    assert_eq!(controller.module.to_string(), pinned());
    assert_eq!(controller.signature_key.as_deref(), Some(Path::new("conf/cosign.pub")));
    let settings = controller.fetcher.settings();
    assert_eq!(settings.docker_config.as_deref(), Some(Path::new("conf/docker/config.json")));
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
    let mirrors: Vec<String> = settings.mirrors["docker.io"].iter().map(ToString::to_string).collect();
    assert_eq!(mirrors, ["mirror.example", "harbor.example/hub"]);
    assert_eq!(settings.cache, config.cache_dir);
}

#[test]
fn a_controllers_own_key_goes_before_the_one_of_all() {
    let text = SMALLEST.replace("file:website.wasm", &pinned());
    let config = parse(&format!(
        "{text}  signature: {{ publicKey: own.pub }}\nregistries: {{ signature: {{ publicKey: all.pub }} }}\n"
    ));
    assert_eq!(config.unwrap().controllers[0].signature_key.as_deref(), Some(Path::new("conf/own.pub")));
}

#[test]
fn a_key_for_all_does_not_concern_files_and_one_for_a_file_is_refused() {
    let config =
        parse(&format!("{SMALLEST}registries: {{ signature: {{ publicKey: all.pub }} }}\n")).unwrap();
    assert_eq!(config.controllers[0].signature_key, None);
    let text = message(&with("signature: { publicKey: own.pub }"));
    assert!(text.contains("signature is of no use"), "{text}");
}

#[test]
fn faulty_registries_and_mirrors_are_refused_with_their_place() {
    let text =
        message(&format!("{SMALLEST}registries: {{ mirrors: {{ docker.io: [\"https://m.example\"] }} }}\n"));
    assert!(text.contains(":6:") && text.contains("without https://"), "{text}");
    let text = message(&format!("{SMALLEST}registries: {{ mirrors: {{ hub: [m.example] }} }}\n"));
    assert!(text.contains("does not look like the host of a registry"), "{text}");
}

const PROFILES: &str = "apiVersion: polyreme.dev/v1alpha1\nkind: HostConfiguration\nprofiles:\n- name: web\n  controllers:\n  - {name: b, workers: 9}\ncontrollers:\n- {name: a, module: 'file:a.wasm'}\n- {name: b, module: 'file:b.wasm'}\n";

#[test]
fn a_profile_keeps_its_controllers_with_its_workers() {
    let mut config = HostConfig::parse(PROFILES, Path::new("p.yaml")).unwrap();
    config.choose(None).unwrap();
    assert_eq!(config.controllers.len(), 2);
    config.choose(Some("web")).unwrap();
    let kept: Vec<_> = config.controllers.iter().map(|one| (one.name.as_str(), one.workers)).collect();
    assert_eq!(kept, [("b", 9)]);
}

#[test]
fn a_profile_that_is_not_there_is_answered_with_those_that_are() {
    let mut config = HostConfig::parse(PROFILES, Path::new("p.yaml")).unwrap();
    let error = config.choose(Some("wob")).unwrap_err().to_string();
    assert!(error.contains("\"wob\"") && error.contains("it has: web"), "{error}");
}

#[test]
fn a_profile_names_controllers_that_exist() {
    let text = PROFILES.replace("{name: b, workers: 9}", "{name: bb}");
    let error = HostConfig::parse(&text, Path::new("p.yaml")).unwrap_err().to_string();
    assert!(error.contains("p.yaml:6:") && error.contains("\"bb\""), "{error}");
}
