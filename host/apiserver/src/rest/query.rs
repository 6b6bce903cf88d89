//! Query parameters, parsed once.
//!
//! Numbers that do not parse are refused with 400 as the real server does; unknown
//! parameters (`pretty`, `shardSelector`, …) are ignored as an old server ignores them.

use serde_json::Value;

use super::path::percent_decode;
use crate::error::ApiError;
use crate::schema::Cause;

/// The raw pairs of a query string.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// What to do about fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// `DeleteOptions.propagationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

impl Propagation {
    /// Parses the API's word for it.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Query(pairs.collect())
    }

    /// The first value of a parameter that is not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(k, _)| k == key);
        found.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// `1`, `true` and the bare parameter are true, as in Go clients.
    pub(crate) fn flag(&self, key: &str) -> bool {
        let found = self.0.iter().find(|(k, _)| k == key);
        found.is_some_and(|(_, v)| !matches!(v.as_str(), "false" | "0" | "False" | "FALSE"))
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
            })
        };
        self.get(key).map(parse).transpose()
    }

    /// `dryRun=All`; any other value is refused, in the name of the verb's `options`.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        match self.all("dryRun").find(|v| *v != "All") {
            None => Ok(self.all("dryRun").next().is_some()),
            Some(other) => {
                let allowed = ["All".to_owned()];
                let cause = Cause::not_supported("dryRun", &Value::from(vec![other]), &allowed);
                Err(ApiError::invalid_options(options, &[cause]))
            }
        }
    }

    /// `fieldValidation`, refused in the name of the verb's `options`.
    pub(crate) fn field_validation(&self, options: &str) -> Result<FieldValidation, ApiError> {
        match self.get("fieldValidation") {
            None => Ok(FieldValidation::default()),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Warn") => Ok(FieldValidation::Warn),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => {
                let allowed = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
                let cause = Cause::not_supported("fieldValidation", &Value::from(other), &allowed);
                Err(ApiError::invalid_options(options, &[cause]))
            }
        }
    }
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    // A value may contain an escaped slash, which a path segment may not.
    let parts = spaced.split("%2F").flat_map(|p| p.split("%2f"));
    let decoded: Option<Vec<String>> = parts
        .map(|part| part.split('/').map(percent_decode).collect::<Option<Vec<_>>>())
        .map(|part| part.map(|p| p.join("/")))
        .collect();
    decoded.map_or(spaced, |parts| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Ca%2Fb+in+%28x%29&watch&limit=5");
        assert_eq!(query.get("labelSelector"), Some("a=b,a/b in (x)"));
        assert!(query.flag("watch"));
        assert!(!query.flag("other"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
    }

    #[test]
    fn wrong_values_are_refused() {
        assert!(Query::parse("limit=x").number("limit").is_err());
        assert!(Query::parse("dryRun=Some").dry_run("CreateOptions").is_err());
        assert!(Query::parse("fieldValidation=Maybe").field_validation("CreateOptions").is_err());
        assert_eq!(Query::parse("dryRun=All").dry_run("CreateOptions"), Ok(true));
    }
}
