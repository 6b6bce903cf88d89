//! The `format`s a schema may ask of a string.
//!
//! Which names count, and what each accepts, follows
//! `apiextensions-apiserver/pkg/apiserver/validation/formats.go` and
//! `kube-openapi/pkg/validation/strfmt`: an unknown format is ignored, never an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use regex::Regex;

/// Whether `text` is valid in `format`; none when the server does not know the format.
pub(super) fn accepts(format: &str, text: &str) -> Option<bool> {
    let name = format.replace('-', "");
    let holds = match name.as_str() {
        "datetime" => is_date_time(text),
        "date" => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        "duration" => is_duration(text),
        "byte" => is_base64(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "uri" => is_request_uri(text),
        "email" => is_email(text),
        "password" => true,
        other => matches_pattern(other, text)?,
    };
    Some(holds)
}

fn matches_pattern(name: &str, text: &str) -> Option<bool> {
    let pattern = match name {
        "hostname" => &*HOSTNAME,
        "mac" => &*MAC,
        "uuid" => &*UUID,
        "uuid3" => &*UUID3,
        "uuid4" => &*UUID4,
        "uuid5" => &*UUID5,
        "hexcolor" => &*HEX_COLOR,
        "rgbcolor" => &*RGB_COLOR,
        "ssn" => &*SSN,
        "bsonobjectid" => &*BSON,
        "k8sshortname" => return Some(text.len() <= 63 && SHORT_NAME.is_match(text)),
        "k8slongname" => return Some(text.len() <= 253 && LONG_NAME.is_match(text)),
        "isbn10" => return Some(is_isbn10(text)),
        "isbn13" => return Some(is_isbn13(text)),
        "isbn" => return Some(is_isbn10(text) || is_isbn13(text)),
        "creditcard" => return Some(CREDIT_CARD.is_match(&digits(text))),
        _ => return None,
    };
    Some(pattern.is_match(text))
}

macro_rules! patterns {
    ($($name:ident = $source:expr;)*) => {
        $(static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($source).expect("the pattern is a literal that compiles"));)*
    };
}

patterns! {
    HOSTNAME = r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$";
    MAC = r"^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$|^([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}$";
    UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID3 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID4 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    UUID5 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    HEX_COLOR = r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOR = r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$";
    SSN = r"^\d{3}[- ]?\d{2}[- ]?\d{4}$";
    BSON = r"^[0-9a-fA-F]{24}$";
    SHORT_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    LONG_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
    CREDIT_CARD = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
    EMAIL = r#"^[^@\s<>"]+@[^@\s<>"]+$"#;
    NAMED_EMAIL = r#"^[^<>@]*<[^@\s<>"]+@[^@\s<>"]+>$"#;
    GO_DURATION = r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    SCALA_DURATION = r"(\d+)\s*([A-Za-zµ]+)";
    LOCAL_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?$";
}

/// RFC 3339, or a local time without a zone, or nothing at all.
fn is_date_time(text: &str) -> bool {
    text.is_empty()
        || chrono::DateTime::parse_from_rfc3339(text).is_ok_and(|_| text.contains('T'))
        || LOCAL_TIME.is_match(text)
}

/// A Go duration, or the looser form of Scala (`22 ns`, `5 minutes`).
fn is_duration(text: &str) -> bool {
    GO_DURATION.is_match(text)
        || SCALA_DURATION
            .captures_iter(text)
            .filter_map(|found| found.get(2))
            .any(|unit| is_unit(&unit.as_str().to_lowercase()))
}

fn is_unit(unit: &str) -> bool {
    const SHORT: [&str; 12] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "sec"];
    const LONG: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    SHORT.contains(&unit) || LONG.iter().any(|long| unit.starts_with(long))
}

fn is_base64(text: &str) -> bool {
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// An absolute path or an address with a scheme.
fn is_request_uri(text: &str) -> bool {
    text.starts_with('/') || text.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some())
}

fn is_email(text: &str) -> bool {
    EMAIL.is_match(text) || NAMED_EMAIL.is_match(text)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn is_isbn10(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| !"- ".contains(*c)).collect();
    let value = |at: usize, c: char| match c {
        'X' | 'x' if at == 9 => Some(10),
        _ => c.to_digit(10),
    };
    let sum: Option<u32> =
        plain.iter().zip(1u32..).map(|(c, weight)| Some(value(weight as usize - 1, *c)? * weight)).sum();
    plain.len() == 10 && sum.is_some_and(|sum| sum % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| !"- ".contains(*c)).collect();
    let sum: Option<u32> = plain
        .iter()
        .zip([1u32, 3].into_iter().cycle())
        .map(|(c, weight)| Some(c.to_digit(10)? * weight))
        .sum();
    plain.len() == 13 && sum.is_some_and(|sum| sum % 10 == 0)
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn each_format_accepts_its_own_and_refuses_others() {
        let cases = [
            ("date-time", "2024-05-01T10:00:00Z", "2024-05-01 10:00"),
            ("date-time", "2024-05-01T10:00:00.123456+02:00", "yesterday"),
            ("date", "2024-02-29", "2023-02-29"),
            ("duration", "1h30m", "soon"),
            ("duration", "22 ns", "22 moons"),
            ("byte", "aGVsbG8=", "not base64!"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("uri", "https://example.com/x", "example"),
            ("email", "a@b.example", "nobody"),
            ("hostname", "example.com", "-bad-"),
            ("mac", "00:1B:44:11:3A:B7", "00:1B"),
            ("uuid", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6BA7"),
            ("hexcolor", "#ff00ff", "#ff00f"),
            ("isbn10", "0321751043", "0321751044"),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("k8s-short-name", "abc-1", "Abc"),
            ("creditcard", "4111 1111 1111 1111", "1234"),
        ];
        for (format, good, bad) in cases {
            assert_eq!(accepts(format, good), Some(true), "{format} {good}");
            assert_eq!(accepts(format, bad), Some(false), "{format} {bad}");
        }
    }

    #[test]
    fn an_unknown_format_is_not_checked() {
        assert_eq!(accepts("postcode", "whatever"), None);
    }
}
