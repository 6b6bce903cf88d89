//! Where what is expected is looked up: objects, Events, log lines.

use anyhow::{Context, Result};
use k8s_openapi::api::events::v1::Event as EventObject;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;

use super::list::{Event, Line, filled};
use super::matching::Names;

/// Kind, namespace (of the run unless named) and name of an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Reference {
    api_version: String,
    kind: String,
    #[serde(default)]
    namespace: Option<String>,
    pub(crate) name: String,
}

impl Reference {
    pub(crate) fn case(name: &str) -> Self {
        let (api_version, kind) = (super::GROUP_VERSION.to_owned(), "Case".to_owned());
        Self { api_version, kind, namespace: None, name: name.to_owned() }
    }

    /// Of an object of the list.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        Self {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            namespace: metadata["namespace"].as_str().map(str::to_owned),
            name: text(&metadata["name"]),
        }
    }

    pub(crate) fn filled(&self, namespace: &str) -> Self {
        let fill = |text: &str| text.replace("${namespace}", namespace);
        let own = self.namespace.as_deref().map(fill);
        Self { namespace: own, name: fill(&self.name), ..self.clone() }
    }
}

/// The API of the kind, in the namespace named or in that of the run.
pub(crate) fn api(client: &Client, target: &Reference, namespace: &str) -> Api<DynamicObject> {
    let (group, version) = target.api_version.split_once('/').unwrap_or(("", &target.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &target.kind));
    if target.kind == "Namespace" {
        return Api::all_with(client.clone(), &resource);
    }
    let namespace = target.namespace.as_deref().unwrap_or(namespace);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// An object as it is now.
pub(crate) async fn view(client: &Client, target: &Reference, namespace: &str) -> Result<Option<Value>> {
    let target = target.filled(namespace);
    let found = api(client, &target, namespace).get_opt(&target.name).await;
    let found = found.with_context(|| format!("failed to read {} {}", target.kind, target.name))?;
    found.map(|object| serde_json::to_value(object).context("failed to read an object")).transpose()
}

/// What of `wanted` no Event of the namespace is.
pub(crate) async fn missing_event<'a>(
    client: &Client,
    namespace: &str,
    wanted: &'a [Event],
) -> Result<Option<&'a Event>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let events: Api<EventObject> = Api::namespaced(client.clone(), namespace);
    let events = events.list(&ListParams::default()).await.context("failed to list Events")?.items;
    let is = |event: &EventObject, wanted: &Event| {
        let regarding = event.regarding.as_ref();
        regarding.and_then(|object| object.kind.as_deref()) == Some(&*wanted.kind)
            && regarding.and_then(|object| object.name.as_deref()) == Some(&*wanted.name)
            && event.type_.as_deref() == Some(&*wanted.r#type)
            && event.reason.as_deref() == Some(&*wanted.reason)
            && event.note.as_deref() == Some(&*wanted.note)
    };
    Ok(wanted.iter().find(|wanted| !events.iter().any(|event| is(event, wanted))))
}

/// One line of the host's log in JSON.
#[derive(Deserialize)]
struct LogLine {
    level: String,
    message: String,
    #[serde(default)]
    span: Value,
}

/// The lines of one object.
pub(crate) struct Lines(Vec<LogLine>);

impl Lines {
    /// Lines that are no JSON are none of an object.
    pub(crate) fn of(log: &str, object: &str) -> Self {
        let lines = log.lines().filter(|line| line.contains(object));
        let lines = lines.filter_map(|line| serde_json::from_str::<LogLine>(line).ok());
        Self(lines.filter(|line| line.span["object"] == object).collect())
    }

    /// Whether there are as many such lines as there should be.
    pub(crate) fn check(&self, wanted: &Line, names: &Names, namespace: &str) -> Result<(), String> {
        let fill =
            |text: &String| names.fill(filled(&text.as_str().into(), namespace).as_str().unwrap_or_default());
        let (is, has) = (wanted.is.as_ref().map(fill), wanted.has.as_ref().map(fill));
        let fits = |line: &&LogLine| {
            wanted.level.as_ref().is_none_or(|level| level.eq_ignore_ascii_case(&line.level))
                && is.as_ref().is_none_or(|text| *text == line.message)
                && has.as_ref().is_none_or(|text| line.message.contains(text))
        };
        let count = self.0.iter().filter(fits).count();
        if wanted.times.map_or(count > 0, |times| times == count) {
            return Ok(());
        }
        let level = wanted.level.as_deref().unwrap_or("any level");
        Err(format!("the log has {count} lines at {level} with {:?}: {}", is.or(has), self.all()))
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.iter().any(|line| line.message.contains(text))
    }

    pub(crate) fn last(&self) -> Option<String> {
        self.0.last().map(|line| format!("{} {}", line.level, line.message))
    }

    fn all(&self) -> String {
        let lines = self.0.iter().map(|line| format!("\n      {} {}", line.level, line.message));
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_object_alone() {
        let log = r#"no json
{"level":"INFO","message":"hello","span":{"object":"n/a"}}
{"level":"INFO","message":"n/a","span":{"object":"n/b"}}"#;
        let lines = Lines::of(log, "n/a");
        let line =
            |text: &str, times| Line { level: Some("info".into()), is: Some(text.into()), has: None, times };
        let names = Names::default();
        assert!(lines.check(&line("hello", Some(1)), &names, "n").is_ok());
        assert!(lines.check(&line("hello", Some(0)), &names, "n").is_err());
        assert!(lines.check(&line("n/a", None), &names, "n").is_err());
    }
}
