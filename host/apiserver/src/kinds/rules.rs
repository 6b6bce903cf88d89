//! A resource's rules on the content of its objects: one place where built-in and custom
//! kinds are told apart.

use serde_json::Value;

use super::Resource;
use crate::json;
use crate::schema::{self, Cause, Findings};
use crate::{builtin, kinds};

impl Resource {
    /// Refuses an object that a Go struct could not be decoded from, in the decoder's words.
    /// Custom resources are checked against their schema later, by `validate`.
    pub(crate) fn check_types(&self, object: &Value) -> Result<(), String> {
        if self.is_custom() {
            return Ok(());
        }
        schema::check_types(&self.schema, object).map_err(|error| error.to_string())
    }

    /// Drops unknown fields and answers their paths.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        schema::prune(&self.schema, object)
    }

    /// Fills in defaults, and what a Go struct would leave out is left out.
    pub(crate) fn default(&self, object: &mut Value) {
        if self.is_custom() {
            schema::default(&self.schema, object);
            return;
        }
        builtin::default_object(&self.group, &self.kind, object);
        schema::drop_empty(&self.schema, object);
    }

    /// Everything that is wrong with an object, or with the step from `old` to it.
    pub(crate) fn validate(&self, object: &Value, old: Option<&Value>) -> Findings {
        let mut causes = self.metadata_causes(object, old);
        if self.is_custom() {
            let mut found = schema::validate(&self.schema, object, old);
            causes.append(&mut found.causes);
            causes.extend(self.scale_causes(object));
            return Findings { causes, ..found };
        }
        builtin::check_finalizer_domains(
            &self.group,
            &self.kind,
            object.get("metadata").unwrap_or(&Value::Null),
            &mut causes,
        );
        causes.extend(builtin::validate(&self.group, &self.kind, object, old));
        if self.is_definition() && causes.is_empty() {
            causes.extend(kinds::check_definition(object, old));
        }
        Findings { causes, warnings: Vec::new() }
    }

    /// What a write that is accepted is warned of.
    pub(crate) fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        match object.get("metadata") {
            Some(metadata) if self.is_custom() => {
                builtin::finalizer_warnings(metadata, old.and_then(|old| old.get("metadata")))
            }
            _ => Vec::new(),
        }
    }

    /// What `/scale` shows of a custom resource is never negative.
    fn scale_causes(&self, object: &Value) -> Vec<Cause> {
        let paths = self.scale.iter().flat_map(|scale| [&scale.spec, &scale.status]);
        let number = |path: &str| object.pointer(&path.replace('.', "/")).and_then(Value::as_i64);
        let negative = |path: &String| {
            let number = number(path).filter(|number| *number < 0)?;
            Some(Cause::invalid(path, &Value::from(number), "should be a non-negative integer"))
        };
        paths.filter_map(negative).collect()
    }

    fn metadata_causes(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let mut causes = Vec::new();
        let none = Value::Null;
        let metadata = object.get("metadata").unwrap_or(&none);
        builtin::check_name(&self.group, &self.kind, json::name(object), &mut causes);
        builtin::check_metadata(metadata, "metadata", &mut causes);
        if let Some(old) = old.and_then(|o| o.get("metadata")) {
            builtin::check_metadata_update(metadata, old, &mut causes);
        }
        causes
    }

    /// Whether objects of this resource define other resources.
    pub(crate) fn is_definition(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.plural == "customresourcedefinitions"
    }

    /// Whether this is the core `namespaces`.
    pub(crate) fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.plural == "namespaces"
    }

    /// What a new object starts with: no status of the client's, and what its kind adds
    /// once.
    pub(crate) fn prepare_create(&self, object: &mut Value) {
        if self.splits_status() {
            let status = match self.is_custom() {
                true => None,
                false => kinds::traits::initial_status(&self.group, &self.plural),
            };
            json::set(json::as_map(object), "status", status);
        }
        if !self.is_custom() {
            builtin::prepare_create(&self.group, &self.kind, object);
        }
    }
}
