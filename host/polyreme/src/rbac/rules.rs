//! Rules of RBAC, collected one by one and written as few.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

/// Where a rule holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// In the whole cluster.
    Cluster,
    /// In one namespace.
    Namespace(String),
}

/// A group, a resource, and names if only these.
type Target = (String, String, Option<Vec<String>>);

/// What resources have in common that stand in one rule.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike<'a> {
    group: &'a str,
    names: Option<&'a [String]>,
    verbs: Vec<&'a str>,
}

/// See the module's story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    all: BTreeMap<Scope, BTreeMap<Target, BTreeSet<&'static str>>>,
}

impl Rules {
    /// Verbs that RBAC cannot hold to names are given for all names.
    pub(super) fn add(
        &mut self,
        scope: &Scope,
        group: &str,
        resource: &str,
        names: Option<Vec<String>>,
        verbs: &[&'static str],
    ) {
        let in_scope = self.all.entry(scope.clone()).or_default();
        for verb in verbs {
            let is_nameless = matches!(*verb, "create" | "list" | "watch");
            let names = names.clone().filter(|_| !is_nameless);
            in_scope.entry((group.to_owned(), resource.to_owned(), names)).or_default().insert(verb);
        }
    }

    /// Both.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (scope, targets) in other.all {
            let in_scope = self.all.entry(scope).or_default();
            for (target, verbs) in targets {
                in_scope.entry(target).or_default().extend(verbs);
            }
        }
        self
    }

    /// Scope by scope, resources with the same verbs together.
    pub(super) fn by_scope(&self) -> impl Iterator<Item = (&Scope, Vec<PolicyRule>)> {
        self.all.iter().map(|(scope, targets)| (scope, written(targets)))
    }
}

fn written(targets: &BTreeMap<Target, BTreeSet<&'static str>>) -> Vec<PolicyRule> {
    let mut alike: BTreeMap<Alike<'_>, Vec<String>> = BTreeMap::new();
    for ((group, resource, names), verbs) in targets {
        let all_names = targets.get(&(group.clone(), resource.clone(), None));
        let covered = |verb: &&&str| names.is_some() && all_names.is_some_and(|all| all.contains(*verb));
        let verbs: Vec<&str> = verbs.iter().filter(|verb| !covered(verb)).copied().collect();
        if !verbs.is_empty() {
            let key = Alike { group, names: names.as_deref(), verbs: in_order(verbs) };
            alike.entry(key).or_default().push(resource.clone());
        }
    }
    let rule = |(Alike { group, names, verbs }, resources): (Alike<'_>, Vec<String>)| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(resources),
        resource_names: names.map(<[String]>::to_vec),
        verbs: verbs.into_iter().map(str::to_owned).collect(),
        ..PolicyRule::default()
    };
    alike.into_iter().map(rule).collect()
}

/// As people write them: reads before writes.
fn in_order(mut verbs: Vec<&str>) -> Vec<&str> {
    const ORDER: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "impersonate"];
    verbs.sort_by_key(|verb| ORDER.iter().position(|known| known == verb));
    verbs
}
