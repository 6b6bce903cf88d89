//! Who this host is, which the file that all hosts share cannot say.
//!
//! A name from `--identity`, else from the downward API, else from the machine. It only has to tell
//! people which process is meant: every incarnation adds a suffix of its own to it, so two hosts of one
//! name are still two members. Only to an external sharder (strategy `label`) a name is a shard.

use std::env;

use thiserror::Error;

/// Longest DNS label (RFC 1123).
const MAX_LABEL: usize = 63;

/// Variables of the pod's environment, set from the downward API (`deploy/base`).
const POD_NAME: &str = "POD_NAME";
const POD_UID: &str = "POD_UID";
const POD_NAMESPACE: &str = "POD_NAMESPACE";
const NODE_ZONE: &str = "NODE_ZONE";

/// Where every pod with a service account finds its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The machine's own name (Linux).
const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Name of a host that nobody named.
const NAMELESS: &str = "host";

/// Who a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A DNS label: part of the names of its Leases.
    pub name: String,
    /// The pod; empty outside a cluster.
    pub pod: String,
    /// The pod's uid; empty when not known.
    pub pod_uid: String,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The node's zone; empty when not known.
    pub zone: String,
    /// The profile of the configuration that it runs; empty for all controllers.
    pub profile: String,
}

/// `--identity` cannot be part of a Lease's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "failed to use the identity \"{0}\": write at most 63 of a-z, 0-9 and -, with a letter or digit at both ends"
)]
pub struct IdentityError(String);

impl Default for Identity {
    fn default() -> Self {
        Self {
            name: NAMELESS.to_owned(),
            pod: String::new(),
            pod_uid: String::new(),
            namespace: None,
            zone: String::new(),
            profile: String::new(),
        }
    }
}

impl Identity {
    /// Finds out who this process is; `chosen` is `--identity`.
    ///
    /// # Errors
    /// When `chosen` is not a DNS label. Names that nobody chose are made into one.
    pub fn find(chosen: Option<String>) -> Result<Self, IdentityError> {
        let namespace = || std::fs::read_to_string(NAMESPACE_FILE).ok();
        let hostname = || std::fs::read_to_string(HOSTNAME_FILE).ok().or_else(|| variable("HOSTNAME"));
        let pod = variable(POD_NAME).unwrap_or_default();
        Ok(Self {
            name: name(chosen, &pod, hostname)?,
            pod,
            pod_uid: variable(POD_UID).unwrap_or_default(),
            namespace: variable(POD_NAMESPACE)
                .or_else(namespace)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()),
            zone: variable(NODE_ZONE).unwrap_or_default(),
            profile: String::new(),
        })
    }
}

fn name(
    chosen: Option<String>,
    pod: &str,
    hostname: impl FnOnce() -> Option<String>,
) -> Result<String, IdentityError> {
    match chosen {
        Some(name) if is_dns_label(&name) => Ok(name),
        Some(name) => Err(IdentityError(name)),
        None if pod.is_empty() => Ok(sanitised(&hostname().unwrap_or_default())),
        None => Ok(sanitised(pod)),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The nearest DNS label.
fn sanitised(text: &str) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let label: String = text.trim().chars().map(allowed).take(MAX_LABEL).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { NAMELESS.to_owned() } else { label.to_owned() }
}

/// RFC 1123 label.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= MAX_LABEL
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chosen: Option<&str>, pod: &str, hostname: &str) -> Result<String, IdentityError> {
        name(chosen.map(str::to_owned), pod, || Some(hostname.to_owned()))
    }

    #[test]
    fn a_chosen_name_comes_before_the_pod_and_that_before_the_machine() {
        assert_eq!(found(Some("a"), "pod-0", "machine").unwrap(), "a");
        assert_eq!(found(None, "pod-0", "machine").unwrap(), "pod-0");
        assert_eq!(found(None, "", "machine\n").unwrap(), "machine");
        assert_eq!(name(None, "", || None).unwrap(), NAMELESS);
    }

    #[test]
    fn a_chosen_name_that_is_no_label_is_refused_with_the_remedy() {
        let error = found(Some("Host_0"), "", "").unwrap_err().to_string();
        assert!(error.contains("\"Host_0\"") && error.contains("a-z, 0-9 and -"), "{error}");
    }

    #[test]
    fn other_names_are_made_into_labels() {
        let long = "x".repeat(300);
        for (text, label) in
            [("My Laptop.local", "my-laptop-local"), ("-a-", "a"), ("...", NAMELESS), ("ä", NAMELESS)]
        {
            assert_eq!(sanitised(text), label);
        }
        assert!(is_dns_label(&sanitised(&long)));
        assert!(is_dns_label(&sanitised(&format!("{}-b", "x".repeat(62)))));
    }
}
