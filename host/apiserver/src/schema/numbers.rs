//! Number limits of a schema, checked as the real server checks them.
//!
//! A JSON integer is compared in integer arithmetic with the limit cut to an integer. That is
//! why `multipleOf: 0.5` refuses every integer (the factor becomes 0), a quirk of
//! `kube-openapi/pkg/validation/validate` that clients can meet and that we keep.

use serde_json::{Map, Number, Value};

use super::parse::flag;

/// `minimum`, `maximum`, their exclusive forms and `multipleOf`.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Lower bound.
    pub minimum: Option<Number>,
    /// Upper bound.
    pub maximum: Option<Number>,
    /// The lower bound itself is not allowed.
    pub exclusive_minimum: bool,
    /// The upper bound itself is not allowed.
    pub exclusive_maximum: bool,
    /// Values must be a multiple of this.
    pub multiple_of: Option<Number>,
}

impl Limits {
    pub(super) fn parse(map: &Map<String, Value>) -> Self {
        let number = |name: &str| map.get(name).and_then(Value::as_number).cloned();
        Self {
            minimum: number("minimum"),
            maximum: number("maximum"),
            exclusive_minimum: flag(map, "exclusiveMinimum"),
            exclusive_maximum: flag(map, "exclusiveMaximum"),
            multiple_of: number("multipleOf"),
        }
    }

    /// What is wrong with `value`, in sentences about the field at `path`.
    pub(super) fn broken_by(&self, value: &Number, path: &str) -> Vec<String> {
        let bounds = [self.minimum(value), self.maximum(value)];
        let bounds = bounds.into_iter().flatten().map(|problem| format!("{path} in body {problem}"));
        self.multiple(value, path).into_iter().chain(bounds).collect()
    }

    fn multiple(&self, value: &Number, path: &str) -> Option<String> {
        let factor = self.multiple_of.as_ref()?;
        let holds = match value.as_i64() {
            Some(value) => value.checked_rem(whole(factor)? as i64).map(|rest| rest == 0),
            None => Some(is_whole_multiple(value.as_f64()?, factor.as_f64()?)),
        };
        match holds {
            Some(true) => None,
            Some(false) => Some(format!("{path} in body should be a multiple of {factor}")),
            None => Some(format!("factor MultipleOf declared for {path} must be positive: 0")),
        }
    }

    fn minimum(&self, value: &Number) -> Option<String> {
        let limit = self.minimum.as_ref()?;
        let (value, bound) = comparable(value, limit)?;
        match self.exclusive_minimum {
            true if value <= bound => Some(format!("should be greater than {limit}")),
            false if value < bound => Some(format!("should be greater than or equal to {limit}")),
            _ => None,
        }
    }

    fn maximum(&self, value: &Number) -> Option<String> {
        let limit = self.maximum.as_ref()?;
        let (value, bound) = comparable(value, limit)?;
        match self.exclusive_maximum {
            true if value >= bound => Some(format!("should be less than {limit}")),
            false if value > bound => Some(format!("should be less than or equal to {limit}")),
            _ => None,
        }
    }
}

/// Both sides as the server compares them: as integers when the value is one.
fn comparable(value: &Number, limit: &Number) -> Option<(f64, f64)> {
    let bound = if value.is_i64() || value.is_u64() { whole(limit)? } else { limit.as_f64()? };
    Some((value.as_f64()?, bound))
}

/// A limit cut to an integer, as Go's `int64(limit)`.
fn whole(limit: &Number) -> Option<f64> {
    limit.as_f64().map(f64::trunc)
}

fn is_whole_multiple(value: f64, factor: f64) -> bool {
    let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
    (times - times.round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(limits: Value, value: Value) -> Vec<String> {
        let limits = Limits::parse(limits.as_object().unwrap());
        limits.broken_by(value.as_number().unwrap(), "n")
    }

    #[test]
    fn numbers_outside_their_limits_are_named() {
        let cases = [
            (json!({"minimum": 1}), json!(1), vec![]),
            (json!({"minimum": 1}), json!(0), vec!["n in body should be greater than or equal to 1"]),
            (
                json!({"minimum": 1, "exclusiveMinimum": true}),
                json!(1),
                vec!["n in body should be greater than 1"],
            ),
            (json!({"maximum": 3}), json!(4), vec!["n in body should be less than or equal to 3"]),
            (
                json!({"maximum": 3, "exclusiveMaximum": true}),
                json!(3),
                vec!["n in body should be less than 3"],
            ),
            (json!({"multipleOf": 5}), json!(7), vec!["n in body should be a multiple of 5"]),
            (json!({"multipleOf": 5}), json!(10), vec![]),
            (json!({"multipleOf": 0.5}), json!(1.5), vec![]),
            (json!({"multipleOf": 0.5}), json!(1.3), vec!["n in body should be a multiple of 0.5"]),
        ];
        for (limits, value, expected) in cases {
            assert_eq!(broken(limits.clone(), value.clone()), expected, "{limits} {value}");
        }
    }

    #[test]
    fn a_fractional_factor_refuses_every_integer() {
        assert_eq!(
            broken(json!({"multipleOf": 0.5}), json!(2)),
            vec!["factor MultipleOf declared for n must be positive: 0"]
        );
    }
}
