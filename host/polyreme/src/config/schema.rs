//! The JSON Schema of the configuration file, for editors.
//!
//! It is stricter than an editor needs and laxer than [`super::check`], which alone decides: what one field
//! says of another, and the exact bounds of durations, are not in it. Tests hold it to the fields that the
//! parser knows.

/// The schema as JSON text (draft 2020-12).
pub const JSON_SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::config::HostConfig;

    const WHOLE: &str = include_str!("testdata/whole.yaml");

    fn schema() -> Value {
        serde_json::from_str(JSON_SCHEMA).unwrap()
    }

    fn faults(text: &str) -> Vec<String> {
        let value: Value = serde_saphyr::from_str(text).unwrap();
        let validator = jsonschema::validator_for(&schema()).unwrap();
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// Fields that the parser names when it meets one that it does not know.
    fn known_to_the_parser(line: &str) -> BTreeSet<String> {
        let indent: String = line.chars().take_while(|c| " -".contains(*c)).collect();
        let text = WHOLE.replacen(
            line,
            &format!("{indent}bogus: 1\n{}{}", " ".repeat(indent.len()), line.trim_start_matches([' ', '-'])),
            1,
        );
        let error = HostConfig::parse(&text, Path::new("p.yaml")).unwrap_err().to_string();
        let (_, known) = error.split_once("nown here: ").unwrap_or_else(|| panic!("{error}\n{text}"));
        known.split(", ").map(str::to_owned).collect()
    }

    fn properties(pointer: &str) -> BTreeSet<String> {
        let schema = schema();
        let object = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        object["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_file_with_every_field_suits_parser_and_schema() {
        HostConfig::parse(WHOLE, Path::new("p.yaml")).unwrap();
        assert!(faults(WHOLE).is_empty(), "{:?}", faults(WHOLE));
    }

    #[test]
    fn the_schema_has_the_fields_that_the_parser_knows() {
        let controller = "/properties/controllers/items";
        for (line, pointer) in [
            ("apiVersion: polyreme.dev/v1alpha1", String::new()),
            ("  strategy: sharded", "/properties/ownership".to_owned()),
            ("    holdFor: 10s", "/properties/ownership/properties/timing/oneOf/1".to_owned()),
            ("    burst: 10", "/properties/ownership/properties/rebalance".to_owned()),
            ("  dockerConfig: config.json", "/properties/registries".to_owned()),
            ("- name: web", "/properties/profiles/items".to_owned()),
            ("  module: file:website.wasm", controller.to_owned()),
            ("    warm: 2", format!("{controller}/properties/instances/oneOf/1")),
            ("  - apiVersion: v1", format!("{controller}/properties/grants/items")),
            ("  - hosts: [api.example.com]", format!("{controller}/properties/http/items")),
            ("    baseDelay: 5ms", format!("{controller}/properties/queue")),
            ("    memory: 64Mi", format!("{controller}/properties/limits")),
        ] {
            assert_eq!(known_to_the_parser(line), properties(&pointer), "{line}");
        }
    }

    #[test]
    fn what_the_parser_refuses_as_a_shape_the_schema_refuses() {
        for (from, to) in [
            ("strategy: sharded", "strategy: shared"),
            ("workers: 4", "workers: many"),
            ("module: file:website.wasm", "module: website.wasm"),
            ("resync: 10h", "resync: 10"),
            ("verbs: [get]", "verbs: [gets]"),
        ] {
            let text = WHOLE.replace(from, to);
            assert!(HostConfig::parse(&text, Path::new("p.yaml")).is_err(), "{to}");
            assert!(!faults(&text).is_empty(), "{to}");
        }
    }
}
