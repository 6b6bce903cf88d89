//! Label and field selectors of the Kubernetes API, parsed from their query strings.
//!
//! The host's caches, the local API server and the SDK's fake API must agree on what a selector
//! selects, so all three use this crate. It depends on nothing and does no I/O. kube's own `Selector`
//! matches but cannot be parsed from a string, which is what guests and HTTP clients send.
//!
//! Source of the grammar: `k8s.io/apimachinery/pkg/labels` and `pkg/fields`.

mod field;
mod label;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Requirement};

/// Why a selector could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse selector {selector:?}: {problem}")]
pub struct SelectorError {
    selector: String,
    problem: String,
}

impl SelectorError {
    fn new(selector: &str, problem: impl Into<String>) -> Self {
        Self { selector: selector.to_owned(), problem: problem.into() }
    }
}
