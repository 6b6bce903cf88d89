//! Configuration files in, typed values or messages out.

use std::path::Path;

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
  limits: { memory: 32Mi, cpuTime: 500ms, wallTime: 10s, apiCallsInFlight: 4, hostCalls: 100,
            logLines: 20, logBytes: 4Ki, payload: 1Mi }
  resync: 5m
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
    assert_eq!(controller.grants[0].line, Some(12));
    assert_eq!(controller.grants[0].namespaces.as_deref(), Some(&["project-foo".to_owned()][..]));
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
fn a_source_that_comes_later_is_refused_as_such() {
    let text = message(&SMALLEST.replace("file:website.wasm", "oci://registry/website"));
    assert!(text.contains("oci: is not supported by this version"), "{text}");
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
