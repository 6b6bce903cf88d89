//! Rules of what containers use: volumes, probes, resources.

use serde_json::Value;

use super::Place;
use crate::schema::{Cause, key};

/// Kinds of volumes in the order in which the real server looks for them
/// (`validateVolumeSource`): of two, the later is refused.
const VOLUMES: [&str; 14] = [
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "iscsi",
    "persistentVolumeClaim",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "projected",
    "csi",
    "ephemeral",
    "image",
];

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

pub(super) fn volume(volume: &Place<'_>, causes: &mut Vec<Cause>) {
    one_kind(volume, &VOLUMES, "may not specify more than 1 volume type", causes);
}

pub(super) fn probe(probe: &Place<'_>, causes: &mut Vec<Cause>) {
    if probe.value.is_none() {
        return;
    }
    if !one_kind(probe, &HANDLERS, "may not specify more than 1 handler type", causes) {
        causes.push(Cause::required(&probe.path, "must specify a handler type"));
    }
}

/// Refuses all kinds but the first; answers whether there is any.
fn one_kind(place: &Place<'_>, kinds: &[&str], detail: &str, causes: &mut Vec<Cause>) -> bool {
    let mut given = kinds.iter().map(|kind| place.child(kind)).filter(|kind| kind.value.is_some());
    let any = given.next().is_some();
    causes.extend(given.map(|kind| Cause::forbidden(&kind.path, detail)));
    any
}

/// Nobody is promised more than they may use.
pub(super) fn resources(resources: &Place<'_>, causes: &mut Vec<Cause>) {
    let (requests, limits) = (resources.child("requests"), resources.child("limits"));
    for (name, request) in requests.members() {
        let limit = limits.value.and_then(|limits| limits.get(name));
        let Some((request, limit)) = request.as_str().zip(limit.and_then(Value::as_str)) else { continue };
        if is_above(request, limit) {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            causes.push(Cause::invalid(&requests.path, &Value::from(request), &detail));
        }
    }
    for place in [&requests, &limits] {
        for (name, quantity) in place.members() {
            if quantity.as_str().is_some_and(|text| text.starts_with('-') && amount(text) != Some(0.0)) {
                let detail = "must be greater than or equal to 0";
                causes.push(Cause::invalid(&key(&place.path, name), quantity, detail));
            }
        }
    }
}

/// Two ways to write one amount may differ in the last digit of a float.
const ROUNDING: f64 = 1e-9;

fn is_above(left: &str, right: &str) -> bool {
    let amounts = amount(left).zip(amount(right));
    amounts.is_some_and(|(left, right)| left - right > right.abs() * ROUNDING)
}

/// A quantity as a number.
fn amount(quantity: &str) -> Option<f64> {
    let end = quantity.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'));
    let (digits, suffix) = quantity.split_at(end.unwrap_or(quantity.len()));
    let digits: f64 = digits.parse().ok()?;
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024_f64,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(digits * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        for (left, right) in [("2", "1"), ("1100m", "1"), ("1Gi", "1G"), ("1e3", "999"), ("1k", "0.9k")] {
            assert!(is_above(left, right) && !is_above(right, left), "{left} {right}");
        }
        for (left, right) in [("0.1", "100m"), ("1024Ki", "1Mi"), ("1E", "1000P"), ("x", "1")] {
            assert!(!is_above(left, right) && !is_above(right, left), "{left} {right}");
        }
    }
}
