//! Names of artifacts in registries: `registry[:port]/repository[:tag][@sha256:HEX]`.
//!
//! The registry is always written out. Docker's shorthand (`website` for
//! `docker.io/library/website`) is refused, because what a host runs must not depend on which
//! registry a tool falls back to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::digest::{Digest, PREFIX};
use crate::source::Malformed;

/// Longest repository name, as the distribution specification recommends: with the registry below 256.
const MAX_REPOSITORY_CHARS: usize = 255;
/// Longest tag, from the distribution specification.
const MAX_TAG_CHARS: usize = 128;
/// The scheme that a reference may begin with.
pub(crate) const SCHEME: &str = "oci://";
/// What to write, for messages.
const FORM: &str = "write oci://REGISTRY/REPOSITORY:TAG, such as oci://registry.example/team/website:1.4.0";

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    /// Host, with its port when one was written.
    registry: String,
    /// Path in the registry.
    name: String,
}

impl Repository {
    /// Host, and `:port` when one was written.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

/// An artifact by tag, by digest, or both; then the digest counts and the tag is for people.
///
/// # Example
/// ```
/// use polyreme_sources::Reference;
/// let reference: Reference = "registry.example/team/website:1.4.0".parse()?;
/// assert_eq!(reference.repository().registry(), "registry.example");
/// assert_eq!(reference.to_string(), "oci://registry.example/team/website:1.4.0");
/// # Ok::<(), polyreme_sources::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Where it is.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, when one was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, when one was written.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same artifact, pinned.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Pinned {
        Pinned { repository: self.repository.clone(), tag: self.tag.clone(), digest }
    }
}

impl FromStr for Reference {
    type Err = Malformed;

    /// `oci://` may be left out, as on a command line.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest_of(text, digest)?)),
            None => (rest, None),
        };
        let Some((registry, path)) = rest.split_once('/') else {
            return Err(Malformed::new(format!("\"{text}\" names no repository of a registry"), FORM));
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag_of(tag)?)),
            None => (path, None),
        };
        let registry = registry_of(registry)?;
        check_repository(name)?;
        Ok(Self { repository: Repository { registry, name: name.to_owned() }, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.repository, self.tag(), self.digest)
    }
}

/// An artifact that cannot change: the digest is part of its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pinned {
    repository: Repository,
    tag: Option<String>,
    digest: Digest,
}

impl Pinned {
    /// Where it is.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.repository, self.tag.as_deref(), Some(self.digest))
    }
}

fn write(
    f: &mut fmt::Formatter<'_>,
    repository: &Repository,
    tag: Option<&str>,
    digest: Option<Digest>,
) -> fmt::Result {
    write!(f, "{SCHEME}{repository}")?;
    tag.map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
    digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
}

fn digest_of(text: &str, digest: &str) -> Result<Digest, Malformed> {
    digest.parse().map_err(|reason| {
        let problem = format!("\"{text}\" is not pinned by a digest: {reason}");
        Malformed::new(problem, format!("end it in @{PREFIX} and the digest that `polyreme pull` prints"))
    })
}

pub(crate) fn registry_of(text: &str) -> Result<String, Malformed> {
    check_registry(text).map(|()| text.to_owned())
}

/// Whether a text is the host of a registry, with an optional port, as [`Repository::registry`] has it.
///
/// A name without dot and port is refused: it is nearly always a repository whose registry was left out.
///
/// # Errors
/// When it is not.
///
/// # Example
/// ```
/// assert!(polyreme_sources::check_registry("registry.example:5000").is_ok());
/// assert!(polyreme_sources::check_registry("https://registry.example").is_err());
/// ```
pub fn check_registry(text: &str) -> Result<(), Malformed> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let fine_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if !is_host(host) || !fine_port {
        return Err(Malformed::new(format!("\"{text}\" is not the host of a registry"), FORM));
    }
    if port.is_none() && host != "localhost" && !host.contains(['.', '[']) {
        let problem = format!("\"{text}\" does not look like the host of a registry");
        let remedy = "write the registry first; Docker Hub's is docker.io, one without a dot needs its port";
        return Err(Malformed::new(problem, remedy));
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return matches!(address.parse(), Ok(IpAddr::V6(_)));
    }
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label)
}

/// By the grammar of the distribution specification: path components of lower-case letters and digits,
/// separated inside by `.`, `_`, `__` or dashes.
pub(crate) fn check_repository(name: &str) -> Result<(), Malformed> {
    if name.len() <= MAX_REPOSITORY_CHARS && name.split('/').all(is_component) {
        return Ok(());
    }
    let problem = format!("\"{name}\" is not the name of a repository");
    Err(Malformed::new(problem, "use a-z, 0-9 and, between them, . _ - and /"))
}

fn is_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |text: &str| matches!(text, "." | "_" | "__") || text.chars().all(|c| c == '-');
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component.split(alphanumeric).filter(|between| !between.is_empty()).all(separator)
}

fn tag_of(tag: &str) -> Result<String, Malformed> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fine = |c: char| first(c) || c == '.' || c == '-';
    if tag.starts_with(first) && tag.len() <= MAX_TAG_CHARS && tag.chars().all(fine) {
        return Ok(tag.to_owned());
    }
    let problem = format!("\"{tag}\" is not a tag");
    Err(Malformed::new(problem, "use at most 128 of letters, digits, _ . and -, and begin with no . or -"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> String {
        text.parse::<Reference>().expect_err("accepted").problem
    }

    #[test]
    fn everything_that_a_reference_may_have_is_read() {
        let digest = Digest::of(b"");
        let text = format!("oci://[::1]:5000/a/b_c.d--e:1.0_x@{digest}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.repository().registry(), "[::1]:5000");
        assert_eq!(reference.repository().name(), "a/b_c.d--e");
        assert_eq!((reference.tag(), reference.digest()), (Some("1.0_x"), Some(digest)));
        assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn a_registry_is_always_written() {
        assert_eq!(problem("website:1"), "\"website:1\" names no repository of a registry");
        assert_eq!(problem("team/website"), "\"team\" does not look like the host of a registry");
        assert!("registry:5000/website".parse::<Reference>().is_ok());
        assert!("localhost/website".parse::<Reference>().is_ok());
    }

    #[test]
    fn what_could_leave_the_repository_or_the_host_is_refused() {
        for text in [
            "r.example/../x",
            "r.example/a//b",
            "r.example/a/",
            "r.example/A",
            "r.example/a:b/c",
            "user:secret@r.example/a",
            "r.example:0/a",
            "r.example:99999/a",
            "r.example/a?x=1",
            "r.example#/a",
            "r.example/a:",
            "r.example/a@sha256:12",
            "-r.example/a",
            "r..example/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text} was accepted");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_printed_as_it_was_written(text in "[a-z]{1,5}\\.[a-z]{1,5}(:5000)?/[a-z0-9._/-]{1,12}(:[a-zA-Z0-9._-]{1,5})?") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), format!("oci://{text}"));
            }
        }
    }
}
