//! The JSONPath of printer columns and scale paths: members, positions, wildcards and
//! filters on one member (`.status.conditions[?(@.type=="Ready")].status`).
//!
//! The subset that `k8s.io/client-go/util/jsonpath` has and CRDs use. A dot inside a name is
//! written `\.` or the name is quoted in brackets. A path that finds nothing is not an error.

use serde_json::Value;

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse JSON path {path:?}: {problem}")]
pub struct PathError {
    path: String,
    problem: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Position(i64),
    Every,
    /// Recursive descent.
    Anywhere,
    Filter {
        path: JsonPath,
        operator: Operator,
        value: Value,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

/// A parsed path.
///
/// # Example
/// ```
/// use polyreme_apiserver::table::JsonPath;
/// use serde_json::json;
/// let path = JsonPath::parse(r#".status.conditions[?(@.type=="Ready")].status"#)?;
/// let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
/// assert_eq!(path.first(&object), Some(json!("True")));
/// # Ok::<(), polyreme_apiserver::table::PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    /// Parses a path, with or without surrounding braces.
    ///
    /// # Errors
    /// When a bracket or quote is not closed, or a filter is not of the form
    /// `?(@.member OP value)`.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let bare = path.trim().trim_start_matches('{').trim_end_matches('}');
        let bare = bare.strip_prefix('$').unwrap_or(bare);
        let mut steps = Vec::new();
        let mut rest = bare;
        while !rest.is_empty() {
            let (found, after) = step(rest)
                .map_err(|problem| PathError { path: path.to_owned(), problem: problem.to_owned() })?;
            steps.extend(found);
            rest = after;
        }
        Ok(Self { steps })
    }

    /// Everything the path finds, in order.
    #[must_use]
    pub fn all<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.steps.iter().fold(vec![value], |found, step| {
            found.into_iter().flat_map(|value| follow(step, value)).collect()
        })
    }

    /// The first thing the path finds.
    #[must_use]
    pub fn first(&self, value: &Value) -> Option<Value> {
        self.all(value).first().map(|found| (*found).clone())
    }
}

type Parsed<'a> = Result<(Option<Step>, &'a str), &'static str>;

fn step(text: &str) -> Parsed<'_> {
    if let Some(rest) = text.strip_prefix("..") {
        return Ok((Some(Step::Anywhere), rest));
    }
    if let Some(rest) = text.strip_prefix('[') {
        return bracket(rest);
    }
    let rest = text.strip_prefix('.').unwrap_or(text);
    if rest.is_empty() || rest.starts_with('[') {
        return Ok((None, rest));
    }
    let (name, rest) = member(rest);
    let step = if name == "*" { Step::Every } else { Step::Member(name) };
    Ok((Some(step), rest))
}

/// A name up to the next dot or bracket; a backslash keeps the character after it.
fn member(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '.' | '[' if !escaped => return (name, text.get(at..).unwrap_or_default()),
            _ => {
                name.push(c);
                escaped = false;
            }
        }
    }
    (name, "")
}

fn bracket(text: &str) -> Parsed<'_> {
    let end = closing(text).ok_or("unterminated array")?;
    let inner = text.get(..end).unwrap_or_default().trim();
    let rest = text.get(end + 1..).unwrap_or_default();
    let step = if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        self::filter(filter)?
    } else if inner == "*" {
        Step::Every
    } else if let Some(name) = unquoted(inner) {
        Step::Member(name)
    } else {
        Step::Position(inner.parse().map_err(|_| "invalid array index")?)
    };
    Ok((Some(step), rest))
}

/// Where the bracket closes, past quoted text.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ']') => return Some(at),
            _ => {}
        }
    }
    None
}

fn unquoted(text: &str) -> Option<String> {
    for quote in ['"', '\''] {
        let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
        if let Some(inner) = inner {
            return Some(inner.to_owned());
        }
    }
    None
}

fn filter(text: &str) -> Result<Step, &'static str> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let parse = |left: &str| {
        let path = left.trim().strip_prefix('@').ok_or("a filter must begin with @")?;
        JsonPath::parse(path).map_err(|_| "invalid path in filter")
    };
    for (symbol, operator) in OPERATORS {
        if let Some((left, right)) = text.split_once(symbol) {
            let right = right.trim();
            let value = match unquoted(right) {
                Some(text) => Value::from(text),
                None => serde_json::from_str(right).map_err(|_| "invalid value in filter")?,
            };
            return Ok(Step::Filter { path: parse(left)?, operator, value });
        }
    }
    Ok(Step::Filter { path: parse(text)?, operator: Operator::Exists, value: Value::Null })
}

fn follow<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Member(name), Value::Object(map)) => map.get(name).into_iter().collect(),
        (Step::Position(at), Value::Array(list)) => position(list, *at).into_iter().collect(),
        (Step::Every, Value::Array(list)) => list.iter().collect(),
        (Step::Every, Value::Object(map)) => map.values().collect(),
        (Step::Anywhere, value) => descendants(value),
        (Step::Filter { path, operator, value: wanted }, Value::Array(list)) => {
            list.iter().filter(|entry| holds(path.all(entry).first().copied(), *operator, wanted)).collect()
        }
        _ => Vec::new(),
    }
}

/// Negative positions count from the end.
fn position(list: &[Value], at: i64) -> Option<&Value> {
    let from_end = usize::try_from(-at).ok().and_then(|back| list.len().checked_sub(back));
    let at = if at < 0 { from_end? } else { usize::try_from(at).ok()? };
    list.get(at)
}

fn descendants(value: &Value) -> Vec<&Value> {
    let mut all = vec![value];
    match value {
        Value::Array(list) => all.extend(list.iter().flat_map(descendants)),
        Value::Object(map) => all.extend(map.values().flat_map(descendants)),
        _ => {}
    }
    all
}

fn holds(found: Option<&Value>, operator: Operator, wanted: &Value) -> bool {
    let Some(found) = found else {
        return false;
    };
    let order = match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => found.partial_cmp(&wanted),
        _ => found.as_str().zip(wanted.as_str()).map(|(found, wanted)| found.cmp(wanted)),
    };
    match operator {
        Operator::Exists => true,
        Operator::Equal => found == wanted,
        Operator::NotEqual => found != wanted,
        Operator::Less => order.is_some_and(|order| order.is_lt()),
        Operator::Greater => order.is_some_and(|order| order.is_gt()),
        Operator::AtMost => order.is_some_and(|order| order.is_le()),
        Operator::AtLeast => order.is_some_and(|order| order.is_ge()),
    }
}
