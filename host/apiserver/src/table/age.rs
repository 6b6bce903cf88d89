//! Durations as kubectl prints them: two units at most, coarser the longer it is.
//!
//! Follows `k8s.io/apimachinery/pkg/util/duration`.

use chrono::TimeDelta;

/// `90s`, `5m30s`, `3h`, `2d4h`, `1y20d`.
///
/// # Example
/// ```
/// use polyreme_apiserver::table::human_duration;
/// assert_eq!(human_duration(chrono::TimeDelta::seconds(330)), "5m30s");
/// ```
#[must_use]
pub fn human_duration(duration: TimeDelta) -> String {
    let (seconds, minutes) = (duration.num_seconds(), duration.num_minutes());
    let (hours, days) = (duration.num_hours(), duration.num_days());
    match seconds {
        // Clocks may differ a little.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

fn two(big: i64, big_unit: &str, small: i64, small_unit: &str) -> String {
    match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    }
}
