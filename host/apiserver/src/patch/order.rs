//! The order of a merged list: as the patch (or its `$setElementOrder`) says, with entries
//! only the server has kept where they were relative to the others.

use serde_json::Value;

/// How entries of one list are recognised: by a merge key, or by being equal.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a>(pub(super) Option<&'a str>);

impl Identity<'_> {
    pub(super) fn same(self, left: &Value, right: &Value) -> bool {
        match self.0 {
            None => left == right,
            Some(key) => left.get(key).is_some() && left.get(key) == right.get(key),
        }
    }

    fn position(self, list: &[Value], entry: &Value) -> Option<usize> {
        list.iter().position(|known| self.same(known, entry))
    }
}

/// Orders `merged`: entries named by `wanted` in that order, the others as in `server`.
pub(super) fn arrange(
    merged: Vec<Value>,
    wanted: &[Value],
    server: &[Value],
    identity: Identity<'_>,
) -> Vec<Value> {
    let in_patch = |entry: &Value| identity.position(wanted, entry).is_some();
    let (mut named, mut others): (Vec<_>, Vec<_>) = merged.into_iter().partition(in_patch);
    named.sort_by_key(|entry| identity.position(wanted, entry));
    others.sort_by_key(|entry| identity.position(server, entry));
    interleave(others, named, server, identity)
}

/// Merges two ordered lists: an entry only the server has goes first if the server had it
/// before the next named entry.
fn interleave(others: Vec<Value>, named: Vec<Value>, server: &[Value], identity: Identity<'_>) -> Vec<Value> {
    let mut all = Vec::with_capacity(others.len() + named.len());
    let mut others = others.into_iter().peekable();
    let mut named = named.into_iter().peekable();
    while let (Some(other), Some(next)) = (others.peek(), named.peek()) {
        let before = match (identity.position(server, other), identity.position(server, next)) {
            (Some(other), Some(next)) => other < next,
            _ => false,
        };
        let taken = if before { others.next() } else { named.next() };
        all.extend(taken);
    }
    all.extend(named);
    all.extend(others);
    all
}
