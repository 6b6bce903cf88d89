//! `app=web,tier in (a, b),!legacy`: label requirements, all of which must hold.

use std::fmt;

use crate::SelectorError;

/// One requirement on one label key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is one of the values (`=`, `==`, `in`).
    In(String, Vec<String>),
    /// The label is absent or none of the values (`!=`, `notin`).
    NotIn(String, Vec<String>),
    /// The label is there.
    Exists(String),
    /// The label is not there.
    Absent(String),
    /// The label is an integer greater than this.
    Greater(String, i64),
    /// The label is an integer less than this.
    Less(String, i64),
}

impl Requirement {
    /// Whether the labels, looked up by key, meet it.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let integer = |key: &str| label(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => label(key).is_some_and(|value| values.iter().any(|v| v == value)),
            Self::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|v| v != value)),
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::Greater(key, bound) => integer(key).is_some_and(|value| value > *bound),
            Self::Less(key, bound) => integer(key).is_some_and(|value| value < *bound),
        }
    }
}

/// See the module's story. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Parses a query string; an empty one selects everything.
    ///
    /// # Errors
    /// On anything outside the grammar, and on keys and values that no label can have.
    ///
    /// # Example
    /// ```
    /// let selector = polyreme_selector::LabelSelector::parse("app=web,tier notin (cache),!legacy")?;
    /// assert!(selector.matches(|key| (key == "app").then_some("web")));
    /// # Ok::<(), polyreme_selector::SelectorError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, rest: text.trim() };
        let mut requirements = Vec::new();
        while !parser.rest.is_empty() {
            requirements.push(parser.requirement()?);
            if !parser.take(",") && !parser.rest.is_empty() {
                return Err(parser.error("',' or the end"));
            }
        }
        if text.trim_end().ends_with(',') {
            return Err(parser.error("a requirement after ','"));
        }
        Ok(Self { requirements })
    }

    /// The requirements, in order.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels, looked up by key, meet all requirements.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(&label))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            match requirement {
                Requirement::In(key, values) => write_set(f, key, ("=", "in"), values)?,
                Requirement::NotIn(key, values) => write_set(f, key, ("!=", "notin"), values)?,
                Requirement::Exists(key) => f.write_str(key)?,
                Requirement::Absent(key) => write!(f, "!{key}")?,
                Requirement::Greater(key, bound) => write!(f, "{key}>{bound}")?,
                Requirement::Less(key, bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

fn write_set(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    operators: (&str, &str),
    values: &[String],
) -> fmt::Result {
    match values {
        [value] => write!(f, "{key}{}{value}", operators.0),
        values => write!(f, "{key} {} ({})", operators.1, values.join(",")),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &str) -> SelectorError {
        SelectorError::new(self.text, format!("found {:?}, expected {expected}", self.rest))
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn word(&mut self) -> &'a str {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || ",()=!<>".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        let before = self.rest;
        let key = self.word();
        if is_label_key(key) {
            return Ok(key.to_owned());
        }
        self.rest = before;
        Err(self.error("a label key"))
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if self.take("!") {
            return Ok(Requirement::Absent(self.key()?));
        }
        let key = self.key()?;
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(Requirement::Exists(key));
        }
        if self.take("!=") {
            return Ok(Requirement::NotIn(key, vec![self.value()?]));
        }
        if self.take("==") || self.take("=") {
            return Ok(Requirement::In(key, vec![self.value()?]));
        }
        if self.take(">") {
            return Ok(Requirement::Greater(key, self.integer()?));
        }
        if self.take("<") {
            return Ok(Requirement::Less(key, self.integer()?));
        }
        self.set(key)
    }

    fn set(&mut self, key: String) -> Result<Requirement, SelectorError> {
        let before = self.rest;
        match self.word() {
            "in" => Ok(Requirement::In(key, self.values()?)),
            "notin" => Ok(Requirement::NotIn(key, self.values()?)),
            _ => {
                self.rest = before;
                Err(self.error("one of =, ==, !=, in, notin, >, <"))
            }
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        if !self.take("(") {
            return Err(self.error("'('"));
        }
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if self.take(")") { Ok(values) } else { Err(self.error("',' or ')'")) }
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let before = self.rest;
        let value = self.word();
        if value.is_empty() || is_label_name(value) {
            return Ok(value.to_owned());
        }
        self.rest = before;
        Err(self.error("a label value of at most 63 letters, digits, '-', '_' or '.'"))
    }

    fn integer(&mut self) -> Result<i64, SelectorError> {
        let before = self.rest;
        self.word().parse().map_err(|_| {
            self.rest = before;
            self.error("an integer")
        })
    }
}

/// `name` or `dns.prefix/name`.
fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
    }
}

fn is_dns_subdomain(text: &str) -> bool {
    let label = |part: &str| {
        let inner = part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        inner && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_label_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    text.len() <= 63 && inner && ends(text.chars().next()) && ends(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &'static str)]) -> bool {
        let selector = LabelSelector::parse(selector).unwrap();
        selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| *value))
    }

    #[test]
    fn every_operator_matches_as_kubernetes_does() {
        let labels = [("app", "web"), ("n", "7"), ("example.com/tier", "")];
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "missing!=x",
            "app in (db,web)",
            "app notin (db, cache)",
            "missing notin (a)",
            "app",
            "!missing",
            "n>6",
            "n<8",
            "example.com/tier=",
            " app = web , n ",
            "app in (web),!missing",
        ] {
            assert!(selects(yes, &labels), "{yes}");
        }
        for no in
            ["app=db", "app!=web", "app in (db)", "app notin (web)", "missing", "!app", "n>7", "n<7", "app>1"]
        {
            assert!(!selects(no, &labels), "{no}");
        }
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for text in [
            ",",
            "app,",
            "app=web,,n",
            "=web",
            "app in web",
            "app in (web",
            "app web",
            "a b=c",
            "app=web!",
            "-app",
            "app=-x",
            "app/=x",
            "UPPER.com/app",
            "app>x",
            "app=a b",
            "app in ()x",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_printed_form_parses_to_the_same() {
        for text in ["app=web,tier in (a,b),n>3,m<4,x!=y,z notin (p,q),e,!f", ""] {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }

    #[test]
    fn an_error_names_the_selector_and_the_place() {
        let error = LabelSelector::parse("app=web,tier of (a)").unwrap_err().to_string();
        assert!(error.contains("app=web,tier of (a)") && error.contains("of (a)"), "{error}");
    }
}
