//! Actions in words, for traces.

use super::network::Body;
use super::{Action, RequestId, World};

impl World {
    /// What an action is about to do.
    pub(crate) fn tell(&self, action: &Action) -> String {
        match action {
            Action::Tick(at) => format!("{} ticks", self.name(*at)),
            Action::Take(at) => format!("{} takes what waited for it", self.name(*at)),
            Action::Start(host) => format!("host {host} starts a process"),
            Action::Crash(at) => format!("{} crashes", self.name(*at)),
            Action::Pause(at) => format!("{} is stopped", self.name(*at)),
            Action::Resume(at) => format!("{} goes on", self.name(*at)),
            Action::Leave(at) => format!("{} is asked to leave", self.name(*at)),
            Action::Carry(id) => format!("API server: {}", self.request(*id)),
            Action::Lose(id) => format!("lost: {}", self.request(*id)),
            Action::Answer(id) => format!("answered: {}", self.request(*id)),
            Action::GiveUp(id) => format!("given up: {}", self.request(*id)),
            Action::List(at) => format!("API server: a list for {}", self.name(*at)),
            Action::Listed(at) => format!("{} gets its list", self.name(*at)),
            Action::Watch(at, name) => format!("{} sees {}", self.name(*at), self.event(*at, name)),
            Action::Barrier(at) => format!("{}'s cache has caught up", self.name(*at)),
            Action::Write(at, place) => {
                format!(
                    "{}'s guest writes in slot {} of {}",
                    self.name(*at),
                    place.slot,
                    self.lane(place.lane)
                )
            }
            Action::Drained(at, place) => {
                format!("{} has drained slot {} of {}", self.name(*at), place.slot, self.lane(place.lane))
            }
            other => format!("{other:?}"),
        }
    }

    fn name(&self, at: usize) -> String {
        self.nodes.get(at).map_or_else(|| "nobody".to_owned(), |node| node.member.id().to_string())
    }

    fn lane(&self, lane: usize) -> &str {
        self.setup.lanes.get(lane).map_or("", |lane| lane.as_str())
    }

    fn request(&self, id: RequestId) -> String {
        let who = self.name(id.node);
        let what = match self.network.get(&id).map(|request| &request.body) {
            Some(Body::Renew { record, .. }) => format!(
                "renewal (seen {}, holds {}{}{})",
                record.seen,
                record.held_count(),
                if record.draining { ", draining" } else { "" },
                if record.fenced { ", fenced" } else { "" },
            ),
            Some(Body::Table { table, lock }) => {
                let verb = if lock.is_some() { "replacement" } else { "creation" };
                format!("{verb} of the table, generation {}", table.generation)
            }
            Some(Body::Fence { id, .. }) => format!("fence of {id}"),
            Some(Body::Placeholder { id, .. }) => format!("placeholder for {id}"),
            Some(Body::Delete { id, .. }) => format!("deletion of {id}"),
            Some(Body::Object { place, epoch, expects }) => {
                let expects =
                    expects.map_or_else(|| "any version".to_owned(), |version| format!("version {version}"));
                format!(
                    "write in slot {} of {} by epoch {epoch} on {expects}",
                    place.slot,
                    self.lane(place.lane)
                )
            }
            None => "nothing".to_owned(),
        };
        format!("{who}'s {what}")
    }

    fn event(&self, at: usize, watch: &super::api::Name) -> String {
        let event =
            self.nodes.get(at).and_then(|node| node.watches.get(watch)).and_then(|queue| queue.front());
        match event {
            Some((name, Some(lease))) => match &lease.content {
                super::api::Content::Table(table) => format!("the table, generation {}", table.generation),
                super::api::Content::Damaged => "the table, damaged".to_owned(),
                super::api::Content::Member(record) => {
                    let fenced = if record.fenced { ", fenced" } else { "" };
                    format!("{name:?} (seen {}, holds {}{fenced})", record.seen, record.held_count())
                }
            },
            Some((name, None)) => format!("{name:?} gone"),
            None => "nothing".to_owned(),
        }
    }
}
