//! Server-side apply.

use std::collections::BTreeMap;

use serde_json::Value;

use super::managers::{self, Manager, Managers, Owned};
use super::set::Set;
use super::typed::{compare, field_set, merge, remove, with_declared};
use super::update::{disown, record};
use super::{
    ApplyError, ApplyOptions, Conflict, Conflicts, Request, Scope, check, comparable, last_applied,
    same_but_times, unowned, with_nulls,
};
use crate::schema::Schema;

/// Merges `applied` into `live` for the request's manager and returns the object to store,
/// `managedFields` included. When nothing changes it is `live` itself.
///
/// # Errors
/// [`ApplyError::Conflicts`] when others own what would change and `force` is not set;
/// [`ApplyError::Typed`] when `applied` has a field the schema does not know, a value of
/// another type or two entries with the same keys; [`ApplyError::BadRequest`] when it carries
/// `managedFields` or another API version than the request.
///
/// # Example
/// ```
/// use polyreme_apiserver::{builtin, fields::{self, ApplyOptions}};
/// use serde_json::json;
/// let schema = builtin::find("", "v1", "configmaps").expect("built in").schema();
/// let options = ApplyOptions {
///     manager: "me".into(), force: false, api_version: "v1".into(), subresource: String::new(),
///     now: chrono::DateTime::UNIX_EPOCH,
/// };
/// let config = |data| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
/// let first = fields::apply(&schema, None, &config(json!({"a": "1", "b": "2"})), &options)?;
/// let second = fields::apply(&schema, Some(&first), &config(json!({"a": "1"})), &options)?;
/// assert_eq!(second["data"], json!({"a": "1"}));
/// # Ok::<(), fields::ApplyError>(())
/// ```
pub fn apply(
    schema: &Schema,
    live: Option<&Value>,
    applied: &Value,
    options: &ApplyOptions,
) -> Result<Value, ApplyError> {
    let request = &Request {
        manager: &options.manager,
        api_version: &options.api_version,
        subresource: &options.subresource,
        scope: Scope::of(schema, &options.subresource),
        now: options.now,
    };
    check::check(schema, applied, request)?;
    let mut attempt = Attempt::new(schema, live, request);
    let conflicts = match attempt.apply(applied, options.force) {
        Ok(object) => return Ok(attempt.finish(live, applied, object)),
        Err(conflicts) => conflicts,
    };
    let rest = last_applied::without_allowed(schema, live, conflicts.clone(), request);
    if !rest.is_empty() {
        return Err(ApplyError::Conflicts(told(&rest)));
    }
    let mut attempt = Attempt::new(schema, live, request);
    match attempt.apply(applied, true) {
        Ok(object) => Ok(attempt.finish(live, applied, object)),
        Err(conflicts) => Err(ApplyError::Conflicts(told(&conflicts))),
    }
}

/// Fields in conflict by owner.
pub(super) type Contested = BTreeMap<Manager, Set>;

fn told(conflicts: &Contested) -> Conflicts {
    let each = conflicts.iter().flat_map(|(manager, set)| {
        let manager = manager.describe();
        set.paths().into_iter().map(move |field| Conflict { manager: manager.clone(), field })
    });
    Conflicts(each.collect())
}

struct Attempt<'a> {
    schema: &'a Schema,
    request: &'a Request<'a>,
    manager: Manager,
    managers: Managers,
    live: Value,
}

impl<'a> Attempt<'a> {
    fn new(schema: &'a Schema, live: Option<&Value>, request: &'a Request<'a>) -> Self {
        let mut managers = live.map(managers::read).unwrap_or_default();
        if let (true, Some(live)) = (managers.is_empty(), live) {
            let before = Request { manager: "before-first-apply", subresource: "", ..*request };
            record(schema, None, live, &before, &mut managers);
        }
        Self {
            schema,
            request,
            manager: Manager::new(request.manager, true, request.api_version, request.subresource),
            managers,
            live: comparable(schema, live),
        }
    }

    /// The merged object, or what stands against it.
    fn apply(&mut self, applied: &Value, force: bool) -> Result<Value, Contested> {
        let merged = merge(self.schema, &self.live, applied);
        let wanted = self.request.scope.filter(&field_set(self.schema, applied));
        let last = self.managers.get(&self.manager).map(|owned| owned.set.clone());
        let time = self.managers.get(&self.manager).and_then(|owned| owned.time.clone());
        let owned = Owned { set: wanted, api_version: self.request.api_version.to_owned(), time };
        self.managers.insert(self.manager.clone(), owned);
        let pruned = self.prune(merged, last);
        let live = with_nulls(self.schema, &self.live);
        let changes = compare(self.schema, &live, &with_nulls(self.schema, &pruned))
            .map(|set| self.request.scope.filter(set));
        let touched = changes.added.union(&changes.modified);
        let conflicts = self.conflicts(&touched);
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        disown(&mut self.managers, &changes, Some(&self.manager));
        Ok(pruned)
    }

    fn conflicts(&self, touched: &Set) -> Contested {
        let others = self.managers.iter().filter(|(manager, _)| **manager != self.manager);
        let shared = others.map(|(manager, owned)| (manager.clone(), owned.set.intersection(touched)));
        shared.filter(|(_, set)| !set.is_empty()).collect()
    }

    /// Takes away what the manager applied last time, does not apply now, and nobody owns.
    fn prune(&self, merged: Value, last: Option<Set>) -> Value {
        let Some(last) = last.filter(|last| !last.is_empty()) else {
            return merged;
        };
        let schema = self.schema;
        let last = with_declared(schema, &last);
        let all = with_declared(schema, &field_set(schema, &merged));
        let left = |value: &Value| with_declared(schema, &field_set(schema, value));
        let without =
            |set: &Set| remove(schema, &merged, set).unwrap_or_else(|| Value::Object(Default::default()));
        let managed = self.managers.values().fold(Set::default(), |all, owned| all.union(&owned.set));
        let pruned = without(&last);
        let pruned = without(&all.difference(&left(&pruned).union(&with_declared(schema, &managed))));
        without(&all.difference(&left(&pruned)).intersection(&last))
    }

    /// The object to store: times move only when it changed.
    fn finish(mut self, live: Option<&Value>, applied: &Value, mut object: Value) -> Value {
        last_applied::refresh(&mut object, applied, self.request);
        if object != self.live || live.is_none() {
            let time = self.request.time();
            if let Some(owned) = self.managers.get_mut(&self.manager) {
                owned.time = Some(time);
            }
        }
        if let Some(owned) = self.managers.get_mut(&self.manager) {
            owned.set = owned.set.difference(&unowned());
        }
        self.managers.retain(|_, owned| !owned.set.is_empty());
        managers::write(&mut object, &self.managers);
        match live {
            Some(live) if same_but_times(&filled(self.schema, live), &object) => live.clone(),
            _ => object,
        }
    }
}

/// The stored object with its managers, in the shape in which the result is.
fn filled(schema: &Schema, live: &Value) -> Value {
    let mut live = live.clone();
    crate::schema::fill_structs(schema, &mut live);
    live
}
