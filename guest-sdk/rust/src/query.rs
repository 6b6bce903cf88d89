//! What a list selects.

use crate::bindings::polyreme::controller::kubernetes::{ListQuery, Source};

/// Which objects [`crate::Context::list`] returns; everything in all namespaces unless
/// narrowed.
///
/// # Example
/// ```
/// use polyreme_sdk::Query;
///
/// let query = Query::in_namespace("project-foo").labels("app=website").fields("spec.theme=lame");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a query selects nothing until it is listed"]
pub struct Query {
    namespace: Option<String>,
    labels: String,
    fields: String,
}

impl Query {
    /// Objects of all namespaces.
    pub fn all() -> Self {
        Self::default()
    }

    /// Objects of one namespace.
    pub fn in_namespace(namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), ..Self::default() }
    }

    /// Narrows by a Kubernetes label selector: `app=website,tier!=test`.
    pub fn labels(mut self, selector: &str) -> Self {
        self.labels = selector.into();
        self
    }

    /// Narrows by field: `metadata.name=x`, what the kind's server supports, and, from the
    /// cache, every field the manifest [indexes](crate::Manifest::indexes).
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = selector.into();
        self
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(crate) fn contract(&self, source: Source, limit: u32) -> ListQuery {
        ListQuery {
            namespace: self.namespace.clone(),
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            limit,
            continue_: None,
            source,
        }
    }
}
