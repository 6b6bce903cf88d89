//! Structural schemas: what an object of a kind may look like, and what follows from it.
//!
//! One intermediate form, [`Schema`], serves custom resources (parsed from a CRD's
//! `openAPIV3Schema`) and built-in kinds (from the JSON schemas that `k8s-openapi` carries).
//! Everything here is a function of JSON values: [`prune`] drops unknown fields,
//! [`default`] fills in defaults, [`validate`] says what is wrong in the real server's words,
//! and the merge information is read by `patch` and `fields`.
//!
//! Nodes are shared by reference count, so a `PodTemplateSpec` exists once however many kinds
//! contain it; a definition that contains itself is cut at the second visit and accepts
//! anything below (only `JSONSchemaProps` does that). Bounded by the size of the input: no
//! walk goes deeper than the value or the schema, whichever ends first.

mod cause;
mod cel;
mod defaults;
mod embedded;
mod format;
mod gotypes;
mod lists;
mod numbers;
mod parse;
mod prune;
mod structural;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use cause::{Cause, TYPE_INVALID, aggregate, child, index, key};
pub use defaults::default;
pub use gotypes::{DecodeError, check_types, drop_empty, fill_required, fill_structs};
pub use lists::{correlate, item_key};
pub use prune::prune;
pub use validate::{Findings, validate};

/// The JSON type a schema node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A map or a struct.
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number; `1.0` counts as one.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Kind {
    /// The name used in schemas and error messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// `x-kubernetes-list-type`: how entries of a list are told apart when it is merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value, replaced as a whole.
    #[default]
    Atomic,
    /// Entries are their own keys.
    Set,
    /// Entries are objects with these key fields.
    Map(Vec<String>),
}

/// `additionalProperties`.
#[derive(Debug, Clone, Default)]
pub enum Additional {
    /// Not given: unknown fields are pruned.
    #[default]
    Undefined,
    /// `true`: anything goes and is kept.
    Any,
    /// `false`: nothing but the named properties is valid.
    Forbidden,
    /// The object is a map with values of this schema.
    Of(Arc<Schema>),
}

/// Strategic merge patch: what `patchStrategy` and `patchMergeKey` say of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeStrategy {
    /// Entries of a list are merged instead of the list being replaced.
    pub merge: bool,
    /// Which member tells entries apart; none for lists of scalars.
    pub key: Option<String>,
    /// The patch may carry `$retainKeys`.
    pub retain_keys: bool,
    /// A struct that is replaced as a whole.
    pub replace: bool,
}

/// Limits on values that do not change the shape of an object.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// `format`, as written.
    pub format: Option<String>,
    /// Allowed values; empty allows all.
    pub allowed: Vec<Value>,
    /// `pattern` with its source text, or the reason why it does not compile.
    pub pattern: Option<(String, Result<regex::Regex, String>)>,
    /// Limits of numbers.
    pub number: numbers::Limits,
    /// Lengths and sizes.
    pub size: Sizes,
    /// `uniqueItems`.
    pub unique_items: bool,
    /// All of these must hold.
    pub all_of: Vec<Schema>,
    /// At least one of these must hold.
    pub any_of: Vec<Schema>,
    /// Exactly one of these must hold.
    pub one_of: Vec<Schema>,
    /// This must not hold.
    pub not: Option<Box<Schema>>,
}

/// Upper and lower bounds on lengths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// `minLength` in characters.
    pub min_length: Option<u64>,
    /// `maxLength` in characters.
    pub max_length: Option<u64>,
    /// `minItems`.
    pub min_items: Option<u64>,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// `minProperties`.
    pub min_properties: Option<u64>,
    /// `maxProperties`.
    pub max_properties: Option<u64>,
}

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The JSON type; none when any type is accepted.
    pub kind: Option<Kind>,
    /// Name of the definition it came from, for built-in kinds.
    pub definition: Option<Arc<str>>,
    /// What `kubectl explain` says of it, for custom resources.
    pub description: Option<Arc<str>>,
    /// `null` is a value of its own and kept.
    pub nullable: bool,
    /// Named members of an object.
    pub properties: BTreeMap<String, Arc<Schema>>,
    /// All other members of an object.
    pub additional: Additional,
    /// Entries of a list.
    pub items: Option<Arc<Schema>>,
    /// Members that must be present.
    pub required: Vec<String>,
    /// Filled in when the member is absent.
    pub default: Option<Value>,
    /// Unknown members are kept.
    pub preserve_unknown: bool,
    /// The object has `apiVersion`, `kind` and `metadata` of its own.
    pub embedded: bool,
    /// Whole numbers and texts are both accepted.
    pub int_or_string: bool,
    /// How entries of a list are told apart.
    pub list: ListType,
    /// The object is one value, replaced as a whole.
    pub atomic: bool,
    /// A Go struct by value: present even when nothing is in it.
    pub always: bool,
    /// How a strategic merge patch treats the field.
    pub merge: MergeStrategy,
    /// Limits on values.
    pub checks: Checks,
    /// Validation rules of this node.
    pub rules: Option<Arc<cel::Rules>>,
}

impl Schema {
    /// Parses the `openAPIV3Schema` of a CRD version.
    ///
    /// # Errors
    /// Every way in which it is not structural, with paths that begin at
    /// `openAPIV3Schema`; the caller knows the version's index and prefixes it.
    ///
    /// # Example
    /// ```
    /// use polyreme_apiserver::schema::Schema;
    /// use serde_json::json;
    /// let schema = Schema::from_crd(&json!({
    ///     "type": "object",
    ///     "properties": {"spec": {"type": "object"}},
    /// }));
    /// assert!(schema.is_ok());
    /// assert!(Schema::from_crd(&json!({"type": "array"})).is_err());
    /// ```
    pub fn from_crd(source: &Value) -> Result<Self, Vec<Cause>> {
        Self::from_crd_at(source, "openAPIV3Schema")
    }

    /// Parses a schema that stands at `path` of its definition, so that causes that mention
    /// a second place mention it in full.
    ///
    /// # Errors
    /// As for [`Schema::from_crd`], with paths that begin at `path`.
    pub fn from_crd_at(source: &Value, path: &str) -> Result<Self, Vec<Cause>> {
        let mut causes = structural::check(source, path);
        let schema = parse::node(source, path, &mut causes);
        if causes.is_empty() {
            validate::defaults(&schema, path, &mut causes);
        }
        if !causes.is_empty() {
            causes.sort_by_key(ToString::to_string);
            causes.dedup();
            return Err(causes);
        }
        Ok(schema.with_object_meta())
    }

    /// A schema that accepts and keeps everything.
    #[must_use]
    pub fn anything() -> Self {
        Self { preserve_unknown: true, ..Self::default() }
    }

    /// The schema of a named member, whether declared or an entry of a map.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match (self.properties.get(name), &self.additional) {
            (Some(found), _) => Some(found),
            (None, Additional::Of(values)) => Some(values),
            _ => None,
        }
    }

    /// Whether a member of this name survives pruning.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.preserve_unknown
            || self.properties.contains_key(name)
            || matches!(self.additional, Additional::Any | Additional::Of(_))
            || (self.embedded && is_type_meta(name))
    }

    /// Whether the object is a map rather than a struct.
    #[must_use]
    pub fn is_map(&self) -> bool {
        self.properties.is_empty() && matches!(self.additional, Additional::Any | Additional::Of(_))
    }

    /// Whether any node below, or this one, carries validation rules.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.rules.is_some()
            || self.properties.values().any(|p| p.has_rules())
            || self.items.as_ref().is_some_and(|i| i.has_rules())
            || matches!(&self.additional, Additional::Of(v) if v.has_rules())
    }

    /// Adds what every object has at its root: `apiVersion`, `kind` and the real
    /// `ObjectMeta` (so that unknown metadata fields are pruned and merge keys are known).
    fn with_object_meta(mut self) -> Self {
        let text = Self { kind: Some(Kind::String), ..Self::default() };
        for name in ["apiVersion", "kind"] {
            self.properties.insert(name.to_owned(), Arc::new(text.clone()));
        }
        self.merge_metadata(crate::builtin::object_meta());
        self
    }

    /// A CRD may restrict `metadata.name`: those checks are kept on top of `ObjectMeta`.
    fn merge_metadata(&mut self, object_meta: Arc<Self>) {
        let own = self.properties.remove("metadata");
        let mut metadata = (*object_meta).clone();
        for (name, given) in own.iter().flat_map(|m| m.properties.iter()) {
            metadata.properties.insert(name.clone(), Arc::clone(given));
        }
        self.properties.insert("metadata".to_owned(), Arc::new(metadata));
    }
}

/// `apiVersion`, `kind` and `metadata`: kept in embedded resources without being declared.
fn is_type_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

#[cfg(test)]
mod tests;
