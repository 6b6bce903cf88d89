//! `metadata.name=a,status.phase!=Running`: equality terms, all of which must hold.

use std::fmt;

use crate::SelectorError;

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// Path of the field, as the client wrote it: `metadata.name`.
    pub path: String,
    /// Whether the field must equal the value, or must not.
    pub equal: bool,
    /// The value, unescaped.
    pub value: String,
}

/// See the module's story. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Parses a query string. `\`, `,` and `=` in values are escaped with a backslash.
    ///
    /// # Errors
    /// When a term has no operator or an escape is malformed.
    ///
    /// # Example
    /// ```
    /// let selector = polyreme_selector::FieldSelector::parse("metadata.name=a,status.phase!=Done")?;
    /// assert!(selector.matches(|path| if path == "metadata.name" { "a" } else { "Pending" }.to_owned()));
    /// # Ok::<(), polyreme_selector::SelectorError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let terms = split_unescaped(text).into_iter().filter(|term| !term.is_empty());
        let terms = terms.map(|term| parse_term(text, term)).collect::<Result<_, _>>()?;
        Ok(Self { terms })
    }

    /// The terms, in order.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether all terms hold. `field` gives the value at a path, empty when absent.
    pub fn matches(&self, field: impl Fn(&str) -> String) -> bool {
        self.terms.iter().all(|term| (field(&term.path) == term.value) == term.equal)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}{}", term.path, escape(&term.value))?;
        }
        Ok(())
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(text.get(start..i).unwrap_or_default());
            start = i + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn parse_term(selector: &str, term: &str) -> Result<FieldTerm, SelectorError> {
    let operators = [("!=", false), ("==", true), ("=", true)];
    let found = operators.iter().filter_map(|(op, equal)| Some((term.find(op)?, *op, *equal)));
    let first = found.min_by_key(|(at, op, _)| (*at, std::cmp::Reverse(op.len())));
    let Some((at, operator, equal)) = first else {
        return Err(SelectorError::new(selector, format!("{term:?} has no =, == or !=")));
    };
    let (path, rest) = term.split_at(at);
    let value = rest.strip_prefix(operator).unwrap_or_default();
    Ok(FieldTerm { path: path.to_owned(), equal, value: unescape(selector, value)? })
}

fn unescape(selector: &str, value: &str) -> Result<String, SelectorError> {
    let (mut out, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                _ => return Err(SelectorError::new(selector, "a backslash escapes only \\ , and =")),
            },
            ',' | '=' => return Err(SelectorError::new(selector, format!("unescaped {c:?} in a value"))),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_parsed_in_order() {
        let selector = FieldSelector::parse("metadata.name=a,b==c,d!=e,f=").unwrap();
        let terms: Vec<_> = selector.terms().iter().map(|t| (&*t.path, t.equal, &*t.value)).collect();
        assert_eq!(
            terms,
            [("metadata.name", true, "a"), ("b", true, "c"), ("d", false, "e"), ("f", true, "")]
        );
    }

    #[test]
    fn escapes_survive_a_round_trip() {
        let selector = FieldSelector::parse(r"a=x\,y\=z\\").unwrap();
        assert_eq!(selector.terms()[0].value, r"x,y=z\");
        assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for text in ["metadata.name", "a=b,c", r"a=\x", "a=b=c"] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_selects_everything() {
        assert!(FieldSelector::parse("").unwrap().matches(|_| String::new()));
    }
}
