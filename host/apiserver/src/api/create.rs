//! Create: POST, and the creating half of PUT and apply.

use std::sync::Arc;

use serde_json::Value;

use super::intake::Source;
use super::{Api, Part, WRITE_ATTEMPTS, WriteOptions, Written, admission, meta, namespace_key, to_stored};
use crate::error::ApiError;
use crate::fields;
use crate::json;
use crate::kinds::Resource;
use crate::schema::Cause;
use crate::store::{Key, Lost, Object};

impl Api {
    /// Creates an object from a request body.
    pub(crate) fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        mut body: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let warnings = Self::intake(resource, &mut body, options.validation, Source::Body)?;
        meta::place(resource, &mut body, namespace)?;
        if !json::meta(&body, "resourceVersion").unwrap_or_default().is_empty() {
            return Err(ApiError::unforeseen("resourceVersion should not be set on objects to be created"));
        }
        for _ in 0..WRITE_ATTEMPTS {
            let mut object = body.clone();
            let generated = name_it(resource, &mut object)?;
            match self.insert(resource, object, options, None) {
                Err(error) if generated && error.reason == "AlreadyExists" => {}
                Err(error) => return Err(error),
                Ok(object) => return Ok(Written::new(resource, object, warnings)),
            }
        }
        Err(ApiError::already_exists(resource.subject(), json::name(&body)))
    }

    /// The common end of every creation. `applied` holds the managed fields that
    /// server-side apply has already worked out.
    pub(super) fn insert(
        &self,
        resource: &Resource,
        mut object: Value,
        options: &WriteOptions,
        applied: Option<Value>,
    ) -> Result<Arc<Object>, ApiError> {
        meta::begin(resource, &mut object);
        resource.prepare_create(&mut object);
        admission::on_create(resource, &mut object);
        resource.default(&mut object);
        match applied {
            Some(managed) => json::set_meta(&mut object, "managedFields", Some(managed)),
            None => {
                let tracking = options.tracking(resource, Part::Main);
                object = fields::update(&resource.schema, None, object, &tracking);
            }
        }
        self.refuse_invalid(resource, &object, None, Vec::new())?;
        admission::allocate(self, resource, None, &mut object)?;
        self.store_new(resource, object, options)
    }

    fn store_new(
        &self,
        resource: &Resource,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Object>, ApiError> {
        let (name, namespace) = (json::name(&object).to_owned(), json::namespace(&object).to_owned());
        let key = Key::new(&resource.storage, &namespace, &name);
        let exists = || ApiError::already_exists(resource.subject(), &name);
        let stored = to_stored(resource, object);
        if options.dry_run {
            self.admit_now(resource, &namespace, &name)?;
            return match self.store.get(&key) {
                Some(_) => Err(exists()),
                None => Ok(Arc::new(Object::new(stored, 0))),
            };
        }
        let admitted = self.store.put(&key, None, stored, |view| {
            if namespace.is_empty() {
                return Ok(());
            }
            let found = view.get(&namespace_key(&namespace));
            Self::admit_to_namespace(resource, &namespace, &name, found.map(|o| &**o))
        });
        admitted.map_err(|lost| match lost {
            Lost::Changed => exists(),
            Lost::Refused(error) => error,
        })
    }

    fn admit_now(&self, resource: &Resource, namespace: &str, name: &str) -> Result<(), ApiError> {
        if namespace.is_empty() {
            return Ok(());
        }
        let found = self.store.get(&namespace_key(namespace));
        Self::admit_to_namespace(resource, namespace, name, found.as_deref())
    }

    /// Turns causes, those given and those that the kind's own rules find, into a 422; answers
    /// warnings.
    pub(super) fn refuse_invalid(
        &self,
        resource: &Resource,
        object: &Value,
        old: Option<&Value>,
        mut causes: Vec<Cause>,
    ) -> Result<Vec<String>, ApiError> {
        let found = resource.validate(object, old);
        causes.extend(found.causes);
        if causes.is_empty() {
            return Ok(found.warnings);
        }
        Err(ApiError::invalid(resource.subject(), json::name(object), &causes))
    }
}

/// Makes up a name when only a prefix was given; answers whether it did.
fn name_it(resource: &Resource, object: &mut Value) -> Result<bool, ApiError> {
    if !json::name(object).is_empty() {
        return Ok(false);
    }
    let prefix = json::meta(object, "generateName").unwrap_or_default();
    if prefix.is_empty() {
        let cause = Cause::required("metadata.name", "name or generateName is required");
        return Err(ApiError::invalid(resource.subject(), "", &[cause]));
    }
    let name = meta::generated_name(prefix);
    json::set_meta(object, "name", Some(name.into()));
    Ok(true)
}
