//! Who may do what, as tables.

use super::*;

const SITES: &str = "web.example/v1";

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn permission(api_version: &str, kind: &str, verbs: &[&str]) -> Permission {
    Permission { api_version: api_version.into(), kinds: strings(&[kind]), verbs: strings(verbs) }
}

fn grant(api_version: &str, kind: &str, verbs: &[&str]) -> Grant {
    Grant {
        api_version: api_version.into(),
        kinds: strings(&[kind]),
        verbs: strings(verbs),
        namespaces: None,
        names: None,
        line: None,
    }
}

fn policy(requested: Vec<Permission>, granted: Vec<Grant>) -> Policy {
    Policy {
        controller: "site".into(),
        config: Path::new("polyreme.yaml").into(),
        primary: Kind::new(SITES, "Website"),
        owns: ["ConfigMap", "Secret", "ServiceAccount"].map(|kind| Kind::new("v1", kind)).to_vec(),
        requested,
        granted,
    }
}

fn access<'a>(verb: Verb, kind: &'a Kind, part: Part<'a>, is_self: bool) -> Access<'a> {
    Access { verb, kind, namespace: Some("shop"), name: Some("a"), part, is_self }
}

#[test]
fn the_primary_is_readable_and_only_status_and_finalizers_of_the_object_itself_are_writable() {
    let policy = policy(vec![], vec![]);
    let kind = Kind::new(SITES, "Website");
    let decide = |verb, part, is_self| policy.decide(&access(verb, &kind, part, is_self)) == Decision::Allow;
    assert!(decide(Verb::Get, Part::Body, false) && decide(Verb::List, Part::Body, false));
    for part in [Part::Subresource("status"), Part::Finalizers] {
        assert!(decide(Verb::Patch, part, true) && decide(Verb::Apply, part, true), "{part:?}");
        assert!(!decide(Verb::Patch, part, false), "another object's {part:?}");
    }
    assert!(!decide(Verb::Patch, Part::Body, true));
    assert!(!decide(Verb::Delete, Part::Body, true));
    assert!(!decide(Verb::Patch, Part::Subresource("scale"), true));
}

#[test]
fn owned_kinds_are_for_children_only_and_secrets_need_a_grant() {
    let policy = policy(vec![], vec![]);
    let decide = |kind: &str, verb, part| policy.decide(&access(verb, &Kind::new("v1", kind), part, false));
    for verb in [Verb::Get, Verb::List, Verb::Create, Verb::Apply, Verb::Update, Verb::Patch, Verb::Delete] {
        assert_eq!(decide("ConfigMap", verb, Part::Body), Decision::AllowChildren, "{verb:?}");
        for kind in ["Secret", "ServiceAccount", "Pod"] {
            assert!(matches!(decide(kind, verb, Part::Body), Decision::Deny(_)), "{verb:?} {kind}");
        }
    }
    let status = decide("ConfigMap", Verb::Patch, Part::Subresource("status"));
    assert!(matches!(status, Decision::Deny(_)), "a child's status is its own controller's");
}

#[test]
fn only_what_is_both_asked_for_and_granted_is_allowed() {
    let kind = Kind::new(SITES, "Theme");
    let asked = || vec![permission(SITES, "Theme", &["get"])];
    let given = || vec![grant(SITES, "Theme", &["get"])];
    let get = access(Verb::Get, &kind, Part::Body, false);
    assert_eq!(policy(asked(), given()).decide(&get), Decision::Allow);
    for (requested, granted) in [(asked(), vec![]), (vec![], given()), (vec![], vec![])] {
        assert!(matches!(policy(requested, granted).decide(&get), Decision::Deny(_)));
    }
    let list = access(Verb::List, &kind, Part::Body, false);
    assert!(matches!(policy(asked(), given()).decide(&list), Decision::Deny(_)));
}

#[test]
fn a_grant_may_name_namespaces_and_names() {
    let kind = Kind::new("v1", "Pod");
    let limited = Grant {
        namespaces: Some(strings(&["shop"])),
        names: Some(strings(&["a"])),
        ..grant("v1", "Pod", &["get", "list"])
    };
    let policy = policy(vec![permission("v1", "Pod", &["get", "list"])], vec![limited]);
    let get = |namespace, name| {
        let access = Access { namespace, name, ..access(Verb::Get, &kind, Part::Body, false) };
        policy.decide(&access) == Decision::Allow
    };
    assert!(get(Some("shop"), Some("a")));
    assert!(!get(Some("other"), Some("a")) && !get(Some("shop"), Some("b")));
    assert!(!get(None, Some("a")) && !get(Some("shop"), None));
}

#[test]
fn guarded_kinds_are_writable_only_by_name() {
    let kind = Kind::new("coordination.k8s.io/v1", "Lease");
    let asked = || vec![permission(&kind.api_version, "Lease", &["get", "update"])];
    let broad = grant(&kind.api_version, "Lease", &["get", "update"]);
    let update = access(Verb::Update, &kind, Part::Body, false);
    let refused = policy(asked(), vec![broad.clone()]);
    let Decision::Deny(why) = refused.decide(&update) else { panic!("allowed") };
    assert!(why.contains("names: [a]"), "{why}");
    assert_eq!(refused.decide(&access(Verb::Get, &kind, Part::Body, false)), Decision::Allow);
    let named = Grant { names: Some(strings(&["a"])), ..broad };
    assert_eq!(policy(asked(), vec![named]).decide(&update), Decision::Allow);
}

#[test]
fn a_refusal_names_the_line_that_would_allow_it() {
    let kind = Kind::new(SITES, "Theme");
    let get = access(Verb::Get, &kind, Part::Body, false);
    let Decision::Deny(why) = policy(vec![permission(SITES, "Theme", &["get"])], vec![]).decide(&get) else {
        panic!("allowed")
    };
    assert!(why.contains("polyreme.yaml"), "{why}");
    assert!(why.contains("{apiVersion: web.example/v1, kinds: [Theme], verbs: [get]}"), "{why}");
    let Decision::Deny(why) = policy(vec![], vec![]).decide(&get) else { panic!("allowed") };
    assert!(why.contains("describe"), "{why}");
}

#[test]
fn a_status_grant_is_a_verb_of_its_own() {
    let kind = Kind::new("apps/v1", "Deployment");
    let granted = |verbs: &[&str]| {
        let policy = policy(
            vec![permission("apps/v1", "Deployment", verbs)],
            vec![grant("apps/v1", "Deployment", verbs)],
        );
        policy.decide(&access(Verb::Patch, &kind, Part::Subresource("status"), false)) == Decision::Allow
    };
    assert!(granted(&["status"]));
    assert!(!granted(&["patch", "update"]));
}
