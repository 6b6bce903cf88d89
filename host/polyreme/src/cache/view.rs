//! What one controller may read from the caches.
//!
//! Two watches of one kind (all Deployments, and those with a label) run at their own pace. A controller
//! that is woken by one and reads from the other could see the state before the change that woke it, and
//! nothing would wake it again. So a kind that a controller watches is read from its own watches, which
//! wake it for whatever they learn later, or live; a kind that it does not watch is read from any watch of
//! the host that covers what is asked.

use std::sync::Arc;

use polyreme_selector::LabelSelector;

use super::{Cache, Caches};
use crate::object::{Kind, Object, ObjectKey};

/// See the module's story.
pub struct View {
    own: Vec<Arc<Cache>>,
    all: Arc<Caches>,
}

/// What the caches say of one object.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is this.
    Found(Arc<Object>),
    /// There is none.
    Absent,
    /// Ask the API server.
    Unknown,
}

impl View {
    /// The view of a controller that is woken by the caches in `own`.
    pub fn new(own: Vec<Arc<Cache>>, all: Arc<Caches>) -> Self {
        Self { own, all }
    }

    /// One object.
    pub fn get(&self, kind: &Kind, key: &ObjectKey) -> Answer {
        let caches = self.listed(kind);
        if let Some(object) = caches.iter().find_map(|cache| cache.get(key)) {
            return Answer::Found(object);
        }
        let complete = caches.iter().any(|cache| cache.selector.is_empty());
        if complete { Answer::Absent } else { Answer::Unknown }
    }

    /// A cache that holds every object of this kind that a selector selects: it watches all of them, or
    /// asks for no more than the selector does.
    pub fn covering(&self, kind: &Kind, selector: &LabelSelector) -> Option<Arc<Cache>> {
        let asked = selector.requirements();
        let covers = |cache: &Arc<Cache>| cache.selector.requirements().iter().all(|r| asked.contains(r));
        self.listed(kind).into_iter().find(covers)
    }

    /// The caches to read a kind from.
    fn listed(&self, kind: &Kind) -> Vec<Arc<Cache>> {
        let of_kind = |cache: &&Arc<Cache>| cache.id.kind == *kind;
        let mut caches: Vec<_> = self.own.iter().filter(of_kind).cloned().collect();
        if caches.is_empty() {
            caches = self.all.of_kind(kind);
        }
        caches.retain(|cache| cache.is_listed());
        caches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::state::Source;
    use crate::cache::tests::{cache, pod};

    fn listed(caches: &Caches, selector: &str) -> Arc<Cache> {
        let cache = cache(caches, selector);
        cache.begin_relist();
        cache.end_relist();
        cache
    }

    fn kind() -> Kind {
        Kind::new("v1", "Pod")
    }

    fn key() -> ObjectKey {
        ObjectKey::new(Some("ns"), "p")
    }

    #[test]
    fn a_cache_that_is_behind_the_one_that_woke_the_controller_is_not_read() {
        let caches = Arc::new(Caches::default());
        let (ours, theirs) = (listed(&caches, ""), listed(&caches, "app=web"));
        theirs.observe(pod(r#"{"app":"web","state":"old"}"#, 1), Source::Watch);
        ours.observe(pod(r#"{"app":"web","state":"new"}"#, 2), Source::Watch);
        let view = View::new(vec![Arc::clone(&ours)], Arc::clone(&caches));
        assert!(matches!(view.get(&kind(), &key()), Answer::Found(pod) if pod.label("state") == Some("new")));

        ours.observe_deleted(&pod(r#"{"app":"web"}"#, 3));
        assert!(
            matches!(view.get(&kind(), &key()), Answer::Absent),
            "deleted here, still there in the other"
        );
    }

    #[test]
    fn what_a_filtered_watch_does_not_hold_is_asked_of_the_api_server() {
        let caches = Arc::new(Caches::default());
        let (ours, theirs) = (listed(&caches, "app=web"), listed(&caches, ""));
        theirs.observe(pod(r#"{"app":"db"}"#, 1), Source::Watch);
        let view = View::new(vec![ours], Arc::clone(&caches));
        assert!(matches!(view.get(&kind(), &key()), Answer::Unknown));
        let other = View::new(vec![], caches);
        assert!(matches!(other.get(&kind(), &key()), Answer::Found(_)), "no watch of its own");
    }

    #[test]
    fn a_cache_with_a_selector_answers_for_what_it_selects() {
        let caches = Arc::new(Caches::default());
        let filtered = cache(&caches, "app=web");
        let view = View::new(vec![Arc::clone(&filtered)], caches);
        let covering = |text: &str| view.covering(&kind(), &LabelSelector::parse(text).unwrap()).is_some();
        assert!(!covering("app=web"), "not listed yet");
        filtered.begin_relist();
        filtered.end_relist();
        assert!(covering("app=web") && covering("tier=x,app=web"));
        assert!(!covering("") && !covering("app=db"));
    }
}
