//! The syntaxes of names, keys and label values, with the real server's explanations.
//!
//! Follows `k8s.io/apimachinery/pkg/api/validate/content` and `pkg/util/validation`. Each
//! function returns what is wrong; nothing means valid.

use std::sync::LazyLock;

use regex::Regex;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";

macro_rules! whole {
    ($($name:ident = $source:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(&format!("^{}$", $source)).expect("the pattern is a constant that compiles")
        });)*
    };
}

whole! {
    LABEL_PATTERN = LABEL;
    SUBDOMAIN_PATTERN = format!(r"{LABEL}(\.{LABEL})*");
    DNS_1035_PATTERN = DNS_1035;
    LABEL_KEY_PATTERN = LABEL_KEY;
    LABEL_VALUE_PATTERN = format!("({LABEL_KEY})?");
    CONFIG_KEY_PATTERN = CONFIG_KEY;
}

/// A name of lower-case letters, digits and dashes, at most 63 long.
#[must_use]
pub fn dns_label(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63, "characters");
    if !LABEL_PATTERN.is_match(text) {
        if SUBDOMAIN_PATTERN.is_match(text) {
            problems.push("must not contain dots".to_owned());
        } else {
            let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
            problems.push(explain(what, LABEL, &["my-name", "123-abc"]));
        }
    }
    problems
}

/// Labels joined by dots, at most 253 long.
#[must_use]
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 253, "characters");
    if !SUBDOMAIN_PATTERN.is_match(text) {
        let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
        let pattern = format!(r"{LABEL}(\.{LABEL})*");
        problems.push(explain(what, &pattern, &["example.com"]));
    }
    problems
}

/// A DNS label that begins with a letter.
#[must_use]
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63, "characters");
    if !DNS_1035_PATTERN.is_match(text) {
        let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
        problems.push(explain(what, DNS_1035, &["my-name", "abc-123"]));
    }
    problems
}

/// A label or annotation key: an optional DNS prefix, a slash, a name.
#[must_use]
pub fn label_key(text: &str) -> Vec<String> {
    const WHAT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    let shape = || explain(WHAT, LABEL_KEY, &["MyName", "my.name", "123-abc"]);
    let mut problems = Vec::new();
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, rest)) if rest.contains('/') => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                shape()
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            let inner = dns_subdomain(prefix).into_iter();
            problems.extend(inner.map(|problem| format!("prefix part {problem}")));
        }
        None => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    let length = too_long(name, 63, "bytes").into_iter();
    problems.extend(length.map(|problem| format!("name part {problem}")));
    if !LABEL_KEY_PATTERN.is_match(name) {
        problems.push(format!("name part {}", shape()));
    }
    problems
}

/// The value of a label.
#[must_use]
pub fn label_value(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63, "bytes");
    if !LABEL_VALUE_PATTERN.is_match(text) {
        let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
        let pattern = format!("({LABEL_KEY})?");
        problems.push(explain(what, &pattern, &["MyValue", "my_value", "12345"]));
    }
    problems
}

/// A key of a ConfigMap or Secret: it may become a file name.
#[must_use]
pub fn config_key(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 253, "characters");
    if !CONFIG_KEY_PATTERN.is_match(text) {
        let what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        problems.push(explain(what, CONFIG_KEY, &["key.name", "KEY_NAME", "key-name"]));
    }
    if text == "." || text == ".." {
        problems.push(format!("must not be '{text}'"));
    } else if text.starts_with("..") {
        problems.push("must not start with '..'".to_owned());
    }
    problems
}

/// What may stand in a path: names of roles and the like, which allow almost anything.
#[must_use]
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|bad| text.contains(**bad))
        .map(|bad| format!("may not contain '{bad}'"))
        .collect()
}

/// The name of a port: at most 15 characters, one of them a letter.
#[must_use]
pub fn port_name(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 15, "characters");
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.chars().all(allowed) || text.is_empty() {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.chars().any(|c| c.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

/// A TCP or UDP port.
#[must_use]
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65_535).contains(&port) {
        return Vec::new();
    }
    vec!["must be between 1 and 65535, inclusive".to_owned()]
}

fn too_long(text: &str, most: usize, unit: &str) -> Vec<String> {
    if text.len() <= most {
        return Vec::new();
    }
    vec![format!("must be no more than {most} {unit}")]
}

/// `what (e.g. 'a',  or 'b', regex used for validation is 'pattern')`; the two spaces are the
/// real server's.
fn explain(what: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}'")).collect();
    let examples = examples.join(",  or ");
    format!("{what} (e.g. {examples}, regex used for validation is '{pattern}')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_have_no_problems() {
        assert!(dns_label("web-1").is_empty());
        assert!(dns_subdomain("a.b-c.example").is_empty());
        assert!(dns_1035_label("web-1").is_empty());
        assert!(label_key("example.com/My_Name.x").is_empty());
        assert!(label_value("").is_empty() && label_value("A_b.c").is_empty());
        assert!(config_key("nginx.conf").is_empty());
        assert!(port_name("http").is_empty() && port_number(80).is_empty());
        assert!(path_segment("system:node").is_empty());
    }

    #[test]
    fn invalid_names_are_explained() {
        let cases = [
            (dns_label("a.b"), "must not contain dots"),
            (dns_label("A"), "a lowercase RFC 1123 label must"),
            (dns_label(&"a".repeat(64)), "must be no more than 63 characters"),
            (dns_subdomain("a..b"), "a lowercase RFC 1123 subdomain"),
            (dns_1035_label("1a"), "a DNS-1035 label"),
            (label_key("a/b/c"), "a valid label key"),
            (label_key("/a"), "prefix part must be non-empty"),
            (label_key("-a"), "name part must consist"),
            (label_value("a b"), "a valid label must be"),
            (config_key("a b"), "a valid config key"),
            (config_key(".."), "must not be '..'"),
            (port_name("1234"), "must contain at least one letter"),
            (port_number(0), "must be between 1 and 65535, inclusive"),
            (path_segment("a/b"), "may not contain '/'"),
        ];
        for (problems, expected) in cases {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{problems:?}");
        }
    }
}
