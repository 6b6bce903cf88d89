//! The webhosting example as tests see it: sites, themes, and the four children of a site.
//!
//! Everything goes through the API as a user's would. Objects are plain JSON: the types of
//! the controllers under test are not used to judge them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::apply::{apply_files, apply_objects};
use crate::environment::{built_guest, guests_dir, missing_tools, repository};
use crate::eventually::eventually;
use crate::host::Host;
use crate::server::{Kind, Server};

const GROUP_VERSION: &str = "webhosting.polyreme.dev/v1alpha1";
const SITE_LIMIT: Duration = Duration::from_secs(60);
/// Collection of five hundred sites with all they own.
const LEFTOVERS_LIMIT: Duration = Duration::from_secs(900);
/// Collection of the first owner of a new CRD waits for a discovery resync (about 35 s).
const COLLECTED_LIMIT: Duration = Duration::from_secs(120);

/// The kinds that a site becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Content and configuration.
    ConfigMap,
    /// Its Service.
    Service,
    /// Its Ingress.
    Ingress,
    /// Its Deployment.
    Deployment,
}

impl Child {
    /// All four.
    pub const ALL: [Self; 4] = [Self::ConfigMap, Self::Service, Self::Ingress, Self::Deployment];

    fn resource(self) -> ApiResource {
        let (group, kind) = match self {
            Self::ConfigMap => ("", "ConfigMap"),
            Self::Service => ("", "Service"),
            Self::Ingress => ("networking.k8s.io", "Ingress"),
            Self::Deployment => ("apps", "Deployment"),
        };
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        if self == Self::Ingress {
            resource.plural = "ingresses".to_owned();
        }
        resource
    }
}

/// The webhosting controller in one of the languages that it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// `examples/webhosting/rust`
    Rust,
    /// `examples/webhosting/go`
    Go,
}

impl Controller {
    /// The guest that `cargo xtask guests` makes of it.
    #[must_use]
    pub fn guest(self) -> &'static str {
        match self {
            Self::Rust => "webhosting",
            Self::Go => "webhosting-go",
        }
    }

    /// What to do for it to be there; nothing when it is. In Rust it always is: without it, its scenarios
    /// fail.
    #[must_use]
    pub fn not_built(self) -> Option<String> {
        let guest = guests_dir().join(format!("{}.wasm", self.guest()));
        if self == Self::Rust || guest.is_file() {
            return None;
        }
        let remedy = missing_tools(self.guest());
        Some(remedy.unwrap_or_else(|| "run `cargo xtask guests`, with Go installed".to_owned()))
    }
}

/// Webhosting in one namespace of a server.
#[derive(Clone)]
pub struct Webhosting {
    client: Client,
    namespace: String,
    kind: Kind,
}

impl Webhosting {
    /// Installs the CRDs, removes sites and themes of earlier tests, makes a namespace, and
    /// on a real server lets hosts do what a host of webhosting must.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn prepare(server: &Server) -> Result<Self> {
        let client = server.client().await?;
        install_definitions(&client).await?;
        if server.kind() == Kind::Real {
            allow_hosts(&client).await?;
        }
        let namespace = server.namespace("sites").await?.name().to_owned();
        let sites = Self { client, namespace, kind: server.kind() };
        sites.remove_leftovers().await?;
        sites.mark_as_project().await?;
        Ok(sites)
    }

    /// Webhosting in a namespace that is there already, on a local server.
    #[must_use]
    pub fn of(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), kind: Kind::Local }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `examples/webhosting/polyreme.yaml` with the guests built by xtask.
    ///
    /// # Errors
    /// When the example or a guest cannot be found.
    pub fn host_configuration(&self) -> Result<Value> {
        host_configuration(self.kind)
    }

    /// The same with the controller in a language of choice.
    ///
    /// # Errors
    /// When the example or a guest cannot be found.
    pub fn configuration_of(&self, controller: Controller) -> Result<Value> {
        with_controller(self.host_configuration()?, controller.guest())
    }

    /// Makes a Theme.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn create_theme(&self, name: &str, color: &str, font_family: &str) -> Result<()> {
        let spec = json!({ "color": color, "fontFamily": font_family });
        self.apply("Theme", name, None, spec).await
    }

    /// Makes a Website.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn create_site(&self, name: &str, theme: &str) -> Result<()> {
        self.apply("Website", name, Some(self.namespace()), json!({ "theme": theme })).await
    }

    async fn apply(&self, kind: &str, name: &str, namespace: Option<&str>, spec: Value) -> Result<()> {
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let object = json!({ "apiVersion": GROUP_VERSION, "kind": kind, "metadata": metadata, "spec": spec });
        apply_objects(&self.client, &[object]).await.map(drop)
    }

    /// Sites of this namespace.
    #[must_use]
    pub fn sites(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace(), &custom("Website"))
    }

    /// Every theme.
    #[must_use]
    pub fn themes(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &custom("Theme"))
    }

    /// Objects of a child kind in this namespace.
    #[must_use]
    pub fn children(&self, kind: Child) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace(), &kind.resource())
    }

    /// Children of one site by its label.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn children_of(&self, site: &str, kind: Child) -> Result<Vec<DynamicObject>> {
        let labelled = ListParams::default().labels(&format!("app=website,website={site}"));
        Ok(self.children(kind).list(&labelled).await.context("failed to list children")?.items)
    }

    /// The one child of a kind.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn child_of(&self, site: &str, kind: Child) -> Result<DynamicObject> {
        let mut found = self.children_of(site, kind).await?;
        ensure!(found.len() == 1, "{site} has {} children of kind {kind:?}", found.len());
        found.pop().context("no child")
    }

    /// `status.phase`.
    ///
    /// # Errors
    /// When the site cannot be read or has no phase yet.
    pub async fn phase_of(&self, site: &str) -> Result<String> {
        let site = self.sites().get(site).await.context("failed to read the site")?;
        Ok(phase(&site).context("it has no phase")?.to_owned())
    }

    /// Waits for a phase of the generation that the site has now.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn wait_for_phase(&self, site: &str, wanted: &str) -> Result<()> {
        eventually(&format!("{site} being {wanted}"), SITE_LIMIT, async || {
            let object = self.sites().get(site).await?;
            let status = &object.data["status"];
            ensure!(status["phase"] == wanted, "its status is {status}");
            let generation = object.metadata.generation;
            ensure!(
                status["observedGeneration"].as_i64() == generation,
                "it is of an earlier generation: {status}"
            );
            Ok(())
        })
        .await
    }

    /// Waits until a site is Ready and has exactly its four children.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn wait_until_ready(&self, site: &str) -> Result<()> {
        self.wait_for_phase(site, "Ready").await?;
        for kind in Child::ALL {
            self.child_of(site, kind).await?;
        }
        Ok(())
    }

    /// The page that visitors get.
    ///
    /// # Errors
    /// When the site has no ConfigMap with one.
    pub async fn page_of(&self, site: &str) -> Result<String> {
        let content = self.child_of(site, Child::ConfigMap).await?;
        Ok(content.data["data"]["index.html"].as_str().context("it has no index.html")?.to_owned())
    }

    /// Waits for a text on the page, and for the Deployment to roll it out.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn wait_for_page(&self, site: &str, text: &str) -> Result<()> {
        eventually(&format!("{text:?} on the page of {site}"), SITE_LIMIT, async || {
            let page = self.page_of(site).await?;
            ensure!(page.contains(text), "the page is {page}");
            Ok(())
        })
        .await
    }

    /// The rollout mark of the Deployment: changes with the content.
    ///
    /// # Errors
    /// When there is no Deployment or no mark.
    pub async fn checksum_of(&self, site: &str) -> Result<String> {
        let deployment = self.child_of(site, Child::Deployment).await?;
        let mark = deployment.data.pointer("/spec/template/metadata/annotations/checksum~1configmap");
        Ok(mark.and_then(Value::as_str).context("it has no checksum")?.to_owned())
    }

    /// Merges into a site, theme or child.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn merge(&self, api: &Api<DynamicObject>, name: &str, change: &Value) -> Result<DynamicObject> {
        let merged = api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
        merged.with_context(|| format!("failed to change {name}"))
    }

    /// Waits until no child of a site is left.
    ///
    /// # Errors
    /// When some are still there in the end.
    pub async fn wait_until_collected(&self, site: &str) -> Result<()> {
        eventually(&format!("the children of {site} being collected"), COLLECTED_LIMIT, async || {
            for kind in Child::ALL {
                let left = self.children_of(site, kind).await?.len();
                ensure!(left == 0, "{left} left of kind {kind:?}");
            }
            Ok(())
        })
        .await
    }

    /// How many sites of this namespace are in a phase.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn count_in_phase(&self, wanted: &str) -> Result<usize> {
        let sites = self.sites().list(&ListParams::default()).await.context("failed to list sites")?;
        Ok(sites.items.iter().filter(|site| phase(site) == Some(wanted)).count())
    }

    async fn mark_as_project(&self) -> Result<()> {
        let label = json!({ "metadata": { "labels": { "webhosting.polyreme.dev/project": "true" } } });
        let all: Api<NamespaceObject> = Api::all(self.client.clone());
        let marked = all.patch(self.namespace(), &PatchParams::default(), &Patch::Merge(&label)).await;
        marked.context("failed to label the namespace").map(drop)
    }

    /// A host acts on every namespace: what earlier tests left would be counted as this one's.
    async fn remove_leftovers(&self) -> Result<()> {
        let everywhere: Api<DynamicObject> = Api::all_with(self.client.clone(), &custom("Website"));
        let sites = everywhere.list(&ListParams::default()).await.context("failed to list sites")?;
        let namespaces: BTreeSet<_> = sites.into_iter().filter_map(|site| site.metadata.namespace).collect();
        for namespace in namespaces {
            let there: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &namespace, &custom("Website"));
            let deleted = there.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
            deleted.context("failed to delete sites")?;
        }
        for theme in self.themes().list(&ListParams::default()).await.context("failed to list themes")? {
            delete(&self.themes(), &theme.metadata.name.unwrap_or_default()).await?;
        }
        self.wait_until_all_is_collected().await
    }

    /// Pods too: the controllers that make and remove them serve this test's sites next.
    async fn wait_until_all_is_collected(&self) -> Result<()> {
        let pods = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let kinds: Vec<_> = Child::ALL.into_iter().map(Child::resource).chain([pods]).collect();
        let one_of_ours = ListParams::default().labels("app=website").limit(1);
        eventually("everything of earlier sites being collected", LEFTOVERS_LIMIT, async || {
            for kind in &kinds {
                let everywhere: Api<DynamicObject> = Api::all_with(self.client.clone(), kind);
                let left = everywhere.list(&one_of_ours).await?;
                ensure!(left.items.is_empty(), "some are left of kind {}", kind.kind);
            }
            Ok(())
        })
        .await
    }
}

async fn delete(api: &Api<DynamicObject>, name: &str) -> Result<()> {
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => outcome.map(drop).with_context(|| format!("failed to delete {name}")),
    }
}

fn phase(site: &DynamicObject) -> Option<&str> {
    site.data.pointer("/status/phase")?.as_str()
}

fn custom(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("webhosting.polyreme.dev", "v1alpha1", kind))
}

fn example() -> PathBuf {
    repository().join("examples/webhosting")
}

/// Installs the CRDs of the example and waits until their kinds are served.
///
/// # Errors
/// When they are refused or not served in time.
pub async fn install_definitions(client: &Client) -> Result<()> {
    apply_files(client, &example().join("crds")).await?;
    eventually("the kinds of webhosting being served", SITE_LIMIT, async || {
        let served = client.list_api_group_resources(GROUP_VERSION).await?;
        ensure!(served.resources.iter().filter(|kind| !kind.name.contains('/')).count() >= 2, "not all are");
        Ok(())
    })
    .await
}

/// The example's own configuration, with built guests in place of its relative paths.
///
/// # Errors
/// When the example or a guest cannot be found.
pub fn example_configuration() -> Result<Value> {
    host_configuration(Kind::Local)
}

fn host_configuration(kind: Kind) -> Result<Value> {
    let file = example().join("polyreme.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
    let mut configuration: Value =
        serde_saphyr::from_str(&text).context("failed to parse the example's configuration")?;
    let controllers =
        configuration["controllers"].as_array_mut().context("the example has no controllers")?;
    for controller in controllers {
        let module =
            controller["module"].as_str().and_then(|module| module.rsplit('/').next()).unwrap_or_default();
        let guest = built_guest(module.trim_end_matches(".wasm"))?;
        controller["module"] = format!("file:{}", guest.display()).into();
        adapt_readier(controller, kind);
    }
    Ok(configuration)
}

/// The example's configuration with another guest as its website controller.
///
/// # Errors
/// When the guest has not been built.
pub fn with_controller(mut configuration: Value, guest: &str) -> Result<Value> {
    let module = format!("file:{}", built_guest(guest)?.display());
    let controllers =
        configuration["controllers"].as_array_mut().context("the example has no controllers")?;
    let website = controllers.iter_mut().find(|entry| entry["name"] == "website");
    website.context("the example has no controller named website")?["module"] = module.into();
    Ok(configuration)
}

/// Where the real controller manager runs, it decides over Deployments and the example's
/// stand-in for a kubelet marks Pods instead.
fn adapt_readier(controller: &mut Value, kind: Kind) {
    if controller["name"] == "deployment-readier" && kind == Kind::Real {
        controller["settings"]["mark"] = "pods".into();
    }
}

/// What `deploy/` gives a host's service account, given to the test's host users.
pub(crate) async fn allow_hosts(client: &Client) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "polyreme-hosts" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "polyreme:hosts" }],
    });
    apply_objects(client, &[binding]).await.map(drop)
}

impl Host {
    /// A host of webhosting as the example configures it.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn of_webhosting(server: &Server, sites: &Webhosting) -> Result<Self> {
        Self::start(server, &sites.host_configuration()?).await
    }
}
