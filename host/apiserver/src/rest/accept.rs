//! Which form of an answer a client wants: objects, tables, metadata only, aggregated
//! discovery; JSON or YAML.
//!
//! Only JSON and YAML are written. A client that lists protobuf first and JSON after gets
//! JSON, as kubectl and Go clients accept it; one that takes nothing but protobuf gets 406.

use crate::error::ApiError;

/// The transformation asked for with `as=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    #[default]
    Object,
    Table,
    /// `PartialObjectMetadata`, or its list.
    Metadata,
    /// `APIGroupDiscoveryList` (v2).
    Discovery,
}

/// The encoding of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Json,
    Yaml,
}

/// What the `Accept` header settled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Accept {
    pub(crate) form: Form,
    pub(crate) encoding: Encoding,
}

const OFFERED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

impl Accept {
    /// Takes the first alternative that can be served. An absent header accepts anything.
    pub(crate) fn parse(header: Option<&str>) -> Result<Self, ApiError> {
        let Some(header) = header.filter(|h| !h.trim().is_empty()) else {
            return Ok(Self::default());
        };
        let found = header.split(',').find_map(alternative);
        found.ok_or_else(|| ApiError::not_acceptable(&OFFERED))
    }
}

fn alternative(text: &str) -> Option<Accept> {
    let mut parts = text.split(';').map(str::trim);
    let encoding = match parts.next()? {
        "application/json" | "application/*" | "*/*" => Encoding::Json,
        "application/yaml" => Encoding::Yaml,
        _ => return None,
    };
    let (mut kind, mut group, mut version) = ("", "", "");
    for (key, value) in parts.filter_map(|p| p.split_once('=')) {
        match key {
            "as" => kind = value,
            "g" => group = value,
            "v" => version = value,
            _ => {}
        }
    }
    form(kind, group, version).map(|form| Accept { form, encoding })
}

fn form(kind: &str, group: &str, version: &str) -> Option<Form> {
    match (kind, group, version) {
        ("", _, _) => Some(Form::Object),
        ("Table", "meta.k8s.io", "v1") => Some(Form::Table),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Some(Form::Metadata),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Form::Discovery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form_of(header: &str) -> Form {
        Accept::parse(Some(header)).unwrap().form
    }

    #[test]
    fn kubectl_gets_a_table() {
        let header = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(form_of(header), Form::Table);
    }

    #[test]
    fn a_client_that_prefers_protobuf_gets_json() {
        assert_eq!(form_of("application/vnd.kubernetes.protobuf,application/json"), Form::Object);
        let only = Accept::parse(Some("application/vnd.kubernetes.protobuf"));
        assert_eq!(only.unwrap_err().code, 406);
    }

    #[test]
    fn discovery_falls_back_by_version() {
        let header =
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(form_of(header), Form::Object);
        let header = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        assert_eq!(form_of(header), Form::Discovery);
    }
}
