//! Where in a JSON text a fault is: `spec.replicas` instead of `line 1 column 312`.
//!
//! serde_json knows line and column only. Wrapping its deserializer to learn the path would
//! compile every type twice, a sixth of a module's size; walking the text up to the fault
//! costs nothing until there is one.

/// An object or array around the fault.
enum Frame {
    /// The key read last, and whether the next string is a key.
    Object(Option<String>, bool),
    /// The index of the current item.
    Array(usize),
}

/// The path of the field that `error` is about; `.` for the whole.
pub(crate) fn path(json: &str, error: &serde_json::Error) -> String {
    let mut frames = Vec::new();
    let mut closed = false;
    let mut rest = before(json, error);
    while let Some(letter) = rest.chars().next() {
        if closed {
            frames.pop();
        }
        closed = matches!(letter, '}' | ']');
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        if letter == '"' {
            rest = string(rest, frames.last_mut());
        } else {
            step(letter, &mut frames);
        }
    }
    display(&frames)
}

/// The text up to where the fault was noticed.
fn before<'a>(json: &'a str, error: &serde_json::Error) -> &'a str {
    let full_lines = json.split_inclusive('\n').take(error.line().saturating_sub(1));
    let end = full_lines.map(str::len).sum::<usize>() + error.column();
    json.get(..end).unwrap_or(json)
}

fn step(letter: char, frames: &mut Vec<Frame>) {
    match (letter, frames.last_mut()) {
        ('{', _) => frames.push(Frame::Object(None, true)),
        ('[', _) => frames.push(Frame::Array(0)),
        (',', Some(Frame::Array(index))) => *index += 1,
        (',', Some(Frame::Object(_, awaits_key))) => *awaits_key = true,
        // A fault noticed at the end of an object is about the object.
        ('}', Some(Frame::Object(key, _))) => *key = None,
        _ => {}
    }
}

/// Passes a string, which may be a key, and returns what follows it.
fn string<'a>(rest: &'a str, frame: Option<&mut Frame>) -> &'a str {
    let mut escaped = false;
    let end = rest.find(|letter| {
        let is_end = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        is_end
    });
    let end = end.unwrap_or(rest.len());
    if let Some(Frame::Object(key, awaits_key @ true)) = frame {
        *key = rest.get(..end).map(str::to_owned);
        *awaits_key = false;
    }
    rest.get(end + 1..).unwrap_or_default()
}

fn display(frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::Object(Some(key), _) if path.is_empty() => path.push_str(key),
            Frame::Object(Some(key), _) => path.extend([".", key]),
            Frame::Object(None, _) => {}
            Frame::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.is_empty() { ".".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        #[allow(dead_code, reason = "only its type matters")]
        replicas: i32,
        #[serde(default)]
        #[allow(dead_code, reason = "only its type matters")]
        hosts: Vec<String>,
        #[serde(default)]
        #[allow(dead_code, reason = "only its type matters")]
        inner: Option<Box<Spec>>,
    }

    #[track_caller]
    fn place(json: &str) -> String {
        path(json, &serde_json::from_str::<Spec>(json).unwrap_err())
    }

    #[test]
    fn a_value_of_another_type_is_found() {
        assert_eq!(place(r#"{"hosts":["a"],"replicas":"three"}"#), "replicas");
        assert_eq!(place(r#"{"replicas":1,"hosts":["a,b","\"]}",3],"inner":null}"#), "hosts[2]");
        assert_eq!(place(r#"{"replicas":1,"hosts":{}}"#), "hosts");
    }

    #[test]
    fn a_deep_value_is_found_on_its_line() {
        assert_eq!(
            place("{\n  \"replicas\": 1,\n  \"inner\": {\n    \"replicas\": true\n  }\n}"),
            "inner.replicas"
        );
    }

    #[test]
    fn a_missing_field_is_reported_at_its_object() {
        assert_eq!(place(r#"{"replicas":1,"inner":{"hosts":[]}}"#), "inner");
        assert_eq!(place("{}"), ".");
    }

    #[test]
    fn an_unknown_field_is_named() {
        assert_eq!(place(r#"{"replicas":1,"inner":{"replicaz":1}}"#), "inner.replicaz");
    }

    #[test]
    fn a_text_that_is_no_json_has_no_place() {
        assert_eq!(place(""), ".");
        assert_eq!(place("nonsense"), ".");
    }
}
