//! How long a request may take: the `timeout` parameter, as the filter `WithRequestDeadline` of the
//! real server reads it.
//!
//! It counts from when the request was received. What is longer than the server's own limit, zero
//! or negative is that limit. A watch has none.

use std::time::Duration;

use tokio::time::Instant;

use super::Call;
use crate::error::ApiError;

/// `--request-timeout` of kube-apiserver.
const LIMIT: Duration = Duration::from_secs(60);

/// Units of a Go duration in nanoseconds; the first that fits is meant.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// When a request is too old to be carried out.
pub(super) fn of(call: &Call) -> Result<Instant, ApiError> {
    let Some(text) = call.query.get("timeout") else { return Ok(call.received + LIMIT) };
    let wanted = parse(text).map_err(|why| {
        ApiError::bad_request(format!("invalid timeout specified in the request URL - time: {why}"))
    })?;
    Ok(call.received + if wanted.is_zero() { LIMIT } else { wanted.min(LIMIT) })
}

/// Refuses what comes too late.
pub(super) fn check(deadline: Instant) -> Result<(), ApiError> {
    if Instant::now() < deadline { Ok(()) } else { Err(ApiError::timed_out()) }
}

/// `time.ParseDuration`; what is negative counts as zero.
fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration \"{text}\"");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let (digits, after) = rest.split_at(rest.len() - number.len());
        let value: f64 = digits.parse().map_err(|_| invalid())?;
        let next = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(next);
        if unit.is_empty() {
            return Err(format!("missing unit in duration \"{text}\""));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit \"{unit}\" in duration \"{text}\""));
        };
        nanoseconds += value * scale;
        rest = after;
    }
    let seconds = if negative { 0.0 } else { nanoseconds / 1e9 };
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let parsed = |text: &str| parse(text).map(|duration| duration.as_nanos());
        assert_eq!(parsed("1500ms"), Ok(1_500_000_000));
        assert_eq!(parsed("1m30s"), Ok(90_000_000_000));
        assert_eq!(parsed("+1.5h"), Ok(5_400_000_000_000));
        assert_eq!(parsed("1ns"), Ok(1));
        assert_eq!((parsed("0"), parsed("-5s")), (Ok(0), Ok(0)));
        assert_eq!(parsed("5"), Err("missing unit in duration \"5\"".into()));
        assert_eq!(parsed("5d"), Err("unknown unit \"d\" in duration \"5d\"".into()));
        for text in ["soon", "", "-", ".s", "s"] {
            assert_eq!(parsed(text), Err(format!("invalid duration \"{text}\"")));
        }
    }
}
