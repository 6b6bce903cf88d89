//! Keeps a ConfigMap for each `Page`.

use polyreme_sdk::conditions::{self, Verdict};
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, info};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PageSpec {
    title: String,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PageStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

polyreme_sdk::resource! {
    struct Page {
        api_version: "example.com/v1alpha1",
        plural: "pages",
        scope: Namespaced,
        spec: PageSpec,
        status: PageStatus,
    }
}

struct Pages;

impl Controller for Pages {
    type Primary = Page;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}").owns::<ConfigMap>()
    }

    fn reconcile(ctx: &Context, page: Page) -> Result<Action, Error> {
        let data = Some([("index.html".to_owned(), html(&page.spec))].into());
        ctx.apply(&ConfigMap { metadata: page.child(page.name()), data, ..Default::default() })?;

        let mut status = page.status.clone().unwrap_or_default();
        conditions::set(&mut status.conditions, &page, "Ready", Verdict::yes("Rendered", ""), ctx.now());
        if ctx.patch_status(&page, &status)? {
            info!(ctx, "rendered {}", page.spec.title);
        }
        Ok(Action::Done)
    }
}

fn html(spec: &PageSpec) -> String {
    format!("<h1>{}</h1>\n<p>{}</p>\n", escape(&spec.title), escape(&spec.text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

polyreme_sdk::controller!(Pages);

#[cfg(test)]
mod tests;
