//! From an error to what to do about it.
//!
//! Errors of kube's client say what happened on the wire. Whoever runs a host wants to
//! know which file, address or permission to change, so the functions here look through
//! the chain of causes for the few things that go wrong in practice and answer in those
//! words: nobody listens there, the certificate is not trusted, the credentials are not
//! accepted, this RBAC rule is missing, this CRD is not installed. What they do not know
//! they pass on as it is. Values in, text out; nothing is asked of the cluster.

use std::error::Error as StdError;
use std::io;

use kube::core::{ApiResource, Status};
use kube::runtime::watcher;

mod rbac;

pub use rbac::{Denied, rule};

/// An error that says what to do, for the end of a chain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Advice(String);

/// The messages of an error and its causes on one line, without repetition.
///
/// Many errors print their cause in their own text and name it as the source as well.
///
/// # Example
///
/// ```
/// use std::io;
/// let error = io::Error::other(io::Error::other("disk full"));
/// assert_eq!(polyreme::explain::chain(&error), "disk full");
/// ```
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What to do about a request that failed while connecting to `url`.
#[must_use]
pub fn client_error(error: &kube::Error, url: &str) -> Advice {
    let url = url.trim_end_matches('/');
    let advice = connection(error, url).unwrap_or_else(|| request_error(error));
    Advice(format!("failed to use the API server {url}: {advice}"))
}

/// What to do about a request that failed, whatever it was.
#[must_use]
pub fn request_error(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status_error(status),
        _ => connection(error, "its address").unwrap_or_else(|| chain(error)),
    }
}

/// What to do about a watch of `resource` that failed.
#[must_use]
pub fn watch_error(error: &watcher::Error, resource: &ApiResource) -> String {
    let what = resource_name(resource);
    let advice = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => watched(error, resource),
        watcher::Error::WatchError(status) if status.code == 410 => {
            "the server's history is over; listing again".to_owned()
        }
        watcher::Error::WatchError(status) => status_error(status),
        watcher::Error::NoResourceVersion => {
            "the server sends no resourceVersion; this resource cannot be watched".to_owned()
        }
    };
    format!("failed to watch {what}: {advice}")
}

fn watched(error: &kube::Error, resource: &ApiResource) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => not_served(resource),
        error => request_error(error),
    }
}

fn not_served(resource: &ApiResource) -> String {
    format!(
        "the API server does not serve {} in {}; install its CustomResourceDefinition \
         (`kubectl apply -f` the controller's CRDs); the watch goes on trying",
        resource.kind, resource.api_version
    )
}

/// `websites.webhosting.polyreme.dev`
fn resource_name(resource: &ApiResource) -> String {
    if resource.group.is_empty() {
        return resource.plural.clone();
    }
    format!("{}.{}", resource.plural, resource.group)
}

fn status_error(status: &Status) -> String {
    match status.code {
        401 => format!(
            "the credentials are not accepted ({}); renew the token or certificate of this \
             context, or choose another with --context",
            status.message
        ),
        403 => rule(&status.message).unwrap_or_else(|| status.message.clone()),
        _ => status.message.clone(),
    }
}

/// What keeps a request from reaching the server, when that is it.
fn connection(error: &kube::Error, url: &str) -> Option<String> {
    if let kube::Error::Auth(cause) = error {
        return Some(format!(
            "failed to get credentials: {}; try the same command that the kubeconfig's user \
             section names",
            chain(cause)
        ));
    }
    network(error, url).or_else(|| tls(error))
}

fn network(error: &kube::Error, url: &str) -> Option<String> {
    let kind = causes(error).find_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()))?;
    let start = "start the cluster, or name another with --kubeconfig or --context";
    match kind {
        io::ErrorKind::ConnectionRefused => {
            Some(format!("nobody listens at {url} (connection refused); {start}"))
        }
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(format!("no way to {url} ({kind}); check the network, or {start}"))
        }
        _ if says(error, "failed to lookup address") || says(error, "dns error") => {
            Some(format!("the host name of {url} is unknown; check `server:` in the kubeconfig"))
        }
        _ => None,
    }
}

fn tls(error: &kube::Error) -> Option<String> {
    if says(error, "UnknownIssuer") || says(error, "UnknownCA") || says(error, "BadSignature") {
        return Some(
            "its certificate is not signed by the authority in the kubeconfig; the kubeconfig \
             belongs to another cluster, or its certificate-authority-data is out of date"
                .to_owned(),
        );
    }
    if says(error, "NotValidForName") {
        return Some(
            "its certificate is for another name; use that name as `server:` in the kubeconfig, \
             or set `tls-server-name:`"
                .to_owned(),
        );
    }
    if says(error, "Expired") && says(error, "certificate") {
        return Some("its certificate has expired; renew it, or check this machine's clock".to_owned());
    }
    says(error, "InvalidContentType").then(|| {
        "it does not speak TLS; use http:// as `server:` in the kubeconfig, or another port".to_owned()
    })
}

fn says(error: &(dyn StdError + 'static), text: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(text))
}

/// An error and its causes, looking into `io::Error`s that hide theirs.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        let hidden = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        match hidden {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests;
