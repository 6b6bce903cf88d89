//! The operations of a resource: paths, parameters, bodies.

use serde_json::{Map, Value, json};

use super::super::definitions::REFERENCE;
use super::{GroupVersion, OpenApiResource};

/// Adds the paths of a resource and its subresources.
pub(super) fn add(
    paths: &mut Map<String, Value>,
    about: GroupVersion<'_>,
    resource: &OpenApiResource<'_>,
    component: &str,
) {
    let maker = Maker { about, resource, component };
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{}{scope}/{}", about.prefix(), resource.plural);
    let object = format!("{collection}/{{name}}");
    let mut put = |path: String, item: Value| {
        if item.as_object().is_some_and(|operations| operations.len() > 1) {
            paths.insert(path, item);
        }
    };
    put(
        collection,
        maker.item(false, &[("get", "list"), ("post", "create"), ("delete", "deletecollection")]),
    );
    let verbs = [("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete")];
    put(object.clone(), maker.item(true, &verbs));
    if resource.namespaced {
        put(format!("{}/{}", about.prefix(), resource.plural), maker.item(false, &[("get", "list")]));
    }
    for name in resource.subresources.iter().filter(|name| *name == "status") {
        put(
            format!("{object}/{name}"),
            maker.item(true, &[("get", "get"), ("put", "update"), ("patch", "patch")]),
        );
    }
}

struct Maker<'a> {
    about: GroupVersion<'a>,
    resource: &'a OpenApiResource<'a>,
    component: &'a str,
}

impl Maker<'_> {
    /// A path with those of its methods that the resource has.
    fn item(&self, named: bool, methods: &[(&str, &str)]) -> Value {
        let mut item = Map::new();
        let supported =
            methods.iter().filter(|(_, verb)| self.resource.verbs.iter().any(|known| known == verb));
        for (method, verb) in supported {
            item.insert((*method).to_owned(), self.operation(method, verb));
        }
        let mut parameters = Vec::new();
        if named {
            parameters.push(path_parameter("name", &format!("name of the {}", self.resource.kind)));
        }
        if self.resource.namespaced {
            parameters.push(path_parameter(
                "namespace",
                "object name and auth scope, such as for teams and projects",
            ));
        }
        item.insert("parameters".to_owned(), Value::from(parameters));
        Value::Object(item)
    }

    fn operation(&self, method: &str, verb: &str) -> Value {
        let mut operation = json!({
            "operationId": format!("{verb}{}{}", self.resource.kind, self.about.version),
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": self.answer(verb)}}}},
            "parameters": parameters(method),
            "x-kubernetes-action": action(verb),
            "x-kubernetes-group-version-kind": self.about.of_kind(self.resource.kind),
        });
        let body = match method {
            "post" | "put" => Some(json!({"content": {"*/*": {"schema": self.object()}}})),
            "patch" => Some(json!({"content": self.patches()})),
            _ => None,
        };
        if let (Some(map), Some(body)) = (operation.as_object_mut(), body) {
            map.insert("requestBody".to_owned(), body);
        }
        operation
    }

    fn object(&self) -> Value {
        json!({"$ref": format!("{REFERENCE}{}", self.component)})
    }

    fn answer(&self, verb: &str) -> Value {
        match verb {
            "list" => json!({"$ref": format!("{REFERENCE}{}List", self.component)}),
            "delete" | "deletecollection" => {
                json!({"$ref": format!("{REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.Status")})
            }
            _ => self.object(),
        }
    }

    /// Strategic merge patches are for built-in kinds only.
    fn patches(&self) -> Value {
        let mut types = vec![
            "application/apply-patch+yaml",
            "application/json-patch+json",
            "application/merge-patch+json",
        ];
        if self.resource.schema.definition.is_some() {
            types.push("application/strategic-merge-patch+json");
        }
        let patch = json!({"schema": {"type": "object", "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body."}});
        Value::Object(types.into_iter().map(|name| (name.to_owned(), patch.clone())).collect())
    }
}

fn action(verb: &str) -> &str {
    match verb {
        "create" => "post",
        "update" => "put",
        other => other,
    }
}

fn path_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": {"type": "string", "uniqueItems": true},
    })
}

fn query(name: &str, kind: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

fn parameters(method: &str) -> Vec<Value> {
    let texts = |names: &[&str]| names.iter().map(|name| query(name, "string")).collect::<Vec<_>>();
    match method {
        "post" | "put" => texts(&["pretty", "dryRun", "fieldManager", "fieldValidation"]),
        "patch" => {
            let mut all = texts(&["pretty", "dryRun", "fieldManager", "fieldValidation"]);
            all.push(query("force", "boolean"));
            all
        }
        "delete" => texts(&["pretty", "dryRun", "propagationPolicy"]),
        _ => texts(&["pretty", "labelSelector", "fieldSelector", "continue", "resourceVersion"]),
    }
}
