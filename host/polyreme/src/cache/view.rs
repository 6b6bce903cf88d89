//! What one controller may read from the caches.
//!
//! Two watches of one kind (all Deployments, and those with a label) run at their own pace. A controller
//! that is woken by one and reads from the other could see the state before the change that woke it, and
//! nothing would wake it again. So a kind that a controller watches is read from its own watches, which
//! wake it for whatever they learn later, or live; a kind that it does not watch is read from any watch of
//! the host that covers what is asked. Of several watches of its own the newest state counts; what one shows
//! and another should and does not is asked of the API server.
//!
//! A host that shares the objects with others keeps only its part. It still knows which keys exist, so it
//! answers for one object that it keeps and for one that does not exist; for one that it dropped, and for
//! a list of more than the children of the object under reconcile, the API server is to be asked.

use std::sync::Arc;

use polyreme_selector::LabelSelector;

use super::{Cache, Caches};
use crate::object::{Kind, Object, ObjectKey};
use crate::ownership::LaneSlots;

/// See the module's story.
pub struct View {
    own: Vec<Arc<Cache>>,
    all: Arc<Caches>,
    lane: Arc<LaneSlots>,
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
    /// The view of a controller with these slots that is woken by the caches in `own`.
    pub fn new(own: Vec<Arc<Cache>>, all: Arc<Caches>, lane: Arc<LaneSlots>) -> Self {
        Self { own, all, lane }
    }

    /// One object: where several watches show it, the newest of what they hold, since any of them may have
    /// woken the controller.
    pub fn get(&self, kind: &Kind, key: &ObjectKey) -> Answer {
        let answers: Vec<_> =
            self.listed(kind).into_iter().map(|cache| (cache.look_up(key), cache)).collect();
        let mut newest: Option<&Arc<Object>> = None;
        let mut complete = false;
        for (answer, cache) in &answers {
            match answer {
                Answer::Absent => complete |= cache.selector.is_empty(),
                Answer::Unknown => (),
                Answer::Found(object) if newest.is_some_and(|known| is_no_newer(object, known)) => (),
                Answer::Found(object) => newest = Some(object),
            }
        }
        match newest {
            Some(object) if answers.iter().any(|(answer, cache)| lacks(answer, cache, object)) => {
                Answer::Unknown
            }
            Some(object) => Answer::Found(Arc::clone(object)),
            None if complete => Answer::Absent,
            None => Answer::Unknown,
        }
    }

    /// The children of the object with this uid, which is under reconcile; `None` when the cache, one that
    /// [`covers`](Self::covering), may have dropped some.
    pub fn children(&self, cache: &Cache, uid: &str) -> Option<Vec<Arc<Object>>> {
        // Whoever may reconcile an object wants its slot, and so keeps its children.
        let keeps_children = cache.owns_for(&self.lane);
        cache.read(|state| {
            let found = || state.owned_by(uid).filter_map(|key| state.get(key).cloned()).collect();
            (keeps_children || !state.is_partial()).then(found)
        })
    }

    /// A cache whose watch shows every object of this kind that a selector selects: it watches all of
    /// them, or asks for no more than the selector does.
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

fn is_no_newer(object: &Object, known: &Object) -> bool {
    object.resource_version.at_most(&known.resource_version)
}

/// Whether a watch that would show this object does not: it is ahead of the others, and the object deleted,
/// or behind.
fn lacks(answer: &Answer, cache: &Cache, object: &Object) -> bool {
    matches!(answer, Answer::Absent) && cache.selector.matches(|key| object.label(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::state::Source;
    use crate::cache::tests::{cache, pod};
    use crate::ownership::lane::tests::everything;

    fn listed(caches: &Caches, selector: &str) -> Arc<Cache> {
        let cache = cache(caches, selector);
        cache.begin_relist();
        cache.end_relist();
        cache
    }

    fn view(own: Vec<Arc<Cache>>, caches: &Arc<Caches>) -> View {
        View::new(own, Arc::clone(caches), everything())
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
        let view = view(vec![Arc::clone(&ours)], &caches);
        assert!(matches!(view.get(&kind(), &key()), Answer::Found(pod) if pod.label("state") == Some("new")));

        ours.observe_deleted(&pod(r#"{"app":"web"}"#, 3).identity());
        assert!(
            matches!(view.get(&kind(), &key()), Answer::Absent),
            "deleted here, still there in the other"
        );
    }

    #[test]
    fn of_several_watches_of_its_own_the_newest_state_is_read() {
        let caches = Arc::new(Caches::default());
        let (all, web) = (listed(&caches, ""), listed(&caches, "app=web"));
        all.observe(pod(r#"{"app":"web","state":"old"}"#, 1), Source::Watch);
        web.observe(pod(r#"{"app":"web","state":"new"}"#, 2), Source::Watch);
        let view = view(vec![Arc::clone(&all), Arc::clone(&web)], &caches);
        assert!(matches!(view.get(&kind(), &key()), Answer::Found(pod) if pod.label("state") == Some("new")));
        all.observe(pod(r#"{"app":"web","state":"newest"}"#, 3), Source::Watch);
        assert!(
            matches!(view.get(&kind(), &key()), Answer::Found(pod) if pod.label("state") == Some("newest"))
        );
    }

    #[test]
    fn what_one_of_its_watches_shows_and_another_lacks_is_asked_of_the_api_server() {
        let caches = Arc::new(Caches::default());
        let (all, web) = (listed(&caches, ""), listed(&caches, "app=web"));
        let view = view(vec![Arc::clone(&all), Arc::clone(&web)], &caches);
        all.observe(pod(r#"{"app":"db"}"#, 1), Source::Watch);
        assert!(matches!(view.get(&kind(), &key()), Answer::Found(_)), "no object of the other watch");
        all.observe(pod(r#"{"app":"web"}"#, 2), Source::Watch);
        assert!(matches!(view.get(&kind(), &key()), Answer::Unknown), "deleted, or not shown yet");
        web.observe(pod(r#"{"app":"web"}"#, 2), Source::Watch);
        assert!(matches!(view.get(&kind(), &key()), Answer::Found(_)));
        web.observe_deleted(&pod(r#"{"app":"web"}"#, 3).identity());
        assert!(matches!(view.get(&kind(), &key()), Answer::Unknown));
        all.observe_deleted(&pod(r#"{"app":"web"}"#, 3).identity());
        assert!(matches!(view.get(&kind(), &key()), Answer::Absent));
    }

    #[test]
    fn what_a_filtered_watch_does_not_hold_is_asked_of_the_api_server() {
        let caches = Arc::new(Caches::default());
        let (ours, theirs) = (listed(&caches, "app=web"), listed(&caches, ""));
        theirs.observe(pod(r#"{"app":"db"}"#, 1), Source::Watch);
        let watched = view(vec![ours], &caches);
        assert!(matches!(watched.get(&kind(), &key()), Answer::Unknown));
        let other = view(vec![], &caches);
        assert!(matches!(other.get(&kind(), &key()), Answer::Found(_)), "no watch of its own");
    }

    #[test]
    fn a_cache_with_a_selector_answers_for_what_it_selects() {
        let caches = Arc::new(Caches::default());
        let filtered = cache(&caches, "app=web");
        let view = view(vec![Arc::clone(&filtered)], &caches);
        let covering = |text: &str| view.covering(&kind(), &LabelSelector::parse(text).unwrap()).is_some();
        assert!(!covering("app=web"), "not listed yet");
        filtered.begin_relist();
        filtered.end_relist();
        assert!(covering("app=web") && covering("tier=x,app=web"));
        assert!(!covering("") && !covering("app=db"));
    }
}
