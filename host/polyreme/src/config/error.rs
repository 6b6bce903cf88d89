//! What is wrong with a configuration file, said so that it can be put right at once:
//! the place (`file:line:column`), what was expected there, and the remedy.
//!
//! The YAML reader stops at its first fault; the checks that follow it report all theirs
//! together, since a person would otherwise meet them one run at a time.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::Error as YamlError;

use super::{API_VERSION, KIND};

/// Names further than this from every known one get no suggestion (0 is unlike, 1 is same).
const SIMILAR_ENOUGH: f64 = 0.75;

/// How much of a faulty value a message repeats.
const MAX_QUOTED_BYTES: usize = 60;

/// A position in the configuration file, counted from 1.
///
/// # Example
///
/// ```
/// use polyreme::config::Place;
/// let place = Place::new("polyreme.yaml", 12, 3);
/// assert_eq!(place.to_string(), "polyreme.yaml:12:3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named on the command line.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl Place {
    /// The position `line`:`column` of `file`.
    pub fn new(file: impl AsRef<Path>, line: u64, column: u64) -> Self {
        Self { file: Arc::from(file.as_ref()), line, column }
    }

    /// The same place in `file`, as the YAML reader gives it.
    pub(super) fn of(file: &Arc<Path>, location: serde_saphyr::Location) -> Self {
        Self { file: Arc::clone(file), line: location.line(), column: location.column() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One fault of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where; the whole file when absent.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it; empty when the problem says so already.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// Why a configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("failed to read configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is larger than [`super::MAX_CONFIG_BYTES`].
    #[error("failed to read configuration {}: it is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The profile that was chosen is not in the file.
    #[error("failed to find profile \"{name}\" in {}; {}", path.display(), known_profiles(.known))]
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The file was read but says something that cannot be.
    #[error("{}", Lines(.0))]
    Invalid(Vec<Fault>),
}

fn known_profiles(known: &[String]) -> String {
    if known.is_empty() {
        return "it has none: add `profiles`, or start the host without --profile".to_owned();
    }
    format!("it has: {}", known.join(", "))
}

/// Faults one to a line, as compilers print them.
struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// Turns the YAML reader's error about `text` into a fault of `file`.
pub(super) fn yaml_fault(file: &Arc<Path>, text: &str, error: &YamlError) -> Fault {
    let error = error.without_snippet();
    let place = error.location().filter(|at| at.line() > 0).map(|at| Place::of(file, at));
    let found = place.as_ref().and_then(|place| found_at(text, place)).unwrap_or_default();
    let (problem, remedy) = describe(error, found);
    Fault { place, problem, remedy }
}

/// What stands at a place, up to the end of its line.
fn found_at<'a>(text: &'a str, place: &Place) -> Option<&'a str> {
    let line = text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    let (start, _) = line.char_indices().nth(column)?;
    let rest = line.get(start..)?.trim_end();
    rest.get(..rest.floor_char_boundary(MAX_QUOTED_BYTES))
}

/// The problem and the remedy of one YAML error; `found` is the text at its place.
fn describe(error: &YamlError, found: &str) -> (String, String) {
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown field \"{field}\""), suggestion(field, expected))
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value \"{variant}\""), suggestion(variant, expected))
        }
        YamlError::SerdeMissingField { field, .. } => {
            (format!("field \"{field}\" is missing"), format!("add \"{field}:\" here"))
        }
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            (format!("\"{key}\" is given twice"), "remove one of the two".to_owned())
        }
        YamlError::SerdeInvalidType { unexpected, expected, .. }
        | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("wrong type: found {unexpected}, expected {expected}"), String::new())
        }
        YamlError::Unexpected { expected: wanted, .. } | YamlError::InvalidScalar { ty: wanted, .. } => {
            (format!("wrong type: found `{found}`, expected {}", plain_type(wanted)), String::new())
        }
        YamlError::NullIntoString { .. } => {
            ("no value: expected text".to_owned(), "write a value or remove the field".to_owned())
        }
        YamlError::Eof { .. } => (
            "the file ends too early".to_owned(),
            format!("begin with \"apiVersion: {API_VERSION}\" and \"kind: {KIND}\""),
        ),
        YamlError::Message { msg, .. } => (msg.clone(), String::new()),
        YamlError::AliasError { error, .. } => describe(error, found),
        other => (plain_message(other), String::new()),
    }
}

/// The reader's name of a type in the words of somebody who writes a file.
fn plain_type(wanted: &str) -> &str {
    match wanted {
        "u16" | "u32" | "u64" => "a whole number, not negative and not too large",
        "sequence start" => "a list",
        "mapping start" => "a map (key: value)",
        "string scalar" | "scalar" => "a single value",
        other => other,
    }
}

/// The reader's own words without the position, which we print in front.
fn plain_message(error: &YamlError) -> String {
    let text = error.to_string();
    let cut = text.find(" at line ").or_else(|| text.find(" (line ")).unwrap_or(text.len());
    text.get(..cut).unwrap_or(&text).to_owned()
}

/// `did you mean "workers"? Known: …`, with the nearest of `known` when one is near.
pub(super) fn suggestion(wrong: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(wrong, known) {
        Some(name) => format!("did you mean \"{name}\"? Known here: {list}"),
        None => format!("known here: {list}"),
    }
}

/// The known name most like `wrong`, when it is like it at all.
fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let score = |name: &str| strsim::jaro_winkler(&wrong, &name.to_lowercase());
    known
        .iter()
        .map(|name| (score(name), *name))
        .filter(|(score, _)| *score >= SIMILAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_suggested() {
        assert_eq!(nearest("worker", &["workers", "module"]), Some("workers"));
        assert_eq!(nearest("apiversion", &["apiVersion", "kind"]), Some("apiVersion"));
        assert_eq!(nearest("zzz", &["workers", "module"]), None);
    }

    #[test]
    fn a_fault_prints_place_problem_and_remedy() {
        let fault = Fault {
            place: Some(Place::new("a.yaml", 2, 5)),
            problem: "unknown field \"x\"".into(),
            remedy: "known here: y".into(),
        };
        assert_eq!(fault.to_string(), "a.yaml:2:5: unknown field \"x\"; known here: y");
    }
}
