//! The layout of the messages: `messages.txt`, which `hack/kube/messages` makes from the Go types.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Its name in JSON; absent when its own fields stand in its place there.
    pub(super) json: Option<&'static str>,
    /// A zero in it is part of the object.
    pub(super) keeps_zero: bool,
    pub(super) form: Form,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Form {
    Text,
    Integer,
    Boolean,
    Bytes,
    Double,
    Message(&'static str),
    List(Box<Form>),
    Map(Box<Form>),
}

#[derive(Debug, Default)]
struct Table {
    fields: HashMap<&'static str, Vec<Field>>,
    /// Messages by `version/kind`.
    kinds: HashMap<&'static str, &'static str>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for line in include_str!("messages.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name.strip_prefix('@') {
            Some(kind) => _ = table.kinds.insert(kind, rest),
            None => _ = table.fields.insert(name, rest.split_whitespace().filter_map(field).collect()),
        }
    }
    table
});

/// The fields of a message, in the order of their numbers; none of one that is not known.
pub(super) fn fields(message: &str) -> &'static [Field] {
    TABLE.fields.get(message).map_or(&[], Vec::as_slice)
}

/// The message of a kind. Options of a deletion go under every version.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static str> {
    if kind == "DeleteOptions" {
        return Some("meta.v1.DeleteOptions");
    }
    TABLE.kinds.get(format!("{api_version}/{kind}").as_str()).copied()
}

/// `3:template!:core.v1.PodTemplateSpec`
fn field(text: &'static str) -> Option<Field> {
    let mut parts = text.splitn(3, ':');
    let (number, name, form) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let pointed = form.strip_prefix('*');
    let bare = name.strip_suffix('!');
    Some(Field {
        number,
        json: Some(bare.unwrap_or(name)).filter(|name| *name != "^"),
        keeps_zero: pointed.is_some() || bare.is_some(),
        form: self::form(pointed.unwrap_or(form)),
    })
}

fn form(text: &'static str) -> Form {
    if let Some(item) = text.strip_prefix("[]") {
        return Form::List(Box::new(form(item)));
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Form::Map(Box::new(form(value)));
    }
    match text {
        "string" => Form::Text,
        "int" => Form::Integer,
        "bool" => Form::Boolean,
        "bytes" => Form::Bytes,
        "float64" => Form::Double,
        message => Form::Message(message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::special;
    use super::*;
    use crate::builtin;
    use crate::schema::{Additional, Schema};

    #[test]
    fn every_line_is_understood() {
        for line in include_str!("messages.txt").lines().filter(|line| !line.starts_with(['#', '@'])) {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            assert_eq!(fields(name).len(), rest.split_whitespace().count(), "{line}");
        }
    }

    #[test]
    fn every_message_that_is_named_is_there_or_has_a_form_of_its_own() {
        let is_known = |name: &str| TABLE.fields.contains_key(name) || is_special(name);
        for form in TABLE.fields.values().flatten().map(|field| innermost(&field.form)) {
            assert!(!matches!(form, Form::Message(name) if !is_known(name)), "{form:?}");
        }
    }

    #[test]
    fn every_built_in_kind_has_a_message_with_its_fields_to_the_last_depth() {
        let mut comparison = Comparison::default();
        for resource in builtin::resources() {
            let message = of_kind(&resource.api_version(), resource.kind);
            let message = message.unwrap_or_else(|| panic!("{} is not in messages.txt", resource.kind));
            comparison.message(message, &resource.schema());
        }
        assert!(comparison.lacking.is_empty(), "{:?}", comparison.lacking);
        assert!(comparison.seen.len() > 200, "{} messages were looked at", comparison.seen.len());
    }

    fn is_special(name: &str) -> bool {
        special::value(name, &[], 0).is_ok_and(|value| value.is_some())
    }

    fn innermost(form: &Form) -> &Form {
        match form {
            Form::List(inner) | Form::Map(inner) => innermost(inner),
            form => form,
        }
    }

    /// Of the messages with the schemas of the kinds.
    #[derive(Default)]
    struct Comparison {
        seen: BTreeSet<&'static str>,
        lacking: Vec<String>,
    }

    impl Comparison {
        fn message(&mut self, message: &'static str, schema: &Schema) {
            if is_special(message) || !self.seen.insert(message) {
                return;
            }
            for (name, property) in &schema.properties {
                match find(message, name) {
                    Some(field) => self.form(&field.form, property),
                    // They stand in the envelope.
                    None if ["apiVersion", "kind"].contains(&name.as_str()) => (),
                    None => self.lacking.push(format!("{message} has no {name}")),
                }
            }
        }

        fn form(&mut self, form: &'static Form, schema: &Schema) {
            match (form, &schema.items, &schema.additional) {
                (Form::Message(message), ..) => self.message(message, schema),
                (Form::List(item), Some(schema), _) => self.form(item, schema),
                (Form::Map(value), _, Additional::Of(schema)) => self.form(value, schema),
                _ => (),
            }
        }
    }

    /// A field by its name in JSON, inlined or not.
    fn find(message: &str, name: &str) -> Option<&'static Field> {
        fields(message).iter().find_map(|field| match (&field.form, field.json) {
            (_, Some(json)) => (json == name).then_some(field),
            (Form::Message(inlined), None) => find(inlined, name),
            _ => None,
        })
    }
}
