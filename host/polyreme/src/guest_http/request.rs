//! What a guest wants to send, read once: past here there are methods, targets and headers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, uri};
use http_body_util::Full;
use polyreme_runtime::wit::http::{Error, Header, Reason, Request};

use super::policy::Target;
use crate::config::{METHODS, Scheme, ServerName};

/// Headers that are the host's to set: they say where a request ends and who it is for, or concern the
/// connection alone (RFC 9110, 7.6.1). A guest that could set them could smuggle a request to another server.
const OWN: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
];

/// The same, without constants of their own.
const OWN_TOO: [&str; 2] = ["keep-alive", "proxy-connection"];

/// What servers see of a request that does not say what sends it.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("polyreme/", env!("CARGO_PKG_VERSION")));

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) timeout: Option<Duration>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Checked {
    /// Reads a request.
    ///
    /// # Errors
    /// `bad-request`, with what is wrong.
    pub(super) fn new(request: Request) -> Result<Self, Error> {
        let Request { method, url, headers, body, timeout_ms } = request;
        let (uri, target) = target(&url)?;
        Ok(Self {
            method: self::method(&method)?,
            target,
            timeout: timeout_ms.map(Duration::from_millis),
            uri,
            headers: self::headers(headers)?,
            body: Bytes::from(body.unwrap_or_default()),
        })
    }

    /// The request as it is sent.
    pub(super) fn into_http(self) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Reason::BadRequest, message)
}

fn method(text: &str) -> Result<Method, Error> {
    let known = METHODS.contains(&text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten();
    known.ok_or_else(|| bad(format!("{text:?} is not a method; use one of {}", METHODS.join(", "))))
}

/// The URL, and the server that it names. It is not quoted: it may hold secrets.
fn target(url: &str) -> Result<(Uri, Target), Error> {
    let uri: Uri = url.parse().map_err(|error: uri::InvalidUri| bad(format!("the URL is none: {error}")))?;
    let target = target_of(&uri).map_err(|why| bad(format!("the URL {why}")))?;
    Ok((uri, target))
}

/// The server that a URL names; the error ends a sentence about the URL.
pub(super) fn target_of(uri: &Uri) -> Result<Target, &'static str> {
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        _ => return Err("must begin with https:// or http://"),
    };
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("has credentials in it; send them in a header");
    }
    let server = ServerName::parse(authority.host()).ok_or("names no host")?;
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => scheme.port(),
        _ => authority.port_u16().filter(|port| *port > 0).ok_or("has no valid port")?,
    };
    Ok(Target { scheme, server, port })
}

fn headers(list: Vec<Header>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for Header { name, value } in list {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let parsed = parsed.map_err(|_| bad(format!("{name:?} is not the name of a header")))?;
        if OWN.contains(&parsed) || OWN_TOO.contains(&parsed.as_str()) {
            return Err(bad(format!("header {name} is the host's to set; leave it out")));
        }
        // The value may be a secret: it is never quoted.
        let value = HeaderValue::from_bytes(value.as_bytes());
        let value =
            value.map_err(|_| bad(format!("the value of header {name} has a character it cannot have")))?;
        headers.try_append(parsed, value).map_err(|_| bad("there are too many headers"))?;
    }
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn get(url: &str) -> Request {
        Request { method: "GET".into(), url: url.into(), headers: vec![], body: None, timeout_ms: None }
    }

    fn refused(request: Request) -> String {
        let error = Checked::new(request).expect_err("it was accepted");
        assert_eq!(error.reason, Reason::BadRequest);
        error.message
    }

    #[test]
    fn a_url_names_scheme_server_and_port() {
        let target = |url: &str| Checked::new(get(url)).unwrap().target.to_string();
        assert_eq!(target("https://Api.Example.com/v1?x=1"), "https://api.example.com");
        assert_eq!(target("http://10.0.0.1:8080"), "http://10.0.0.1:8080");
        assert_eq!(target("https://[fd00::1]:443/"), "https://[fd00::1]");
    }

    #[test]
    fn a_url_that_means_several_things_is_refused() {
        for url in [
            "api.example.com/v1",
            "/v1",
            "ftp://a.com/",
            "https://",
            "https://a.com:99999/",
            "https://a.com:/",
            "https://a.com:0/",
            "https://user:secret@a.com/",
            "https://a.com\\@b.com/",
            "https://a b.com/",
            "https://a.com\r\nx/",
            "https://grüße.de/",
            "https://a.com./",
            "https://[::1/",
        ] {
            assert!(!refused(get(url)).contains("secret"), "{url}");
        }
    }

    #[test]
    fn headers_that_say_where_a_request_ends_are_the_hosts() {
        for name in
            ["Host", "content-length", "Transfer-Encoding", "connection", "Keep-Alive", "Proxy-Connection"]
        {
            let header = Header { name: name.into(), value: "x".into() };
            assert!(refused(Request { headers: vec![header], ..get("https://a.com/") }).contains(name));
        }
        let header = Header { name: "x-note".into(), value: "secret\r\nhost: b.com".into() };
        assert!(!refused(Request { headers: vec![header], ..get("https://a.com/") }).contains("secret"));
    }

    #[test]
    fn methods_are_written_as_they_are_granted() {
        for method in ["get", "CONNECT", "TRACE", "GET ", ""] {
            refused(Request { method: method.into(), ..get("https://a.com/") });
        }
    }
}
