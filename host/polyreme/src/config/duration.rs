//! Durations as people write them in configuration: `500ms`, `30s`, `1m30s`, `10h`.
//!
//! The syntax is that of Go's `time.ParseDuration`, which every Kubernetes tool uses,
//! without signs: nothing in the configuration can last a negative time. A bare number is
//! refused, because readers disagree about its unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// Units with their length in nanoseconds, longest first so that [`DurationText`] prints
/// the shortest text. `us` stands before `µs` because it is the one that is printed.
const UNITS: [(&str, u64); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// A duration read from text.
///
/// # Example
///
/// ```
/// use polyreme::config::DurationText;
/// let grace: DurationText = "1m30s".parse().unwrap();
/// assert_eq!(grace.get().as_secs(), 90);
/// assert_eq!(grace.to_string(), "1m30s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct DurationText(Duration);

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// No unit, an unknown unit, or no number before it.
    #[error("\"{0}\" is not a duration: write a number and a unit, such as 500ms, 30s, 1m30s or 10h")]
    Malformed(String),
    /// Longer than the type can hold (about 584 years).
    #[error("\"{0}\" is too long for a duration")]
    TooLong(String),
}

impl DurationText {
    /// The duration itself.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for DurationText {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for DurationText {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let (mut nanos, mut rest) = take_part(text).ok_or_else(|| malformed(text))?;
        while !rest.is_empty() {
            let (part, tail) = take_part(rest).ok_or_else(|| malformed(text))?;
            nanos = nanos.checked_add(part).ok_or_else(|| too_long(text))?;
            rest = tail;
        }
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

impl TryFrom<String> for DurationText {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            if nanos >= length {
                write!(f, "{}{unit}", nanos / length)?;
                nanos %= length;
            }
        }
        Ok(())
    }
}

/// Takes `12.5s` off the front: its nanoseconds and what follows.
fn take_part(text: &str) -> Option<(u64, &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !is_number(c))?);
    let end = rest.find(is_number).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(end);
    let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    Some((scale(number, length)?, tail))
}

fn is_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// `number` times `length`, exact for whole numbers and for up to nine decimals.
fn scale(number: &str, length: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let digits = u32::try_from(fraction.len()).ok().filter(|n| *n <= 9)?;
    let fraction: u64 = fraction.parse().ok()?;
    let part = u128::from(fraction) * u128::from(length) / u128::from(10_u64.pow(digits));
    whole.checked_mul(length)?.checked_add(u64::try_from(part).ok()?)
}

fn malformed(text: &str) -> DurationError {
    DurationError::Malformed(text.to_owned())
}

fn too_long(text: &str) -> DurationError {
    DurationError::TooLong(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> u128 {
        text.parse::<DurationText>().unwrap().get().as_millis()
    }

    #[test]
    fn go_syntax_is_read() {
        assert_eq!(millis("500ms"), 500);
        assert_eq!(millis("30s"), 30_000);
        assert_eq!(millis("1m30s"), 90_000);
        assert_eq!(millis("1.5h"), 5_400_000);
        assert_eq!(millis("0"), 0);
    }

    #[test]
    fn a_number_without_unit_is_refused_with_the_remedy() {
        let error = "30".parse::<DurationText>().unwrap_err();
        assert!(error.to_string().contains("such as 500ms, 30s"), "{error}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "s", "-1s", "1 s", "1x", "1.s", "1.2.3s", "99999999999h", "s1"] {
            assert!(text.parse::<DurationText>().is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["0s", "1ns", "500ms", "1m30s", "10h", "1h1ms"] {
            let parsed: DurationText = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
        }
    }
}
