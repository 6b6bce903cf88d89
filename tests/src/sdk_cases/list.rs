//! The list as data: `tests/sdk-cases/cases.yaml`, read strictly.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::observe::Reference;
use crate::environment::repository;

/// Where the list and its guests are.
pub(crate) fn folder() -> PathBuf {
    repository().join("tests/sdk-cases")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) settings: Value,
    pub(crate) grants: Value,
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) given: Vec<Value>,
    /// Asked to go before the Case is made.
    #[serde(default)]
    pub(crate) deleted: Vec<Reference>,
    /// Cases among `given` that must have an output before this one is made.
    #[serde(default)]
    pub(crate) settled: Vec<String>,
    #[serde(default)]
    pub(crate) input: Option<Value>,
    #[serde(default)]
    pub(crate) generate: Generate,
    pub(crate) expect: Expect,
    #[serde(default)]
    pub(crate) then: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generate {
    pub(crate) text: Option<usize>,
    pub(crate) nested: Option<usize>,
    #[serde(default)]
    pub(crate) server: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) apply: Vec<Value>,
    #[serde(default)]
    pub(crate) merge: Option<Value>,
    #[serde(default)]
    pub(crate) delete: Vec<Reference>,
    pub(crate) expect: Expect,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) output: Option<Value>,
    #[serde(default)]
    pub(crate) objects: Vec<Value>,
    #[serde(default)]
    pub(crate) absent: Vec<Reference>,
    #[serde(default)]
    pub(crate) log: Vec<Line>,
    #[serde(default)]
    pub(crate) events: Vec<Event>,
    #[serde(default)]
    pub(crate) metrics: Vec<Metric>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) level: Option<String>,
    pub(crate) is: Option<String>,
    pub(crate) has: Option<String>,
    pub(crate) times: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) reason: String,
    pub(crate) note: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    pub(crate) is: f64,
}

impl List {
    pub(crate) fn read() -> Result<Self> {
        let file = folder().join("cases.yaml");
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let list: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("failed to parse {}", file.display()))?;
        let mut names: Vec<_> = list.cases.iter().map(|case| &case.name).collect();
        names.sort();
        ensure!(names.is_sorted_by(|a, b| a < b), "a case is in {} twice", file.display());
        Ok(list)
    }
}

impl Case {
    /// The Case to be made in a namespace; `server` is the URL of the server outside of Kubernetes.
    pub(crate) fn object(&self, namespace: &str, server: &str) -> Value {
        let mut spec = json!({ "case": self.name });
        if let Some(input) = self.whole_input(server) {
            spec["input"] = filled(&input, namespace);
        }
        json!({
            "apiVersion": super::GROUP_VERSION,
            "kind": "Case",
            "metadata": { "name": self.name, "labels": { "cases.polyreme.dev/run": "yes" } },
            "spec": spec,
        })
    }

    fn whole_input(&self, server: &str) -> Option<Value> {
        let mut input = self.input.clone();
        if self.generate.server {
            input.get_or_insert_with(|| json!({}))["server"] = server.into();
        }
        if let Some(bytes) = self.generate.text {
            input.get_or_insert_with(|| json!({}))["text"] = generated_text(bytes).into();
        }
        if let Some(depth) = self.generate.nested {
            let innermost = json!({ "leaf": "bottom" });
            input = Some((0..depth).fold(innermost, |inner, _| json!({ "nested": inner })));
        }
        input
    }
}

/// The numbers 0000000, 0000001, …, each with a space behind it.
pub(crate) fn generated_text(bytes: usize) -> String {
    let mut text: String = (0..bytes.div_ceil(8)).map(|number| format!("{number:07} ")).collect();
    text.truncate(bytes);
    text
}

/// A value with `${namespace}` filled in everywhere.
pub(crate) fn filled(value: &Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => text.replace("${namespace}", namespace).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, namespace)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), filled(field, namespace))).collect()
        }
        other => other.clone(),
    }
}

/// An object filled in and, unless it names a namespace or is one, put into `namespace`.
pub(crate) fn placed(object: &Value, namespace: &str) -> Value {
    let mut object = filled(object, namespace);
    if object["metadata"]["namespace"].is_null() && object["kind"] != "Namespace" {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_keeps_every_digit() {
        let list = List::read().unwrap();
        assert_eq!(list.settings["limit"].to_string(), "9007199254740993");
        let numbers = list.cases.iter().find(|case| case.name == "numbers").unwrap();
        assert_eq!(numbers.object("n", "")["spec"]["input"]["least"].to_string(), i64::MIN.to_string());
    }

    #[test]
    fn the_generated_text_counts() {
        assert_eq!(generated_text(20), "0000000 0000001 0000");
    }
}
