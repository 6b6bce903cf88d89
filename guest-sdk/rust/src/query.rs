//! What a list selects.

use std::num::NonZeroU32;

use crate::bindings::polyreme::controller::kubernetes::{ListQuery, Source};

/// Objects per page of a list: one page of 2 KiB objects stays near 1 MiB.
const PAGE_SIZE: u32 = 500;

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
    page: Option<NonZeroU32>,
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

    /// Asks the host for this many objects at a time instead of 500: for objects that are
    /// large. All pages are listed; 0 leaves it as it is.
    pub fn pages_of(mut self, objects: u32) -> Self {
        self.page = NonZeroU32::new(objects);
        self
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(crate) fn contract(&self, source: Source) -> ListQuery {
        ListQuery {
            namespace: self.namespace.clone(),
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            limit: self.page.map_or(PAGE_SIZE, NonZeroU32::get),
            continue_: None,
            source,
        }
    }
}
