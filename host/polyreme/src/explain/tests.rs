//! Errors in, advice out.

use super::*;

const FORBIDDEN: &str = "websites.webhosting.polyreme.dev is forbidden: User \
    \"system:serviceaccount:polyreme:host\" cannot list resource \"websites\" in API group \
    \"webhosting.polyreme.dev\" at the cluster scope";

fn status(code: u16, message: &str) -> Box<Status> {
    Box::new(Status { code, message: message.to_owned(), ..Status::default() })
}

fn websites() -> ApiResource {
    ApiResource {
        group: "webhosting.polyreme.dev".into(),
        version: "v1alpha1".into(),
        api_version: "webhosting.polyreme.dev/v1alpha1".into(),
        kind: "Website".into(),
        plural: "websites".into(),
    }
}

fn service_error(error: impl Into<tower::BoxError>) -> kube::Error {
    kube::Error::Service(error.into())
}

#[test]
fn a_chain_repeats_nothing() {
    let inner = io::Error::other("certificate unknown");
    let error = kube::Error::Service(Box::new(inner));
    assert_eq!(chain(&error), "ServiceError: certificate unknown");
}

#[test]
fn a_refused_connection_names_the_address_and_the_remedy() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let text = client_error(&service_error(refused), "https://127.0.0.1:6443/").to_string();
    assert!(
        text.starts_with("failed to use the API server https://127.0.0.1:6443: nobody listens"),
        "{text}"
    );
    assert!(text.contains("--kubeconfig"), "{text}");
}

#[test]
fn an_unknown_authority_names_the_kubeconfig() {
    let error = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer");
    let text = client_error(&service_error(error), "https://a").to_string();
    assert!(text.contains("certificate-authority-data"), "{text}");
}

#[test]
fn refused_credentials_name_the_context() {
    let error = kube::Error::Api(status(401, "Unauthorized"));
    let text = client_error(&error, "https://a").to_string();
    assert!(text.contains("credentials are not accepted") && text.contains("--context"), "{text}");
}

#[test]
fn a_missing_permission_names_rule_and_commands() {
    let error = watcher::Error::InitialListFailed(kube::Error::Api(status(403, FORBIDDEN)));
    let text = watch_error(&error, &websites());
    for part in [
        "failed to watch websites.webhosting.polyreme.dev: ",
        "- {apiGroups: [\"webhosting.polyreme.dev\"], resources: [\"websites\"], verbs: [get, list, watch]}",
        "kubectl create clusterrole polyreme-websites-get-list-watch --verb=get,list,watch \
         --resource=websites.webhosting.polyreme.dev",
        "--serviceaccount=polyreme:host",
    ] {
        assert!(text.contains(part), "missing {part:?} in {text}");
    }
}

#[test]
fn a_permission_of_a_subresource_in_a_namespace_is_read() {
    let message = "websites.x \"a\" is forbidden: User \"jane\" cannot patch resource \
                   \"websites/status\" in API group \"x\" in the namespace \"foo\"";
    let denied = Denied::parse(message).unwrap();
    assert_eq!(denied.namespace.as_deref(), Some("foo"));
    let text = denied.to_string();
    assert!(text.contains("--resource=websites.x/status"), "{text}");
    assert!(text.contains("--user=jane"), "{text}");
}

#[test]
fn a_403_of_another_form_is_passed_on() {
    let text = request_error(&kube::Error::Api(status(403, "quota exceeded")));
    assert_eq!(text, "quota exceeded");
}

#[test]
fn a_kind_that_is_not_served_names_the_crd() {
    let error = watcher::Error::InitialListFailed(kube::Error::Api(status(404, "not found")));
    let text = watch_error(&error, &websites());
    assert!(text.contains("does not serve Website in webhosting.polyreme.dev/v1alpha1"), "{text}");
    assert!(text.contains("CustomResourceDefinition"), "{text}");
}

#[test]
fn an_expired_watch_is_no_alarm() {
    let text = watch_error(&watcher::Error::WatchError(status(410, "too old")), &websites());
    assert!(text.contains("listing again"), "{text}");
}
