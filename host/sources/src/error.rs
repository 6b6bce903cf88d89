//! Why something could not be fetched or pushed. Each variant names what, where, and what to do.

use std::path::PathBuf;

use crate::digest::Digest;

/// A cause of another library.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why something could not be fetched or pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No answer, or one that may be another in a moment (429, 5xx).
    #[error("failed to reach {host} for {what}; check its address, the network and the proxy settings")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// The last reason.
        source: Cause,
    },
    /// All of it took too long.
    #[error("failed to get {what} within {seconds} s; check how fast the way to {host} is, or add a mirror")]
    TooSlow {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// The deadline.
        seconds: u64,
    },
    /// The registry wants other credentials, or some.
    #[error("{registry} does not give access to {what}: {}", unauthorized(*.had_credentials, .registry, .dockers))]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// Who was asked.
        registry: String,
        /// Whether credentials were sent.
        had_credentials: bool,
        /// Where credentials were looked for.
        dockers: String,
    },
    /// There is no such thing.
    #[error("{host} has no {what}; check the name, and that it was pushed there")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
    },
    /// An answer that no retry will change.
    #[error("{host} refused the request for {what}: {status}{}", said(.message))]
    Refused {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// The status line.
        status: String,
        /// What it said.
        message: String,
    },
    /// Not the bytes that were asked for. They are thrown away.
    #[error(
        "{host} sent other bytes for {what}: their digest is {found}; somebody changed the artifact or the \
         registry is damaged: do not take the new digest before you know which"
    )]
    Digest {
        /// What was asked for, with its digest.
        what: String,
        /// Who sent them.
        host: String,
        /// Of what was sent.
        found: Digest,
    },
    /// An artifact without a module in it.
    #[error("{what} is no WebAssembly artifact (it has {found}); push the module with `polyreme push`")]
    NotWasm {
        /// The artifact.
        what: String,
        /// The media types in it.
        found: String,
    },
    /// An index of several artifacts, none of which is meant more than the others.
    #[error("{what} is an index of {count} artifacts; name one of them by its digest: {list}")]
    Index {
        /// The index.
        what: String,
        /// How many.
        count: usize,
        /// Digests, with the platform of each.
        list: String,
    },
    /// What came is not what the specification says.
    #[error("{host} sent {what} that cannot be read")]
    Malformed {
        /// What was asked for.
        what: String,
        /// Who sent it.
        host: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// More than the limit.
    #[error(
        "{what} has more than {limit} bytes; build the module with optimisation and without debug information"
    )]
    TooLarge {
        /// What was asked for.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The way would not have been encrypted.
    #[error("{what} would go to {url} in plain text; plain HTTP is for loopback addresses only: use https")]
    Insecure {
        /// What was asked for.
        what: String,
        /// Where it would have gone.
        url: String,
    },
    /// A file that the settings name.
    #[error("failed to read {purpose} {}", path.display())]
    File {
        /// What it is for.
        purpose: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// Docker's configuration or a helper that it names gave no credentials.
    #[error("failed to get credentials for {registry} from {}; try `docker login {registry}`", path.display())]
    Credentials {
        /// Who they are for.
        registry: String,
        /// The configuration file.
        path: PathBuf,
        /// What is wrong.
        source: Cause,
    },
    /// TLS cannot be set up.
    #[error("failed to set up the HTTP client")]
    Client {
        /// Why.
        source: Cause,
    },
    /// A signature is asked for and there is none.
    #[error(
        "{what} is not signed; sign it with `cosign sign --key`, or remove `signature` from the controller"
    )]
    Unsigned {
        /// The artifact.
        what: String,
    },
    /// There are signatures and none of them counts.
    #[error("no signature of {what} is valid for the key in {}: {reasons}; sign it with that key", key.display())]
    Signature {
        /// The artifact.
        what: String,
        /// The file with the public key.
        key: PathBuf,
        /// For each signature, what is wrong with it.
        reasons: String,
    },
    /// Nothing that a host could run is pushed.
    #[error("failed to push {what}: it is not a WebAssembly component; make one with `polyreme build`")]
    NotComponent {
        /// Where it was to go.
        what: String,
    },
    /// A push needs a tag.
    #[error("failed to push {what}: {problem}; end it in a tag, such as :1.4.0")]
    NoTag {
        /// Where it was to go.
        what: String,
        /// What is there instead.
        problem: &'static str,
    },
}

impl SourceError {
    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether somebody has to change the configuration, credentials or artifact first.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::TooSlow { .. })
    }
}

fn unauthorized(had_credentials: bool, registry: &str, dockers: &str) -> String {
    if had_credentials {
        return format!(
            "the credentials in {dockers} are not accepted; `docker login {registry}` with a user who may"
        );
    }
    format!("there are no credentials for it in {dockers}; run `docker login {registry}`")
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(", {message}") }
}
