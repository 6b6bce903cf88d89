//! The fake behind the imports of the contract.

use serde_json::Value;

use polyreme_selector::{FieldSelector, LabelSelector};

use super::access::{Wish, bare};
use super::fake::{Fake, State};
use super::record::{Event, LogLine, Sample, Write};
use super::store::{ensure_named, parse, refusal};
use crate::bindings::polyreme::controller::events::Severity;
use crate::bindings::polyreme::controller::http;
use crate::bindings::polyreme::controller::kubernetes::{
    DeleteOptions, ListQuery, Page, Source, WriteOptions, Written,
};
use crate::bindings::polyreme::controller::log::Level;
use crate::bindings::polyreme::controller::types::{Error, Kind, ObjectRef, Reason};
use crate::host::{Host, Pairs};
use crate::http::HttpRequest;

/// The fake, as [`crate::Context`] sees it.
#[derive(Clone)]
pub(crate) struct Imports(pub(super) Fake);

impl Host for Imports {
    fn get(&self, object: &ObjectRef, _source: Source) -> Result<String, Error> {
        let mut state = self.0.state_mut();
        state.admit("get", object, None, None)?;
        Ok(state.store.get(object)?.to_string())
    }

    fn list(&self, kind: &Kind, query: &ListQuery) -> Result<Page, Error> {
        let all = ObjectRef {
            api_version: kind.api_version.clone(),
            kind: kind.kind.clone(),
            namespace: query.namespace.clone(),
            name: "*".into(),
        };
        let mut state = self.0.state_mut();
        state.admit("list", &all, None, None)?;
        let items = state.select(&all, query)?;
        Ok(Page { items, continue_: None })
    }

    fn create(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        let now = self.0.timestamp();
        self.0.write("create", object, options, |state, target, object| {
            state.store.create(target, object.clone(), &now)
        })
    }

    fn update(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        self.0.write("update", object, options, |state, target, object| {
            state.store.update(target, object, options)
        })
    }

    fn merge_patch(&self, object: &ObjectRef, patch: &str, options: &WriteOptions) -> Result<Written, Error> {
        let patch =
            serde_json::from_str(patch).map_err(|error| refusal(Reason::BadRequest, error.to_string()))?;
        let mut state = self.0.state_mut();
        state.admit("patch", object, options.subresource.as_deref(), Some(&patch))?;
        let written = state.store.merge_patch(object, &patch, options)?;
        Ok(state.record("patch", object, patch, options, written))
    }

    fn apply(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        let now = self.0.timestamp();
        self.0.write("apply", object, options, |state, target, object| {
            let default = state.manager();
            let manager = options.field_manager.as_ref().unwrap_or(&default);
            state.store.apply(target, object, manager, options, &now)
        })
    }

    fn apply_all(&self, objects: &[String], options: &WriteOptions) -> Vec<Result<Written, Error>> {
        let each = objects.iter();
        each.map(|object| self.apply(object, options)).collect()
    }

    fn delete(&self, object: &ObjectRef, options: &DeleteOptions) -> Result<(), Error> {
        let now = self.0.timestamp();
        let mut state = self.0.state_mut();
        state.admit("delete", object, None, None)?;
        let uid = state.store.get(object)?["metadata"]["uid"].as_str();
        if options.uid.is_some() && options.uid.as_deref() != uid {
            return Err(refusal(Reason::Conflict, "another object has this name now"));
        }
        state.store.delete(object, &now)?;
        let verb = "delete";
        let (object, subresource, body) = (object.clone(), None, Value::Null);
        state.writes.push(Write { verb, object, subresource, body });
        Ok(())
    }

    fn emit(&self, regarding: &ObjectRef, severity: Severity, reason: &str, action: &str, note: &str) {
        self.0.state_mut().events.push(Event {
            regarding: regarding.clone(),
            severity,
            reason: reason.into(),
            action: action.into(),
            note: note.into(),
        });
    }

    fn log(&self, level: Level, message: &str, fields: &Pairs) {
        let (message, fields) = (message.to_owned(), fields.to_vec());
        self.0.state_mut().logs.push(LogLine { level, message, fields });
    }

    fn log_enabled(&self, _level: Level) -> bool {
        true
    }

    fn add_counter(&self, name: &str, value: f64, labels: &Pairs) {
        self.0.sample(name, value, labels);
    }

    fn set_gauge(&self, name: &str, value: f64, labels: &Pairs) {
        self.0.sample(name, value, labels);
    }

    fn observe(&self, name: &str, value: f64, labels: &Pairs) {
        self.0.sample(name, value, labels);
    }

    fn settings(&self) -> String {
        self.0.state().settings.to_string()
    }

    fn now(&self) -> u64 {
        let nanos = self.0.state().now.as_nanosecond();
        nanos.try_into().unwrap_or_default()
    }

    fn monotonic(&self) -> u64 {
        Host::now(self)
    }

    fn random_bytes(&self, len: u32) -> Vec<u8> {
        let word = |_| self.random_number().to_le_bytes();
        let bytes = (0..len.div_ceil(8)).flat_map(word);
        bytes.take(len as usize).collect()
    }

    /// The test's server is not held while it answers: it may look at the cluster.
    fn send(&self, request: &http::Request) -> Result<http::Response, http::Error> {
        let request = HttpRequest { raw: request.clone() };
        self.0.state_mut().requests.push(request.clone());
        let Some(mut server) = self.0.state_mut().server.take() else {
            let message = "the test has no server: see Fake::with_server".to_owned();
            return Err(http::Error { reason: http::Reason::NotGranted, message });
        };
        let answer = server(&request);
        self.0.state_mut().server = Some(server);
        let response = answer.map_err(|reason| {
            let message = "the test's server did not answer".to_owned();
            http::Error { reason, message }
        })?;
        let headers = response.headers.into_iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            http::Header { name, value }
        });
        Ok(http::Response { status: response.status, headers: headers.collect(), body: response.body })
    }

    /// SplitMix64: the same numbers in every run.
    fn random_number(&self) -> u64 {
        let mut state = self.0.state_mut();
        state.drawn = state.drawn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state.drawn ^ (state.drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Fake {
    /// Parses, admits, carries out and records a write of a whole object.
    fn write(
        &self,
        verb: &'static str,
        json: &str,
        options: &WriteOptions,
        carry_out: impl FnOnce(&mut State, &ObjectRef, &Value) -> Result<Written, Error>,
    ) -> Result<Written, Error> {
        let (target, object) = parse(json)?;
        let mut state = self.state_mut();
        let subresource = options.subresource.as_deref();
        state.admit(verb, &target, subresource, Some(&object))?;
        let written = carry_out(&mut state, &target, &object)?;
        Ok(state.record(verb, &target, object, options, written))
    }

    fn sample(&self, name: &str, value: f64, labels: &Pairs) {
        let (name, labels) = (name.to_owned(), labels.to_vec());
        self.state_mut().samples.push(Sample { name, value, labels });
    }
}

impl State {
    /// An injected fault, else the permissions.
    fn admit(
        &mut self,
        verb: &'static str,
        target: &ObjectRef,
        subresource: Option<&str>,
        sent: Option<&Value>,
    ) -> Result<(), Error> {
        ensure_named(target)?;
        let hit = |fault: &super::fake::Fault| fault.verb == verb && fault.kind == target.kind;
        if let Some(place) = self.faults.iter().position(hit) {
            let fault = self.faults.remove(place);
            return Err(refusal(fault.reason, "injected by the test"));
        }
        let held = self.store.find(target);
        let wish = Wish { verb, target, subresource, sent, held };
        self.access.as_ref().map_or(Ok(()), |access| access.check(&wish))
    }

    fn select(&self, kind: &ObjectRef, query: &ListQuery) -> Result<Vec<String>, Error> {
        let bad = |message: String| refusal(Reason::BadRequest, message);
        let labels = LabelSelector::parse(&query.label_selector).map_err(|e| bad(e.to_string()))?;
        let fields = FieldSelector::parse(&query.field_selector).map_err(|e| bad(e.to_string()))?;
        if let Some(access) = self.access.as_ref().filter(|_| query.source == Source::Cache) {
            access.check_fields(kind, &fields)?;
        }
        let children = self.access.as_ref().filter(|access| access.lists_children_only(kind));
        let all = self.store.objects(&kind.api_version, &kind.kind);
        let selected = all.filter(|object| {
            let metadata = &object["metadata"];
            let namespace = kind.namespace.as_deref();
            namespace.is_none_or(|namespace| metadata["namespace"] == namespace)
                && children.is_none_or(|access| access.is_child(object))
                && labels.matches(|key| metadata["labels"][key].as_str())
                && fields.matches(|path| field(object, path).unwrap_or_default().to_owned())
        });
        Ok(selected.map(Value::to_string).collect())
    }

    fn record(
        &mut self,
        verb: &'static str,
        target: &ObjectRef,
        body: Value,
        options: &WriteOptions,
        written: Written,
    ) -> Written {
        if written.changed {
            self.writes.push(Write {
                verb,
                object: target.clone(),
                subresource: options.subresource.clone(),
                body,
            });
        }
        written
    }

    /// The default field manager: the controller's name.
    fn manager(&self) -> String {
        let access = self.access.as_ref();
        access.map_or_else(String::new, |access| access.manifest.name.clone())
    }
}

/// The text of the field at a dotted path.
fn field<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    let mut steps = bare(path).split('.');
    steps.try_fold(object, |at, step| at.get(step))?.as_str()
}
