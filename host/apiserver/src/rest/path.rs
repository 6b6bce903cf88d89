//! What a URL path asks for.
//!
//! The grammar is that of `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`: the core
//! group under `/api`, named groups under `/apis`, `namespaces` both a resource and a
//! prefix, and the old `watch/` form of the collections.

/// A parsed path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/apps`.
    Group(String),
    /// `/api/v1`, `/apis/apps/v1`.
    Resources {
        group: String,
        version: String,
    },
    /// Objects.
    Objects(Target),
    /// `/openapi/v3` and below; empty for the index.
    OpenApiV3(String),
    OpenApiV2,
    Version,
    /// `/healthz`, `/livez`, `/readyz` and below.
    Health(String),
    Metrics,
    /// `/`.
    Root,
    Unknown,
}

/// One object or a collection, or a subresource of an object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// The old `/watch/` prefix.
    pub(crate) watch: bool,
}

impl Path {
    /// Parses a path; each segment is percent-decoded.
    pub(crate) fn parse(path: &str) -> Path {
        let Some(segments) = decode(path) else { return Path::Unknown };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [] => Path::Root,
            ["version"] => Path::Version,
            ["metrics"] => Path::Metrics,
            ["openapi", "v2"] => Path::OpenApiV2,
            ["openapi", "v3", rest @ ..] => Path::OpenApiV3(rest.join("/")),
            [health @ ("healthz" | "livez" | "readyz"), rest @ ..] if rest.len() < 2 => {
                Path::Health((*health).to_owned())
            }
            ["api"] => Path::CoreVersions,
            ["api", version] => resources("", version),
            ["api", version, rest @ ..] => objects("", version, rest),
            ["apis"] => Path::Groups,
            ["apis", group] => Path::Group((*group).to_owned()),
            ["apis", group, version] => resources(group, version),
            ["apis", group, version, rest @ ..] => objects(group, version, rest),
            _ => Path::Unknown,
        }
    }
}

fn resources(group: &str, version: &str) -> Path {
    Path::Resources { group: group.to_owned(), version: version.to_owned() }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Path {
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        rest => (false, rest),
    };
    let (namespace, rest) = split_namespace(rest);
    let mut words = rest.iter().map(|s| (*s).to_owned());
    let Some(plural) = words.next() else { return Path::Unknown };
    let (name, subresource) = (words.next(), words.next());
    if words.next().is_some() {
        return Path::Unknown;
    }
    let (group, version) = (group.to_owned(), version.to_owned());
    let namespace = namespace.map(str::to_owned);
    Path::Objects(Target { group, version, plural, namespace, name, subresource, watch })
}

/// `namespaces/a/pods` is in namespace `a`; `namespaces/a` and its own subresources are not.
fn split_namespace<'a, 'b>(rest: &'a [&'b str]) -> (Option<&'b str>, &'a [&'b str]) {
    match rest {
        ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, below @ ..] if !below.is_empty() => (Some(namespace), below),
        _ => (None, rest),
    }
}

fn decode(path: &str) -> Option<Vec<String>> {
    let segments = path.split('/').filter(|s| !s.is_empty());
    segments.map(percent_decode).collect()
}

/// Decodes `%XX`; `None` when it is not UTF-8 or hides a slash.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|s| !s.contains('/'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match Path::parse(path) {
            Path::Objects(target) => target,
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn namespaces_are_both_a_resource_and_a_prefix() {
        let pods = target("/api/v1/namespaces/a/pods/p/status");
        assert_eq!(pods.namespace.as_deref(), Some("a"));
        assert_eq!(pods.name.as_deref(), Some("p"));
        assert_eq!(pods.subresource.as_deref(), Some("status"));
        let namespace = target("/api/v1/namespaces/a");
        assert_eq!((namespace.plural.as_str(), namespace.namespace), ("namespaces", None));
        let finalize = target("/api/v1/namespaces/a/finalize");
        assert_eq!(finalize.subresource.as_deref(), Some("finalize"));
    }

    #[test]
    fn groups_have_versions() {
        let target = target("/apis/apps/v1/deployments");
        assert_eq!((target.group.as_str(), target.version.as_str()), ("apps", "v1"));
        assert_eq!(target.namespace, None);
        assert!(matches!(Path::parse("/apis/apps"), Path::Group(_)));
        assert!(matches!(Path::parse("/api/v1"), Path::Resources { .. }));
    }

    #[test]
    fn names_are_decoded() {
        assert_eq!(
            target("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode").name.as_deref(),
            Some("system:node")
        );
        assert_eq!(Path::parse("/api/v1/pods/%zz"), Path::Unknown);
    }

    #[test]
    fn the_old_watch_prefix_is_known() {
        let target = target("/api/v1/watch/namespaces/a/pods");
        assert!(target.watch);
        assert_eq!(target.namespace.as_deref(), Some("a"));
    }
}
