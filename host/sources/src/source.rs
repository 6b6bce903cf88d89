//! Where a module comes from, parsed once at the edge.
//!
//! Anything from the network is pinned: its digest is part of the name. So a source always
//! means the same bytes, on every host of a ring and after every restart, whatever happens to a
//! tag or a web server; and mirrors need not be trusted.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use crate::digest::{Digest, PREFIX};
use crate::reference::{Pinned, Reference, SCHEME};

/// What is wrong with a text and what to do about it, separately, so that a configuration's
/// faults can show both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct Malformed {
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl Malformed {
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// Where a module comes from.
///
/// # Example
/// ```
/// use polyreme_sources::Source;
/// let unpinned = "oci://registry.example/website:1.4.0".parse::<Source>().unwrap_err();
/// assert!(unpinned.remedy.contains("polyreme pull --resolve oci://registry.example/website:1.4.0"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `file:PATH`, as written: relative paths are the caller's to resolve.
    File(PathBuf),
    /// Anything from the network, for [`Fetcher::fetch`](crate::Fetcher::fetch).
    Remote(Remote),
}

/// What is fetched from the network, pinned by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// `oci://REGISTRY/REPOSITORY[:TAG]@sha256:HEX`, with the digest of the manifest.
    Oci(Pinned),
    /// `https://HOST/PATH@sha256:HEX`, with the digest of the file.
    Https(PinnedUrl),
}

impl FromStr for Source {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let known = "write file:PATH, oci://REGISTRY/REPOSITORY@sha256:… or https://HOST/PATH@sha256:…";
        match text.split_once(':') {
            Some(("file", path)) => file(path),
            Some(("oci", _)) => oci(text),
            Some(("https", _)) => https(text),
            Some(("http", rest)) => {
                let problem = "module source http: is not supported: it is not encrypted";
                Err(Malformed::new(problem, format!("write https:{rest}")))
            }
            Some((scheme, _)) => Err(Malformed::new(format!("unknown module source \"{scheme}:\""), known)),
            None => {
                let problem = format!("module \"{text}\" does not say what kind of source it is");
                Err(Malformed::new(problem, format!("write file:{text}")))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(pinned) => pinned.fmt(f),
            Self::Https(pinned) => pinned.fmt(f),
        }
    }
}

/// A file on a web server, with the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedUrl {
    url: Url,
    digest: Digest,
}

impl PinnedUrl {
    /// Always `https:`.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Of the file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for PinnedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.url, self.digest)
    }
}

fn file(path: &str) -> Result<Source, Malformed> {
    if path.is_empty() {
        let remedy = "write file: and a path, such as file:website.wasm";
        return Err(Malformed::new("module names no file", remedy));
    }
    Ok(Source::File(path.strip_prefix("//").unwrap_or(path).into()))
}

fn oci(text: &str) -> Result<Source, Malformed> {
    if !text.starts_with(SCHEME) {
        let remedy = "write oci://REGISTRY/REPOSITORY@sha256:…";
        return Err(Malformed::new(format!("\"{text}\" has no // after oci:"), remedy));
    }
    let reference: Reference = text.parse()?;
    let digest = reference.digest().ok_or_else(|| {
        let problem = format!("\"{text}\" is not pinned: a tag can be moved to another module");
        Malformed::new(problem, format!("write what `polyreme pull --resolve {text}` prints"))
    })?;
    Ok(Source::Remote(Remote::Oci(reference.pinned(digest))))
}

fn https(text: &str) -> Result<Source, Malformed> {
    let unpinned = || {
        let problem = format!("\"{text}\" is not pinned by the digest of the file");
        let remedy = format!("end it in @{PREFIX} and the 64 hex digits that `sha256sum FILE` prints");
        Malformed::new(problem, remedy)
    };
    let (address, digest) = text.rsplit_once('@').ok_or_else(unpinned)?;
    let digest = digest.parse().map_err(|_| unpinned())?;
    let malformed = |reason: &str| {
        let remedy = "write https://HOST/PATH@sha256:…";
        Malformed::new(format!("\"{text}\" is not the address of a file: {reason}"), remedy)
    };
    let url = Url::parse(address).map_err(|error| malformed(&error.to_string()))?;
    if !address.starts_with("https://") || url.host_str().is_none_or(str::is_empty) {
        return Err(malformed("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(malformed("user and password do not belong in it, where everyone reads them"));
    }
    if url.fragment().is_some() {
        return Err(malformed("a # part is never sent"));
    }
    Ok(Source::Remote(Remote::Https(PinnedUrl { url, digest })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Malformed {
        text.parse::<Source>().expect_err("accepted")
    }

    #[test]
    fn each_kind_of_source_is_read() {
        let digest = Digest::of(b"");
        let file: Source = "file://a/b.wasm".parse().unwrap();
        assert_eq!(file, Source::File("a/b.wasm".into()));
        for text in
            [format!("oci://r.example/a:1@{digest}"), format!("https://h.example:8443/a.wasm?x=1@{digest}")]
        {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_pinned_is_refused_with_the_way_to_pin_it() {
        let oci = fault("oci://r.example/a:1");
        assert_eq!(
            oci.problem,
            "\"oci://r.example/a:1\" is not pinned: a tag can be moved to another module"
        );
        assert_eq!(oci.remedy, "write what `polyreme pull --resolve oci://r.example/a:1` prints");
        assert!(fault("https://h.example/a.wasm").remedy.contains("sha256sum"));
        assert!(fault("https://h.example/a.wasm@sha256:1").problem.contains("is not pinned"));
    }

    #[test]
    fn secrets_and_plain_http_are_refused() {
        let digest = Digest::of(b"");
        assert!(fault(&format!("https://u:p@h.example/a@{digest}")).problem.contains("user and password"));
        assert!(fault(&format!("https://h.example/a#x@{digest}")).problem.contains("a # part"));
        assert_eq!(
            fault(&format!("http://h.example/a@{digest}")).remedy,
            format!("write https://h.example/a@{digest}")
        );
    }

    #[test]
    fn a_path_alone_is_told_its_scheme() {
        assert_eq!(fault("website.wasm").remedy, "write file:website.wasm");
        assert_eq!(fault("file:").problem, "module names no file");
        assert_eq!(fault("ftp://x").problem, "unknown module source \"ftp:\"");
        assert!(fault("oci:r.example/a").problem.contains("no //"));
    }
}
