//! From what a module says of itself to what the host does for it: a pure function.

use polyreme_runtime::wit::reconciler::{Manifest, Mapping};
use polyreme_selector::LabelSelector;

use crate::api::checked_kind;
use crate::cache::CacheId;
use crate::field_path::FieldPath;
use crate::object::Kind;
use crate::route::Role;

/// Kinds that one module may watch: each costs a connection to the API server.
const MAX_WATCHES: usize = 64;
/// Indexes of one module: each is looked up in every object that arrives.
const MAX_INDEXES: usize = 64;
/// Longest version in bytes; it goes into the member Lease beside those of all other modules.
const MAX_VERSION_BYTES: usize = 128;

/// What is watched for one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The kind it reconciles.
    pub primary: Watch,
    /// Everything else, owned kinds first.
    pub others: Vec<Watch>,
    /// Fields of the primary kind to be indexed.
    pub indexes: Vec<FieldPath>,
}

/// One watch and what it is to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Kind and selector.
    pub cache: CacheId,
    /// The parsed selector.
    pub selector: LabelSelector,
    /// What its objects are to the controller.
    pub role: Role,
}

/// What is wrong with a manifest; each sentence names the field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to understand what `describe` of module {controller:?} says: {}", .faults.join("; "))]
pub struct ManifestError {
    /// The controller's name in the configuration.
    pub controller: String,
    /// What is wrong, by field.
    pub faults: Vec<String>,
}

impl Plan {
    /// Checks a manifest and derives what to watch.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn new(controller: &str, manifest: &Manifest) -> Result<Self, ManifestError> {
        let mut faults = name_faults(&manifest.name);
        let (version, indexed) = (manifest.version.len(), manifest.indexes.len());
        if version > MAX_VERSION_BYTES {
            faults.push(format!("version has {version} bytes, at most {MAX_VERSION_BYTES} are kept"));
        }
        if indexed > MAX_INDEXES {
            faults.push(format!("indexes names {indexed} fields, at most {MAX_INDEXES} are indexed"));
        }
        let mut collect = |result: Result<Watch, String>| result.map_err(|fault| faults.push(fault)).ok();
        let primary = collect(watch("primary", &manifest.primary, &manifest.label_selector, Role::Primary));
        let owned = manifest.owns.iter().map(|kind| watch("owns", kind, "", Role::Owned));
        let watched =
            manifest.watches.iter().map(|w| watch("watches", &w.kind, &w.label_selector, role(&w.mapping)?));
        let others: Vec<_> = owned.chain(watched).filter_map(&mut collect).collect();
        let indexes: Vec<_> = indexes(manifest, &mut faults);
        if others.len() >= MAX_WATCHES {
            faults.push(format!(
                "owns and watches name {} kinds, at most {MAX_WATCHES} are watched",
                others.len()
            ));
        }
        match primary {
            Some(primary) if faults.is_empty() => Ok(Self { primary, others, indexes }),
            _ => Err(ManifestError { controller: controller.to_owned(), faults }),
        }
    }

    /// Watches only objects that also match `selector`: the primaries and what they own. (What is mapped by
    /// a label or a field is shared by all hosts.)
    pub fn select(&mut self, selector: &str) {
        let owned = self.others.iter_mut().filter(|watch| watch.role == Role::Owned);
        for watch in owned.chain([&mut self.primary]) {
            let comma = if watch.cache.selector.is_empty() { "" } else { "," };
            let both = format!("{}{comma}{selector}", watch.cache.selector);
            watch.selector = LabelSelector::parse(&both).expect("both parts are valid selectors");
            watch.cache.selector = watch.selector.to_string();
        }
    }

    /// All watches.
    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        std::iter::once(&self.primary).chain(&self.others)
    }
}

fn watch(
    field: &str,
    kind: &polyreme_runtime::wit::types::Kind,
    selector: &str,
    role: Role,
) -> Result<Watch, String> {
    let kind: Kind =
        checked_kind(&kind.api_version, &kind.kind).map_err(|e| format!("{field}: {}", e.message))?;
    let selector =
        LabelSelector::parse(selector).map_err(|e| format!("{field} {}: label-selector: {e}", kind.kind))?;
    Ok(Watch { cache: CacheId { kind, selector: selector.to_string() }, selector, role })
}

fn role(mapping: &Mapping) -> Result<Role, String> {
    Ok(match mapping {
        Mapping::Owner => Role::Owned,
        Mapping::Label(label) => Role::Label(label.clone()),
        Mapping::Field(path) => {
            Role::Field(FieldPath::parse(path).map_err(|fault| format!("watches: {fault}"))?)
        }
    })
}

/// Declared indexes and those that mappings need.
fn indexes(manifest: &Manifest, faults: &mut Vec<String>) -> Vec<FieldPath> {
    let mapped = manifest.watches.iter().filter_map(|watch| match &watch.mapping {
        Mapping::Field(path) => FieldPath::parse(path).ok(),
        _ => None,
    });
    let mut paths: Vec<_> = mapped.collect();
    for text in &manifest.indexes {
        match FieldPath::parse(text) {
            Ok(path) => paths.push(path),
            Err(fault) => faults.push(format!("indexes: {fault}")),
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

fn name_faults(name: &str) -> Vec<String> {
    let inner = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    let ends = !name.starts_with('-') && !name.ends_with('-');
    if inner && ends && (1..=63).contains(&name.len()) {
        return Vec::new();
    }
    vec![format!("name {name:?} must be a DNS label: at most 63 lowercase letters, digits and '-'")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyreme_runtime::wit::reconciler::Watch as WitWatch;
    use polyreme_runtime::wit::types::Kind as WitKind;

    fn kind(api_version: &str, kind: &str) -> WitKind {
        WitKind { api_version: api_version.into(), kind: kind.into() }
    }

    fn manifest() -> Manifest {
        Manifest {
            name: "website".into(),
            version: "1".into(),
            primary: kind("h/v1", "Website"),
            label_selector: String::new(),
            owns: vec![kind("v1", "ConfigMap")],
            watches: vec![WitWatch {
                kind: kind("h/v1", "Theme"),
                mapping: Mapping::Field("spec.theme".into()),
                label_selector: " b = c , a ".into(),
            }],
            indexes: vec![".spec.theme".into(), "spec.size".into()],
            permissions: vec![],
            settings_schema: None,
        }
    }

    #[test]
    fn a_manifest_becomes_watches_and_indexes() {
        let plan = Plan::new("site", &manifest()).unwrap();
        let roles: Vec<_> =
            plan.watches().map(|w| (w.cache.kind.kind.to_string(), w.cache.selector.as_str())).collect();
        assert_eq!(roles, [("Website".into(), ""), ("ConfigMap".into(), ""), ("Theme".into(), "b=c,a")]);
        assert_eq!(
            plan.indexes.iter().map(FieldPath::as_str).collect::<Vec<_>>(),
            ["spec.size", "spec.theme"]
        );
    }

    #[test]
    fn what_grows_with_a_manifest_has_bounds() {
        let large = Manifest {
            version: "1".repeat(MAX_VERSION_BYTES + 1),
            indexes: (0..=MAX_INDEXES).map(|at| format!("spec.f{at}")).collect(),
            owns: (0..MAX_WATCHES).map(|at| kind("v1", &format!("Kind{at}"))).collect(),
            ..manifest()
        };
        let text = Plan::new("site", &large).unwrap_err().to_string();
        for part in ["version has 129 bytes", "indexes names 65 fields", "owns and watches name 65 kinds"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let broken = Manifest {
            name: "Web Site".into(),
            primary: kind("", "Website"),
            label_selector: "a in b".into(),
            owns: vec![kind("v1", "")],
            indexes: vec!["spec[0]".into()],
            ..manifest()
        };
        let error = Plan::new("site", &broken).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.faults.len(), 4, "{text}");
        for part in ["\"site\"", "Web Site", "primary", "owns", "indexes"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
