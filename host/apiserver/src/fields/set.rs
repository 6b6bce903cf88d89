//! Sets of field paths, and the algebra on them.
//!
//! A set is a tree: `members` are paths that end here, `children` are sets below a step. A
//! path and one below it may both be in a set (an entry of a map and its fields). No child is
//! ever empty, so two equal sets are equal values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// One step of a path. Ordered and encoded as `structured-merge-diff` does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A member of an object.
    Field(String),
    /// An entry of a list, by its key fields: canonical JSON of an object.
    Key(String),
    /// An entry of a set: canonical JSON of the value.
    Value(String),
    /// An entry of a list, by position. Only read, never written by us.
    Index(i64),
}

impl Element {
    /// The element for a keyed list entry.
    pub fn key(fields: &serde_json::Map<String, Value>) -> Self {
        let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
        let text = serde_json::to_string(&sorted);
        Self::Key(text.expect("a map of JSON values serializes"))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(fields) => {
                let parsed: BTreeMap<String, Value> = serde_json::from_str(fields).unwrap_or_default();
                let parts: Vec<String> =
                    parsed.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
        }
    }
}

/// A set of paths.
///
/// # Example
/// ```
/// use polyreme_apiserver::fields::Set;
/// let mut set = Set::default();
/// set.insert(&["spec", "replicas"]);
/// set.insert(&["spec", "paused"]);
/// let mut other = Set::default();
/// other.insert(&["spec", "paused"]);
/// assert_eq!(set.difference(&other).paths(), [".spec.replicas"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Paths that end here.
    pub(super) members: BTreeSet<Element>,
    /// Paths that go on.
    pub(super) children: BTreeMap<Element, Set>,
}

impl Set {
    /// Adds a path of object members.
    pub fn insert(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let element = Element::Field((*first).to_owned());
        if rest.is_empty() {
            self.members.insert(element);
        } else {
            self.children.entry(element).or_default().insert(rest);
        }
    }

    /// Whether there is no path in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Adds what lies below a step, unless that is nothing.
    pub(super) fn add_child(&mut self, element: Element, child: Self) {
        if !child.is_empty() {
            self.children.insert(element, child);
        }
    }

    /// The part below a step.
    pub(super) fn below(&self, element: &Element) -> Option<&Self> {
        self.children.get(element)
    }

    /// Paths in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            let merged = match result.children.get(element) {
                Some(own) => own.union(child),
                None => child.clone(),
            };
            result.children.insert(element.clone(), merged);
        }
        result
    }

    /// Paths in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut result = Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            if let Some(others) = other.below(element) {
                result.add_child(element.clone(), child.intersection(others));
            }
        }
        result
    }

    /// Paths in this one only. What lies below a removed path stays.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut result = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            let rest = match other.below(element) {
                Some(others) => child.difference(others),
                None => child.clone(),
            };
            result.add_child(element.clone(), rest);
        }
        result
    }

    /// Paths of this one that are neither in `other` nor below a path in it.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut result = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            if other.members.contains(element) {
                continue;
            }
            let rest = match other.below(element) {
                Some(others) => child.recursive_difference(others),
                None => child.clone(),
            };
            result.add_child(element.clone(), rest);
        }
        result
    }

    /// Only what is at or below one top-level member.
    #[must_use]
    pub(super) fn only_under(&self, field: &str) -> Self {
        let element = Element::Field(field.to_owned());
        let mut result = Self::default();
        result.members.extend(self.members.get(&element).cloned());
        result.add_child(element.clone(), self.below(&element).cloned().unwrap_or_default());
        result
    }

    /// Every path, as `.spec.containers[name="a"].image`, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for element in &self.members {
            paths.push(element.to_string());
        }
        for (element, child) in &self.children {
            paths.extend(child.paths().into_iter().map(|rest| format!("{element}{rest}")));
        }
        paths
    }
}
