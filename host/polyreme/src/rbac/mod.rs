//! The rights that a configuration needs in the cluster, and no others: what `polyreme rbac` prints. Pure.
//!
//! Everything follows from what the host does. It watches the kinds of each manifest, keeps Leases and writes
//! Events; a module writes status and finalizers of its primary kind and manages its children, and besides
//! does what it asks for and is granted ([`crate::permissions`] decides the same for each call). With
//! `serviceAccount` a controller acts as that account: then the host's own account only watches for it and may
//! impersonate it.
//!
//! RBAC knows names only for single objects: where a grant has `names`, creating and listing stay open for
//! the kind, and the host alone holds the module to the names.

mod manifests;
mod rules;

use std::collections::BTreeSet;

use polyreme_runtime::wit::reconciler::Manifest;
use serde_json::Value;

use crate::config::{ControllerConfig, Grant, HostConfig, ServiceAccount, Strategy};
use crate::object::Kind;
use manifests::Account;
use rules::{Rules, Scope};

/// How a kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Plural.
    pub resource: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// A controller of the configuration, with what its module says of itself.
pub struct Described<'a> {
    /// What the configuration says.
    pub config: &'a ControllerConfig,
    /// What the module says.
    pub manifest: &'a Manifest,
}

/// Where and as whom hosts run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The hosts' service account.
    pub account: String,
    /// Its namespace, where the Leases are unless the configuration says otherwise.
    pub namespace: String,
}

const READ: [&str; 3] = ["get", "list", "watch"];
const CHILD: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
const CHANGE: [&str; 2] = ["patch", "update"];

/// The kinds that must be known to say which rights are needed.
#[must_use]
pub fn kinds(controllers: &[Described<'_>]) -> BTreeSet<(String, String)> {
    let mut kinds = BTreeSet::new();
    for Described { config, manifest } in controllers {
        let mut add = |kind: &polyreme_runtime::wit::types::Kind| {
            kinds.insert((kind.api_version.clone(), kind.kind.clone()));
        };
        add(&manifest.primary);
        manifest.owns.iter().for_each(&mut add);
        manifest.watches.iter().for_each(|watch| add(&watch.kind));
        for grant in &config.grants {
            let asked = grant.kinds.iter().filter(|kind| !asked_verbs(manifest, grant, kind).is_empty());
            kinds.extend(asked.map(|kind| (grant.api_version.clone(), kind.clone())));
        }
    }
    kinds
}

/// The manifests, as they are to be applied. `served` must know every one of [`kinds`].
pub fn manifests(
    config: &HostConfig,
    installation: &Installation,
    controllers: &[Described<'_>],
    served: impl Fn(&Kind) -> Served,
) -> Vec<Value> {
    let host = Account { namespace: installation.namespace.clone(), name: installation.account.clone() };
    let leases = config.ownership.namespace.clone().unwrap_or_else(|| host.namespace.clone());
    let mut all = vec![host.manifest()];
    all.extend(manifests::bound(&host, "polyreme-host", &of_the_host(config, &leases)));
    for described in controllers {
        let name = format!("polyreme-{}", described.config.name);
        let watches = watches(config, described, &served);
        let acts = acts(described, &served);
        match &described.config.service_account {
            None => all.extend(manifests::bound(&host, &name, &watches.and(acts))),
            Some(account) => {
                let account = own_account(account, &host);
                let mut watches = watches;
                let scope = Scope::Namespace(account.namespace.clone());
                let names = Some(vec![account.name.clone()]);
                watches.add(&scope, "", "serviceaccounts", names, &["impersonate"]);
                all.push(account.manifest());
                all.extend(manifests::bound(&host, &format!("{name}-host"), &watches));
                all.extend(manifests::bound(&account, &name, &acts));
            }
        }
    }
    all
}

fn own_account(account: &ServiceAccount, host: &Account) -> Account {
    let namespace = account.namespace.clone().unwrap_or_else(|| host.namespace.clone());
    Account { namespace, name: account.name.clone() }
}

/// What a host needs whatever it runs.
fn of_the_host(config: &HostConfig, leases: &str) -> Rules {
    let mut rules = Rules::default();
    rules.add(&Scope::Cluster, "events.k8s.io", "events", None, &["create", "patch"]);
    if !matches!(config.ownership.strategy, Strategy::Ordinal(_)) {
        let verbs = ["get", "list", "watch", "create", "update", "delete"];
        rules.add(&Scope::Namespace(leases.to_owned()), "coordination.k8s.io", "leases", None, &verbs);
    }
    rules
}

/// What the host reads for a controller, and writes in its own name.
fn watches(config: &HostConfig, described: &Described<'_>, served: &impl Fn(&Kind) -> Served) -> Rules {
    let Manifest { primary, owns, watches, .. } = described.manifest;
    let mut rules = Rules::default();
    let kinds = [primary].into_iter().chain(owns).chain(watches.iter().map(|watch| &watch.kind));
    for kind in kinds {
        let kind = Kind::new(&kind.api_version, &kind.kind);
        rules.add(&Scope::Cluster, kind.group(), &served(&kind).resource, None, &READ);
    }
    if config.ownership.strategy == Strategy::Label {
        let kind = Kind::new(&primary.api_version, &primary.kind);
        rules.add(&Scope::Cluster, kind.group(), &served(&kind).resource, None, &["patch"]);
    }
    rules
}

/// What the module does.
fn acts(described: &Described<'_>, served: &impl Fn(&Kind) -> Served) -> Rules {
    let Described { config, manifest } = described;
    let mut rules = Rules::default();
    let primary = Kind::new(&manifest.primary.api_version, &manifest.primary.kind);
    let (group, plural) = (primary.group(), served(&primary).resource);
    rules.add(&Scope::Cluster, group, &plural, None, &READ);
    // Finalizers are a change of the object itself.
    rules.add(&Scope::Cluster, group, &plural, None, &CHANGE);
    rules.add(&Scope::Cluster, group, &format!("{plural}/status"), None, &CHANGE);
    if !manifest.owns.is_empty() {
        // Owner references that block deletion, where the admission plugin for them runs.
        rules.add(&Scope::Cluster, group, &format!("{plural}/finalizers"), None, &["update"]);
    }
    for kind in &manifest.owns {
        let kind = Kind::new(&kind.api_version, &kind.kind);
        if !crate::permissions::needs_grant(&kind) {
            rules.add(&Scope::Cluster, kind.group(), &served(&kind).resource, None, &CHILD);
        }
    }
    for grant in &config.grants {
        for kind in &grant.kinds {
            granted(&mut rules, manifest, grant, kind, served);
        }
    }
    rules
}

fn granted(
    rules: &mut Rules,
    manifest: &Manifest,
    grant: &Grant,
    kind: &str,
    served: &impl Fn(&Kind) -> Served,
) {
    let verbs = asked_verbs(manifest, grant, kind);
    if verbs.is_empty() {
        return;
    }
    let kind = Kind::new(&grant.api_version, kind);
    let Served { resource, namespaced } = served(&kind);
    let scopes = match &grant.namespaces {
        Some(namespaces) if namespaced => namespaces.iter().cloned().map(Scope::Namespace).collect(),
        _ => vec![Scope::Cluster],
    };
    for scope in &scopes {
        for verb in &verbs {
            for (part, verbs) in in_rbac(verb) {
                rules.add(scope, kind.group(), &format!("{resource}{part}"), grant.names.clone(), verbs);
            }
        }
    }
}

/// The verbs that both the module asks for and the configuration grants.
fn asked_verbs(manifest: &Manifest, grant: &Grant, kind: &str) -> BTreeSet<String> {
    let asked = manifest.permissions.iter().filter(|permission| {
        permission.api_version == grant.api_version && permission.kinds.iter().any(|asked| asked == kind)
    });
    let asked: BTreeSet<&String> = asked.flat_map(|permission| &permission.verbs).collect();
    grant.verbs.iter().filter(|verb| asked.contains(verb)).cloned().collect()
}

/// A verb of the contract as RBAC has it: the part of the object, and verbs. A write is preceded by a read
/// when somebody else changed the object meanwhile.
fn in_rbac(verb: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match verb {
        "get" => &[("", &["get"])],
        "list" => &[("", &["list"])],
        "watch" => &[("", &["watch"])],
        "create" => &[("", &["get", "create"])],
        "update" => &[("", &["get", "update"])],
        "patch" => &[("", &["get", "patch"])],
        "apply" => &[("", &["get", "create", "patch"])],
        "delete" => &[("", &["get", "delete"])],
        "status" => &[("", &["get"]), ("/status", &CHANGE)],
        "scale" => &[("", &["get"]), ("/scale", &["get", "patch", "update"])],
        "finalizers" => &[("", &["get", "patch", "update"])],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
