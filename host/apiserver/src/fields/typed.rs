//! Values seen through their schema: which fields they have, how two differ, how two merge.
//!
//! The four walks of `structured-merge-diff/v6/typed` in our own words. What a node is follows
//! from value and schema together: scalars and atomic things are leaves, objects have members,
//! lists of type `set` and `map` have entries with an identity. Where the schema is silent,
//! objects are granular and lists are atomic.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::set::{Element, Set};
use crate::schema::{ListType, Schema, item_key};

/// What there is to walk in a value.
enum Node<'a> {
    Leaf,
    Members(&'a Map<String, Value>),
    Entries(&'a [Value]),
}

fn node<'a>(schema: &Schema, value: &'a Value) -> Node<'a> {
    match value {
        Value::Object(map) if !schema.atomic => Node::Members(map),
        Value::Array(entries) if schema.list != ListType::Atomic => Node::Entries(entries),
        _ => Node::Leaf,
    }
}

/// The schema of a member or entry; anything goes where none is declared.
fn below<'a>(schema: &'a Schema, element: &Element) -> &'a Schema {
    static ANYTHING: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(Schema::anything);
    let found = match element {
        Element::Field(name) => schema.member(name),
        _ => schema.items.as_deref(),
    };
    found.unwrap_or(&ANYTHING)
}

fn is_declared(schema: &Schema, element: &Element) -> bool {
    matches!(element, Element::Field(name) if schema.properties.contains_key(name))
}

/// The identity of a list entry.
pub(super) fn identity(schema: &Schema, entry: &Value) -> Element {
    match (&schema.list, &schema.items) {
        (ListType::Map(keys), Some(items)) => Element::key(&item_key(items, keys, entry)),
        _ => Element::Value(entry.to_string()),
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(entries)) => entries.is_empty(),
        Some(_) => false,
    }
}

/// Every field of a value. Members that are declared by the schema are in the set only when
/// they are leaves; entries of maps and lists always are.
pub(super) fn field_set(schema: &Schema, value: &Value) -> Set {
    let mut set = Set::default();
    match node(schema, value) {
        Node::Leaf => {}
        Node::Members(map) => {
            for (name, member) in map {
                add_member(&mut set, schema, name, member);
            }
        }
        Node::Entries(entries) => {
            for entry in entries {
                let element = identity(schema, entry);
                let child = field_set(below(schema, &element), entry);
                set.members.insert(element.clone());
                set.add_child(element, child);
            }
        }
    }
    set
}

fn add_member(set: &mut Set, schema: &Schema, name: &str, member: &Value) {
    let element = Element::Field(name.to_owned());
    let inner = below(schema, &element);
    let is_leaf = matches!(node(inner, member), Node::Leaf);
    let is_empty_map = matches!(member, Value::Object(map) if map.is_empty());
    if is_leaf || is_empty_map || !is_declared(schema, &element) {
        set.members.insert(element.clone());
    }
    set.add_child(element, field_set(inner, member));
}

/// How an object changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

/// What became of one node itself, apart from what lies below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Added,
    Modified,
    Removed,
}

impl Comparison {
    pub(super) fn map(self, keep: impl Fn(&Set) -> Set) -> Self {
        Self { added: keep(&self.added), modified: keep(&self.modified), removed: keep(&self.removed) }
    }

    fn absorb(&mut self, element: Element, change: Change, inner: Self) {
        match change {
            Change::None => {}
            Change::Added => drop(self.added.members.insert(element.clone())),
            Change::Modified => drop(self.modified.members.insert(element.clone())),
            Change::Removed => drop(self.removed.members.insert(element.clone())),
        }
        self.added.add_child(element.clone(), inner.added);
        self.modified.add_child(element.clone(), inner.modified);
        self.removed.add_child(element, inner.removed);
    }
}

/// How `new` differs from `old`.
pub(super) fn compare(schema: &Schema, old: &Value, new: &Value) -> Comparison {
    compare_nodes(schema, Some(old), Some(new)).1
}

fn compare_nodes(schema: &Schema, old: Option<&Value>, new: Option<&Value>) -> (Change, Comparison) {
    let leaf = match (old, new) {
        (Some(old), Some(new)) if old == new => Change::None,
        (Some(_), Some(_)) => Change::Modified,
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
    };
    let granular = |value: Option<&Value>| value.is_some_and(|v| !matches!(node(schema, v), Node::Leaf));
    let both_empty = is_empty(old) && is_empty(new);
    if both_empty || !(granular(old) || granular(new)) {
        return (leaf, Comparison::default());
    }
    let mut inner = Comparison::default();
    compare_members(schema, old, new, &mut inner);
    compare_entries(schema, old, new, &mut inner);
    let same_shape = old.zip(new).is_none_or(|(old, new)| {
        is_empty(Some(old)) || is_empty(Some(new)) || granular(Some(old)) == granular(Some(new))
    });
    let change = match leaf {
        Change::Modified if same_shape => Change::None,
        other => other,
    };
    (change, inner)
}

fn members<'a>(schema: &Schema, value: Option<&'a Value>) -> Option<&'a Map<String, Value>> {
    match node(schema, value?) {
        Node::Members(map) => Some(map),
        _ => None,
    }
}

fn compare_members(schema: &Schema, old: Option<&Value>, new: Option<&Value>, out: &mut Comparison) {
    let (old, new) = (members(schema, old), members(schema, new));
    let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
    for name in names {
        let element = Element::Field(name.clone());
        let (old, new) = (old.and_then(|m| m.get(name)), new.and_then(|m| m.get(name)));
        let (change, inner) = compare_nodes(below(schema, &element), old, new);
        out.absorb(element, change, inner);
    }
}

/// Entries by identity; well-formed lists have one of each.
fn grouped<'a>(schema: &Schema, value: Option<&'a Value>) -> BTreeMap<Element, Vec<&'a Value>> {
    let mut groups: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    if let Some(Node::Entries(entries)) = value.map(|value| node(schema, value)) {
        for entry in entries {
            groups.entry(identity(schema, entry)).or_default().push(entry);
        }
    }
    groups
}

fn compare_entries(schema: &Schema, old: Option<&Value>, new: Option<&Value>, out: &mut Comparison) {
    let (old, new) = (grouped(schema, old), grouped(schema, new));
    let elements: BTreeSet<&Element> = old.keys().chain(new.keys()).collect();
    for element in elements {
        let none = Vec::new();
        let (old, new) = (old.get(element).unwrap_or(&none), new.get(element).unwrap_or(&none));
        let (change, inner) = match (old.as_slice(), new.as_slice()) {
            ([_, _, ..], _) | (_, [_, _, ..]) => (duplicates_changed(old, new), Comparison::default()),
            (old, new) => compare_nodes(below(schema, element), old.first().copied(), new.first().copied()),
        };
        out.absorb(element.clone(), change, inner);
    }
}

fn duplicates_changed(old: &[&Value], new: &[&Value]) -> Change {
    match (old.len(), new.len()) {
        _ if old == new => Change::None,
        (0 | 1, _) => Change::Added,
        (_, 0 | 1) => Change::Removed,
        _ => Change::Modified,
    }
}

/// `applied` on top of `live`: leaves of `applied` win, everything else stays.
pub(super) fn merge(schema: &Schema, live: &Value, applied: &Value) -> Value {
    if is_empty(Some(live)) && is_empty(Some(applied)) {
        return applied.clone();
    }
    match (node(schema, live), node(schema, applied)) {
        (Node::Members(live), Node::Members(applied)) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                let inner = below(schema, &Element::Field(name.clone()));
                let value = match live.get(name) {
                    Some(live) => merge(inner, live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Node::Entries(live), Node::Entries(applied)) => Value::Array(merge_entries(schema, live, applied)),
        _ => applied.clone(),
    }
}

/// Merges two lists. Applied entries keep their relative order; live entries that are not
/// applied stay where they are relative to their neighbours.
fn merge_entries(schema: &Schema, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let named = |list: &[Value]| list.iter().map(|entry| identity(schema, entry)).collect::<Vec<_>>();
    let (live_names, applied_names) = (named(live), named(applied));
    let live: Vec<Entry<'_>> = live_names.iter().zip(live).collect();
    let applied: Vec<Entry<'_>> = applied_names.iter().zip(applied).collect();
    let shared = applied_names.iter().filter(|element| live_names.contains(element)).collect();
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    for (element, from) in interleave(&live, &applied, shared) {
        let value = match from {
            Source::Live(value) => value.clone(),
            Source::Applied(value) => match live.iter().find(|(known, _)| *known == element) {
                Some((_, before)) => merge(below(schema, element), before, value),
                None => value.clone(),
            },
        };
        merged.push(value);
    }
    merged
}

type Entry<'a> = (&'a Element, &'a Value);

enum Source<'a> {
    Live(&'a Value),
    Applied(&'a Value),
}

/// The order of a merged list. `shared` are the elements in both, in applied order; a live
/// entry whose turn has not come is skipped, it will be placed where `applied` has it.
fn interleave<'a>(
    mut live: &[Entry<'a>],
    mut applied: &[Entry<'a>],
    mut shared: VecDeque<&'a Element>,
) -> Vec<(&'a Element, Source<'a>)> {
    let everywhere = applied;
    let is_applied = |element: &Element| everywhere.iter().any(|(known, _)| *known == element);
    let mut order: Vec<(&Element, Source<'_>)> = Vec::new();
    loop {
        match (live.split_first(), applied.split_first()) {
            (None, None) => return order,
            (Some(((left, value), rest)), _) if !is_applied(left) => {
                order.push((left, Source::Live(value)));
                live = rest;
            }
            (Some((_, rest)), None) => live = rest,
            (Some(((left, _), rest)), Some(((right, _), _)))
                if left != right && shared.front().is_some_and(|next| next != left) =>
            {
                live = rest;
            }
            (left, Some(((right, value), rest))) => {
                if let Some(((left, _), others)) = left
                    && (left == right || order.iter().any(|(placed, _)| placed == left))
                {
                    live = others;
                }
                order.push((right, Source::Applied(value)));
                applied = rest;
                if shared.front() == Some(right) {
                    shared.pop_front();
                }
            }
        }
    }
}

/// The value without the fields in `set`. Nothing below an atomic value can be removed.
/// None when nothing is left.
pub(super) fn remove(schema: &Schema, value: &Value, set: &Set) -> Option<Value> {
    match node(schema, value) {
        Node::Leaf => Some(value.clone()),
        Node::Members(map) => {
            let kept = map.iter().filter_map(|(name, member)| {
                let element = Element::Field(name.clone());
                let kept = remove_below(schema, &element, member, set)?;
                Some((name.clone(), kept))
            });
            let kept: Map<String, Value> = kept.collect();
            (map.is_empty() || !kept.is_empty()).then_some(Value::Object(kept))
        }
        Node::Entries(entries) => {
            let kept = entries.iter().filter_map(|entry| {
                let element = identity(schema, entry);
                remove_below(schema, &element, entry, set)
            });
            let kept: Vec<Value> = kept.collect();
            (entries.is_empty() || !kept.is_empty()).then_some(Value::Array(kept))
        }
    }
}

fn remove_below(schema: &Schema, element: &Element, value: &Value, set: &Set) -> Option<Value> {
    if set.members.contains(element) {
        return None;
    }
    match set.below(element) {
        Some(inner) => remove(below(schema, element), value, inner),
        None => Some(value.clone()),
    }
}

/// The set with every declared member that has something below it: `.spec` when there is
/// `.spec.replicas`. Entries of maps and lists are not added.
pub(super) fn with_declared(schema: &Schema, set: &Set) -> Set {
    let mut result = Set { members: set.members.clone(), children: BTreeMap::new() };
    for (element, child) in &set.children {
        if is_declared(schema, element) {
            result.members.insert(element.clone());
        }
        result.add_child(element.clone(), with_declared(below(schema, element), child));
    }
    result
}
