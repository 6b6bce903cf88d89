//! Amounts of memory as Kubernetes writes them: `64Mi`, `3Mi`, `1G`, `65536`.
//!
//! Only whole, non-negative amounts of bytes: the configuration has no use for `100m`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// Suffixes of `k8s.io/apimachinery/pkg/api/resource` that make sense for bytes; the
/// binary ones first and the largest first, so that [`Quantity`] prints the shortest text.
const SUFFIXES: [(&str, u64); 9] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

/// A number of bytes read from text.
///
/// # Example
///
/// ```
/// use polyreme::config::Quantity;
/// let memory: Quantity = "64Mi".parse().unwrap();
/// assert_eq!(memory.bytes(), 64 * 1024 * 1024);
/// assert_eq!(memory.to_string(), "64Mi");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Quantity(u64);

/// A text is not an amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not an amount of memory: write whole bytes with a suffix, such as 512Ki, 64Mi or 1Gi")]
pub struct QuantityError(String);

impl Quantity {
    /// That many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text).map(Self).ok_or_else(|| QuantityError(text.to_owned()))
    }
}

impl TryFrom<String> for Quantity {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |size: &u64| self.0 >= *size && self.0.is_multiple_of(*size);
        let (suffix, size) = SUFFIXES.into_iter().find(|(_, size)| fits(size)).unwrap_or(("", 1));
        write!(f, "{}{suffix}", self.0 / size)
    }
}

fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (_, size) = SUFFIXES.into_iter().find(|(name, _)| *name == suffix)?;
    number.parse::<u64>().ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_suffixes_are_read() {
        assert_eq!("64Mi".parse::<Quantity>().unwrap().bytes(), 67_108_864);
        assert_eq!("1k".parse::<Quantity>().unwrap().bytes(), 1_000);
        assert_eq!("512".parse::<Quantity>().unwrap().bytes(), 512);
    }

    #[test]
    fn nonsense_is_refused_with_the_remedy() {
        for text in ["", "Mi", "64MB", "-1", "1.5Gi", "64 Mi", "99999999999Ti", "100m"] {
            let error = text.parse::<Quantity>().unwrap_err();
            assert!(error.to_string().contains("such as 512Ki"), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["0", "1", "1000Ki", "64Mi", "3M"] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
    }
}
