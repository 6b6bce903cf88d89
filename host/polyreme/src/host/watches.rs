//! The watches of this host: each runs as long as some controller needs it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use polyreme_selector::LabelSelector;
use tokio::task::JoinSet;
use tracing::debug;

use super::Host;
use crate::cache::{Cache, CacheId, Resource};
use crate::watch;

/// See the module's story.
#[derive(Default)]
pub(super) struct Watches {
    running: Mutex<HashMap<CacheId, Running>>,
}

struct Running {
    users: usize,
    /// Ends the watch when it is dropped.
    _task: JoinSet<()>,
}

/// The part of a controller in a watch; dropping it gives it back.
pub(super) struct Watched {
    pub(super) cache: Arc<Cache>,
    host: Weak<Host>,
}

impl Watches {
    /// The cache of a watch, which is started if this is the first to ask.
    pub(super) fn watch(
        &self,
        host: &Arc<Host>,
        id: CacheId,
        resource: &Resource,
        selector: LabelSelector,
    ) -> Watched {
        let mut running = self.running.lock();
        let (cache, is_new) = host.caches.get_or_create(id.clone(), resource, selector);
        let start = || {
            debug_assert!(is_new, "a cache is there as long as its watch");
            let metrics = host.metrics.watch(&id.kind.api_version, &id.kind.kind);
            let mut task = JoinSet::new();
            task.spawn(watch::run(Arc::clone(&cache), host.client.clone(), metrics));
            Running { users: 0, _task: task }
        };
        running.entry(id.clone()).or_insert_with(start).users += 1;
        Watched { cache, host: Arc::downgrade(host) }
    }

    fn give_back(&self, host: &Host, id: &CacheId) {
        let mut running = self.running.lock();
        let Some(watch) = running.get_mut(id) else { return };
        watch.users -= 1;
        if watch.users > 0 {
            return;
        }
        running.remove(id);
        host.caches.remove(id);
        host.metrics.cache(&id.kind.api_version, &id.kind.kind).set(0, 0);
        debug!(kind = %id.kind, selector = id.selector, "nobody needs the watch any more");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            host.watches.give_back(&host, &self.cache.id);
        }
    }
}
