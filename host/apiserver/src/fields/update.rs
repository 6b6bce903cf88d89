//! Ownership after a create, an update or a patch.

use serde_json::Value;

use super::managers::{self, Manager, Managers, Owned};
use super::typed::{Comparison, compare};
use super::{Request, Scope, UpdateOptions, comparable, same_but_times, unowned, with_nulls};
use crate::schema::Schema;

/// Records in `new` who owns its fields now: the manager of this request owns what it added or
/// changed, and nobody owns what is gone. `live` is the stored object, absent on create.
///
/// A client may edit `managedFields` itself, or clear it with an empty list; then the object
/// is not tracked until somebody applies. Through a subresource the client's record is ignored.
///
/// # Example
/// ```
/// use polyreme_apiserver::{builtin, fields::{self, UpdateOptions}};
/// use serde_json::json;
/// let schema = builtin::find("", "v1", "configmaps").expect("built in").schema();
/// let options = UpdateOptions {
///     manager: "me".into(), api_version: "v1".into(), subresource: String::new(),
///     now: chrono::DateTime::UNIX_EPOCH,
/// };
/// let stored = fields::update(&schema, None, json!({"data": {"a": "1"}}), &options);
/// assert_eq!(
///     stored["metadata"]["managedFields"][0]["fieldsV1"],
///     json!({"f:data": {".": {}, "f:a": {}}}),
/// );
/// ```
#[must_use]
pub fn update(schema: &Schema, live: Option<&Value>, mut new: Value, options: &UpdateOptions) -> Value {
    let request = &Request {
        manager: &options.manager,
        api_version: &options.api_version,
        subresource: &options.subresource,
        scope: Scope::of(schema, &options.subresource),
        now: options.now,
    };
    let mut managers = recorded(live, &new, request);
    let is_untracked = live.is_some() && managers.is_empty();
    managers::strip(&mut new);
    if !is_untracked {
        record(schema, live, &new, request, &mut managers);
    }
    managers::write(&mut new, &managers);
    match live {
        Some(live) if same_but_times(live, &new) => live.clone(),
        _ => new,
    }
}

/// The managers to start from: what the request says, or else what is stored.
fn recorded(live: Option<&Value>, new: &Value, request: &Request<'_>) -> Managers {
    let stored = || live.map(managers::read).unwrap_or_default();
    if !request.subresource.is_empty() {
        return stored();
    }
    if managers::is_reset(new) {
        return Managers::new();
    }
    let sent = managers::read(new);
    if sent.is_empty() { stored() } else { sent }
}

pub(super) fn record(
    schema: &Schema,
    live: Option<&Value>,
    new: &Value,
    request: &Request<'_>,
    managers: &mut Managers,
) {
    let (old, new) = (comparable(schema, live), comparable(schema, Some(new)));
    let changes = compare(schema, &with_nulls(schema, &old), &with_nulls(schema, &new))
        .map(|set| request.scope.filter(set));
    if request.subresource == "scale" && !is_owned(managers, &changes) {
        return;
    }
    disown(managers, &changes, None);
    let manager = Manager::new(request.manager, false, request.api_version, request.subresource);
    let gained = changes.added.union(&changes.modified).difference(&unowned());
    if gained.is_empty() {
        return;
    }
    let before = managers.remove(&manager).map(|owned| owned.set).unwrap_or_default();
    let owned = Owned {
        set: before.union(&gained),
        api_version: request.api_version.to_owned(),
        time: Some(request.time()),
    };
    managers.insert(manager, owned);
    managers::cap(managers);
}

/// Whether anybody owns what changed. A scale of replicas that nobody owns is not recorded: to
/// the real server it looks like an object without managers.
fn is_owned(managers: &Managers, changes: &Comparison) -> bool {
    let touched = changes.added.union(&changes.modified);
    managers.values().any(|owned| !owned.set.intersection(&touched).is_empty())
}

/// Takes changed and removed fields from everybody but `keep`.
pub(super) fn disown(managers: &mut Managers, changes: &Comparison, keep: Option<&Manager>) {
    let touched = changes.added.union(&changes.modified).union(&changes.removed);
    for (manager, owned) in managers.iter_mut() {
        if Some(manager) != keep {
            owned.set = owned.set.difference(&touched);
        }
    }
    managers.retain(|_, owned| !owned.set.is_empty());
}
