//! `http:` of a controller: which outside servers its module may send requests to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Method;
use ipnet::IpNet;
use serde::Deserialize;

use super::Bound;

/// Methods that a grant can name: all of RFC 9110 and PATCH, but those that are for proxies and loops.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Requests to outside servers that one module has under way at a time, over all its workers. 8 are more than a
/// controller with the default of 4 workers can use, and fewer than most servers allow one client.
pub const HTTP_REQUESTS_IN_FLIGHT: Bound<u32> = Bound { default: 8, min: 1, max: 1_024 };

/// One request from its beginning to the last byte of the response. Most answer within a second; what takes
/// longer than 10 s is better asked again by a later reconcile. Ownership that is not renewed ends within 30 s.
pub const HTTP_TIMEOUT_MILLIS: Bound<u64> = Bound { default: 10_000, min: 10, max: 30_000 };

/// Shortest prefixes of `networks`: all private ranges are longer, and what is shorter grants everything.
pub const MIN_PREFIX_V4: u8 = 8;
/// The same for IPv6, where the private range is `fc00::/7`.
pub const MIN_PREFIX_V6: u8 = 7;

/// What one `http:` entry allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// Servers, never empty.
    pub hosts: Vec<HostPattern>,
    /// Out of [`METHODS`], never empty.
    pub methods: Vec<Method>,
    /// `https` unless the file says otherwise.
    pub scheme: Scheme,
    /// The scheme's own unless the file says otherwise; never empty.
    pub ports: Vec<u16>,
    /// Networks that the hosts may be in although they are not out on the internet.
    pub networks: Vec<IpNet>,
    /// Line of the entry; absent for a grant that does not come from a file.
    pub line: Option<u32>,
}

/// How a request travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Inside of TLS, with a certificate that the machine trusts.
    #[default]
    Https,
    /// In the open.
    Http,
}

impl Scheme {
    /// The port where none is named.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }

    /// As in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// The server of a URL: a name in lower case, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerName {
    /// `api.example.com`
    Name(String),
    /// `10.1.2.3`, `[fd00::1]`
    Address(IpAddr),
}

impl ServerName {
    /// The host of a URL; `None` when it is neither a host name nor an address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        is_host_name(text).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Which servers one entry of `hosts:` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exactly(ServerName),
    /// `*.example.com`: every name that ends in `.example.com`, at any depth, and not `example.com`.
    Under(String),
}

impl HostPattern {
    /// Reads one entry of `hosts:`.
    ///
    /// # Errors
    /// What is wrong with it.
    ///
    /// # Example
    /// ```
    /// use polyreme::config::{HostPattern, ServerName};
    /// let pattern = HostPattern::parse("*.example.com").unwrap();
    /// assert!(pattern.matches(&ServerName::parse("api.eu.Example.com").unwrap()));
    /// assert!(!pattern.matches(&ServerName::parse("example.com").unwrap()));
    /// ```
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(suffix) = text.strip_prefix("*.") {
            return match ServerName::parse(suffix) {
                Some(ServerName::Name(name)) if name.contains('.') => Ok(Self::Under(name)),
                _ => Err("after \"*.\" write a name of at least two parts, such as *.example.com"),
            };
        }
        if text.contains('*') {
            return Err("a \"*\" stands for whole parts at the beginning only, as in *.example.com");
        }
        // Without its brackets an IPv6 address is as clear.
        let server = text.parse().map(ServerName::Address).ok().or_else(|| ServerName::parse(text));
        server
            .map(Self::Exactly)
            .ok_or("write a host name or an address alone, without scheme, port and path")
    }

    /// Whether it means a server.
    #[must_use]
    pub fn matches(&self, server: &ServerName) -> bool {
        match (self, server) {
            (Self::Exactly(exact), server) => exact == server,
            (Self::Under(suffix), ServerName::Name(name)) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Under(_), ServerName::Address(_)) => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(server) => write!(f, "{server}"),
            Self::Under(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// Labels of RFC 1123, and underscores, which some services have in theirs.
fn is_host_name(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerName {
        ServerName::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_means_the_names_below_it_and_nothing_that_only_looks_like_them() {
        let pattern = HostPattern::parse("*.example.com").unwrap();
        assert!(pattern.matches(&server("a.example.com")) && pattern.matches(&server("A.B.EXAMPLE.COM")));
        for other in ["example.com", "notexample.com", "a.example.com.evil.org", "10.0.0.1"] {
            assert!(!pattern.matches(&server(other)), "{other}");
        }
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        let pattern = HostPattern::parse("fd00::1").unwrap();
        assert!(pattern.matches(&server("[fd00:0::1]")));
        assert_eq!(pattern.to_string(), "[fd00::1]");
        assert_eq!(HostPattern::parse("[fd00::1]"), Ok(pattern));
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in
            ["", "*", "*.com", "a.*.com", "https://a.com", "a.com:443", "a.com/", "a..com", "*.10.0.0.1"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        for text in ["a b", "a@b", "[10.0.0.1]", "a.com."] {
            assert_eq!(ServerName::parse(text), None, "{text}");
        }
    }
}
