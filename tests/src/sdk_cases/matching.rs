//! Whether a value is what the list expects; pure.
//!
//! The words of expected values (`$text`, `$=name`, `{$only: …}`, …) are explained in
//! `tests/sdk-cases/README.md`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::list::generated_text;

/// What `$=name` stands for so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Names(BTreeMap<String, Value>);

/// How much of an object must be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every field.
    Whole,
    /// Fields that are not named may be there.
    Part,
}

/// Nanoseconds that two clocks may differ by.
const CLOCK_TOLERANCE_NANOS: i128 = 300_000_000_000;

/// Compares values; an error names the place and what was there.
pub(crate) struct Matcher<'a> {
    pub(crate) names: &'a mut Names,
    /// The runner's clock.
    pub(crate) now_nanos: i128,
}

impl Names {
    /// A text with the names in it filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.replace(&format!("${{{name}}}"), &value)
        })
    }

    fn bind(&mut self, name: &str, value: &Value) -> Result<(), String> {
        if let Some(known) = self.0.get(name) {
            return if known == value {
                Ok(())
            } else {
                Err(format!("is {value}, but {name} was {known} before"))
            };
        }
        if let Some((other, _)) = self.0.iter().find(|(_, known)| *known == value) {
            return Err(format!("is {value}, which {other} is already"));
        }
        self.0.insert(name.to_owned(), value.clone());
        Ok(())
    }
}

impl Matcher<'_> {
    pub(crate) fn matches(&mut self, expected: &Value, actual: &Value, extent: Extent) -> Result<(), String> {
        self.value("", expected, actual, extent)
    }

    fn value(&mut self, place: &str, expected: &Value, actual: &Value, extent: Extent) -> Result<(), String> {
        match (expected, actual) {
            (Value::String(word), _) if word.starts_with('$') => {
                self.word(word, actual).map_err(|problem| format!("{place} {problem}"))
            }
            (Value::String(text), _) => equal(place, &self.names.fill(text).into(), actual),
            (Value::Object(fields), _) if fields.contains_key("$only") => {
                self.value(place, &fields["$only"], actual, Extent::Whole)
            }
            (Value::Object(fields), _) if fields.contains_key("$contains") => {
                self.element(place, &fields["$contains"], actual)
            }
            (Value::Object(fields), Value::Object(actual)) => self.fields(place, fields, actual, extent),
            (Value::Array(items), Value::Array(actual)) if items.len() == actual.len() => {
                let mut pairs = items.iter().zip(actual).enumerate();
                pairs.try_for_each(|(index, (item, actual))| {
                    self.value(&format!("{place}[{index}]"), item, actual, extent)
                })
            }
            _ => equal(place, expected, actual),
        }
    }

    fn fields(
        &mut self,
        place: &str,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
        extent: Extent,
    ) -> Result<(), String> {
        for (name, field) in expected {
            let actual = actual.get(name).unwrap_or(&Value::Null);
            self.value(&format!("{place}.{name}"), field, actual, extent)?;
        }
        let unnamed = |(name, value): &(&String, &Value)| !expected.contains_key(*name) && !value.is_null();
        match actual.iter().find(unnamed) {
            Some((name, value)) if extent == Extent::Whole => {
                Err(format!("{place}.{name} is {}, but should not be there", short(value)))
            }
            _ => Ok(()),
        }
    }

    fn element(&mut self, place: &str, expected: &Value, actual: &Value) -> Result<(), String> {
        let before = self.names.clone();
        for item in actual.as_array().into_iter().flatten() {
            if self.value(place, expected, item, Extent::Part).is_ok() {
                return Ok(());
            }
            *self.names = before.clone();
        }
        Err(format!("{place} has no element {expected}: {}", short(actual)))
    }

    fn word(&mut self, word: &str, actual: &Value) -> Result<(), String> {
        if let Some(named) = word.strip_prefix("$=") {
            let (name, rest) = named.split_once(' ').unwrap_or((named, "$any"));
            self.word(rest, actual)?;
            return self.names.bind(name, actual);
        }
        let text = actual.as_str();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let holds = match word {
            "$any" => !actual.is_null(),
            "$text" => text.is_some_and(|text| !text.is_empty()),
            "$digits" => text.is_some_and(digits),
            "$hex16" => {
                text.is_some_and(|text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            }
            "$now" => text
                .and_then(|text| text.parse::<i128>().ok())
                .is_some_and(|nanos| nanos.abs_diff(self.now_nanos) < CLOCK_TOLERANCE_NANOS.unsigned_abs()),
            _ => match (word.strip_prefix("$has:"), word.strip_prefix("$generated=")) {
                (Some(part), _) => text.is_some_and(|text| text.contains(part)),
                (_, Some(bytes)) => bytes.parse().is_ok_and(|bytes| text == Some(&generated_text(bytes))),
                _ => return Err(format!("is compared with {word}, which is no word of the list")),
            },
        };
        if holds { Ok(()) } else { Err(format!("is {}, not {word}", short(actual))) }
    }
}

/// Whole numbers by every digit, others by value.
fn equal(place: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    let same = match (expected, actual) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            a.as_f64() == b.as_f64() && a.is_f64()
        }
        _ => expected == actual,
    };
    if same { Ok(()) } else { Err(format!("{place} is {}, not {}", short(actual), short(expected))) }
}

/// A value as an error shows it.
fn short(value: &Value) -> String {
    const MOST: usize = 300;
    let text = value.to_string();
    match text.get(..text.floor_char_boundary(MOST)) {
        Some(start) if start.len() < text.len() => format!("{start}… ({} bytes)", text.len()),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(names: &mut Names, expected: &Value, actual: &Value, extent: Extent) -> Result<(), String> {
        Matcher { names, now_nanos: 1_000_000_000_000 }.matches(expected, actual, extent)
    }

    fn whole(expected: &Value, actual: &Value) -> Result<(), String> {
        check(&mut Names::default(), expected, actual, Extent::Whole)
    }

    #[test]
    fn whole_numbers_are_compared_by_every_digit() {
        let number = json!({ "n": 9007199254740993_i64 });
        assert!(whole(&number, &number).is_ok());
        let error = whole(&number, &json!({ "n": 9007199254740992_i64 })).unwrap_err();
        assert_eq!(error, ".n is 9007199254740992, not 9007199254740993");
        assert!(whole(&number, &json!({ "n": 9007199254740992.0 })).is_err());
        assert!(whole(&json!(0.5), &json!(5e-1)).is_ok());
    }

    #[test]
    fn an_output_has_no_other_fields_and_an_object_may() {
        let (expected, actual) = (json!({ "a": 1 }), json!({ "a": 1, "b": 2 }));
        assert!(whole(&expected, &actual).is_err());
        assert!(whole(&expected, &json!({ "a": 1, "b": null })).is_ok());
        let names = &mut Names::default();
        assert!(check(names, &expected, &actual, Extent::Part).is_ok());
        assert!(check(names, &json!({ "$only": { "a": 1 } }), &actual, Extent::Part).is_err());
    }

    #[test]
    fn a_name_stands_for_one_value_and_no_other_names() {
        let names = &mut Names::default();
        let expected = json!({ "a": "$=one", "b": "$=two $digits" });
        assert!(check(names, &expected, &json!({ "a": "x", "b": "1" }), Extent::Whole).is_ok());
        assert_eq!(names.fill("a is ${one}"), "a is x");
        assert!(check(names, &json!("$=one"), &json!("y"), Extent::Whole).is_err());
        assert!(check(names, &json!("$=three"), &json!("x"), Extent::Whole).is_err());
    }

    #[test]
    fn words_mean_what_the_list_says() {
        assert!(whole(&json!("$hex16"), &json!("00112233445566778899aabbccddeeff")).is_ok());
        assert!(whole(&json!("$hex16"), &json!("00")).is_err());
        assert!(whole(&json!("$now"), &json!("1000000000001")).is_ok());
        assert!(whole(&json!("$now"), &json!("2000000000000")).is_err());
        assert!(whole(&json!("$has:grants"), &json!("see grants")).is_ok());
        assert!(whole(&json!("$text"), &json!("")).is_err());
        assert!(whole(&json!("$typo"), &json!("a")).unwrap_err().contains("no word of the list"));
        let finalizers = json!({ "$contains": "b" });
        assert!(whole(&finalizers, &json!(["a", "b"])).is_ok());
        assert!(whole(&finalizers, &json!(["a"])).is_err());
    }
}
