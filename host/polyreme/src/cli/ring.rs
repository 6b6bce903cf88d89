//! `polyreme ring`: who owns what, and why.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use polyreme::clock::unix_nanos;
use polyreme::config::{DEFAULT_RING, HostConfig};
use polyreme::ownership::names::RING_LABEL;
use polyreme::ring_status::lookup::{FoundObject, Kinds, LookupError, ObjectName};
use polyreme::ring_status::{ObjectStatus, ObjectsStatus, RingStatus, Snapshot, Timestamp};
use polyreme::{explain, host};
use polyreme_ownership::KeyBy;
use polyreme_runtime::Engine;
use tokio_util::sync::CancellationToken;

use super::cluster::ClusterArgs;
use super::signals::with_signals;
use super::{Failure, print};

/// How often `--watch` looks at the time.
const REDRAW_EVERY: Duration = Duration::from_secs(1);

/// Changes within this time are shown together: a handover is several writes.
const SETTLE: Duration = Duration::from_millis(100);

/// Show the hosts of a ring, what each owns, and what is on its way.
///
/// Reads the ring's Leases, so it works without any host and needs only the right to list them.
#[derive(Debug, Args)]
pub(crate) struct Ring {
    /// The ring [default: the configuration's, then `default`].
    #[arg(long, value_name = "NAME")]
    ring: Option<String>,

    /// Where its Leases are [default: the configuration's, then the kubeconfig context's].
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// A host's configuration, to take ring and namespace from.
    #[arg(long, short, value_name = "FILE", env = "POLYREME_CONFIG")]
    config: Option<PathBuf>,

    /// Show who owns one object: TYPE/NAMESPACE/NAME, or TYPE/NAME when cluster-scoped. TYPE is a
    /// resource, a kind, or a controller of --config.
    #[arg(long, value_name = "OBJECT")]
    object: Option<ObjectName>,

    /// Follow changes until interrupted. On a terminal the view is redrawn; otherwise each change is
    /// appended, as JSON on one line.
    #[arg(long, short)]
    watch: bool,

    /// The form of the output (docs/operating.md describes the JSON).
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,

    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Tables for people.
    Text,
    /// JSON with a stable schema.
    Json,
}

/// Which ring, and how to show it.
struct View {
    client: Client,
    ring: String,
    namespace: String,
    /// The object asked for and those that control it.
    objects: Vec<FoundObject>,
    output: Output,
}

impl Ring {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let watch = self.watch;
        let shutdown = CancellationToken::new();
        let work = async {
            tokio::select! {
                shown = self.show(watch) => shown,
                () = shutdown.cancelled() => Ok(()),
            }
        };
        with_signals(shutdown.clone(), work).await.map_err(Failure::failed)?
    }

    async fn show(self, watch: bool) -> Result<(), Failure> {
        let view = self.view().await?;
        let leases = view.list().await?;
        if leases.is_empty() {
            return Err(Failure::usage(view.not_found().await));
        }
        view.check_objects(&leases)?;
        if watch {
            return view.follow().await;
        }
        print(view.render(&leases, now(), true).trim_end());
        Ok(())
    }

    async fn view(self) -> Result<View, Failure> {
        let config = self.config.as_deref().map(HostConfig::load).transpose().map_err(Failure::usage)?;
        let cluster = self.cluster.load().await.map_err(Failure::usage)?;
        let (url, context) = (cluster.cluster_url.to_string(), cluster.default_namespace.clone());
        let client = Client::try_from(cluster).map_err(|error| unreachable(&error, &url))?;
        client.apiserver_version().await.map_err(|error| unreachable(&error, &url))?;
        let ownership = config.as_ref().map(|config| &config.ownership);
        let of_controller = self.object.as_ref().and_then(|object| {
            let config = config.as_ref()?;
            let controller = config.controllers.iter().find(|controller| controller.name == object.what)?;
            Some(config.ring(controller))
        });
        let ring = self.ring.as_deref().or(of_controller).or(ownership.map(|ownership| &*ownership.ring));
        let namespace =
            self.namespace.clone().or(ownership.and_then(|ownership| ownership.namespace.clone()));
        let objects = match &self.object {
            Some(object) => find(&client, config.as_ref(), object).await?,
            None => Vec::new(),
        };
        Ok(View {
            ring: ring.unwrap_or(DEFAULT_RING).to_owned(),
            namespace: namespace.unwrap_or(context),
            client,
            objects,
            output: self.output,
        })
    }
}

fn unreachable(error: &kube::Error, url: &str) -> Failure {
    Failure::failed(explain::client_error(error, url))
}

/// The object and its owners, by resource or kind or else by controller.
async fn find(
    client: &Client,
    config: Option<&HostConfig>,
    object: &ObjectName,
) -> Result<Vec<FoundObject>, Failure> {
    let kinds = Kinds::discover(client.clone()).await.map_err(Failure::failed)?;
    let found = match kinds.find(object).await {
        Err(LookupError::Unknown(unknown)) => match primary(config, &object.what).await? {
            Some((api_version, kind)) => kinds.find_kind(&api_version, &kind, object).await,
            None => Err(LookupError::Unknown(unknown)),
        },
        found => found,
    };
    found.map_err(|error| match error {
        LookupError::Request(_) => Failure::failed(error),
        _ => Failure::usage(error),
    })
}

/// API version and kind that a controller of the configuration reconciles, which its module says.
async fn primary(config: Option<&HostConfig>, name: &str) -> Result<Option<(String, String)>, Failure> {
    let find = |config: &HostConfig| config.controllers.iter().find(|c| c.name == name).cloned();
    let Some((config, controller)) = config.and_then(|config| Some((config, find(config)?))) else {
        return Ok(None);
    };
    let engine = Engine::new(host::engine_config(config)).map_err(Failure::failed)?;
    let loaded = host::load(&engine, &controller).await.map_err(Failure::usage)?;
    Ok(Some((loaded.manifest.primary.api_version, loaded.manifest.primary.kind)))
}

impl View {
    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn selector(&self) -> String {
        format!("{RING_LABEL}={}", self.ring)
    }

    async fn list(&self) -> Result<BTreeMap<String, Lease>, Failure> {
        let params = ListParams::default().labels(&self.selector());
        let list = self.api().list(&params).await;
        let list = list.map_err(|error| {
            let advice = explain::request_error(&error);
            Failure::failed(anyhow!("failed to list the Leases of ring {}: {advice}", self.ring))
        })?;
        Ok(list.items.into_iter().map(named).collect())
    }

    /// There is no such ring: which there are.
    async fn not_found(&self) -> anyhow::Error {
        let (ring, namespace) = (&self.ring, &self.namespace);
        let params = ListParams::default().labels(RING_LABEL);
        // Whoever may not look elsewhere is told what is here.
        let everywhere = Api::<Lease>::all(self.client.clone()).list(&params).await;
        let found = match everywhere {
            Ok(list) => list.items,
            Err(_) => self.api().list(&params).await.map(|list| list.items).unwrap_or_default(),
        };
        let mut rings: Vec<String> = found.iter().filter_map(ring_and_namespace).collect();
        rings.sort();
        rings.dedup();
        let remedy = if rings.is_empty() {
            "no other was found; hosts of strategies sharded and leader make one when they start".to_owned()
        } else {
            format!("found: {}; choose with --ring and --namespace", rings.join(", "))
        };
        anyhow!("failed to find ring {ring} in namespace {namespace}: {remedy}")
    }

    /// Shows the ring again whenever it changes.
    async fn follow(&self) -> Result<(), Failure> {
        let draws = self.output == Output::Text && std::io::stdout().is_terminal();
        let config = watcher::Config::default().labels(&self.selector());
        let mut events = watcher(self.api(), config).default_backoff().boxed();
        let mut leases = BTreeMap::new();
        let mut listed = BTreeMap::new();
        let mut shown = None;
        let mut redraw = tokio::time::interval(REDRAW_EVERY);
        let mut is_news = false;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => is_news |= take(event, &mut leases, &mut listed),
                    Some(Err(error)) => tracing::warn!("failed to watch: {}", explain::chain(&error)),
                    None => return Ok(()),
                },
                () = tokio::time::sleep(SETTLE), if is_news => {
                    is_news = false;
                    self.show_news(&leases, draws, &mut shown);
                }
                // Ages and silence come without an event.
                _ = redraw.tick(), if shown.is_some() => self.show_news(&leases, draws, &mut shown),
            }
        }
    }

    fn show_news(&self, leases: &BTreeMap<String, Lease>, draws: bool, shown: &mut Option<RingStatus>) {
        if draws {
            self.draw(leases);
        }
        let status = RingStatus::new(&self.snapshot(leases), now()).without_renewals();
        if shown.as_ref() == Some(&status) {
            return;
        }
        if !draws {
            print(self.render(leases, now(), false));
        }
        *shown = Some(status);
    }

    /// Replaces what is on the screen.
    fn draw(&self, leases: &BTreeMap<String, Lease>) {
        let mut stdout = std::io::stdout().lock();
        _ = write!(stdout, "\x1b[H\x1b[2J{}", self.render(leases, now(), false));
        _ = stdout.flush();
    }

    fn snapshot(&self, leases: &BTreeMap<String, Lease>) -> Snapshot {
        Snapshot::new(&self.ring, &self.namespace, leases.values())
    }

    fn render(&self, leases: &BTreeMap<String, Lease>, now: Timestamp, pretty: bool) -> String {
        let snapshot = self.snapshot(leases);
        let status = RingStatus::new(&snapshot, now);
        let objects = self.objects(&snapshot, &status);
        match (self.output, objects) {
            (Output::Text, Some(objects)) if status.table.is_some() => status.objects_text(&objects),
            (Output::Text, _) => status.text(now),
            (Output::Json, Some(objects)) => json(&objects, pretty),
            (Output::Json, None) => json(&status, pretty),
        }
    }

    fn objects(&self, snapshot: &Snapshot, status: &RingStatus) -> Option<ObjectsStatus> {
        let of = |object: &FoundObject| ObjectStatus::new(snapshot, status, &object.root());
        let objects: Vec<ObjectStatus> = self.objects.iter().filter_map(of).collect();
        let (ring, namespace) = (self.ring.clone(), self.namespace.clone());
        (!self.objects.is_empty()).then_some(ObjectsStatus { ring, namespace, objects })
    }

    /// An object that does not exist has a name but no uid.
    fn check_objects(&self, leases: &BTreeMap<String, Lease>) -> Result<(), Failure> {
        let key = self.snapshot(leases).table.map(|seen| seen.table.key);
        let absent = self.objects.iter().find(|object| object.uid.is_empty());
        match absent {
            Some(object) if key == Some(KeyBy::Uid) => Err(Failure::failed(anyhow!(
                "failed to find {} {}: there is no such object, and ring {} places objects by their uid",
                object.resource,
                object.name,
                self.ring
            ))),
            _ => Ok(()),
        }
    }
}

fn json(value: &impl serde::Serialize, pretty: bool) -> String {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.expect("a status has string keys and no failing serializer")
}

/// Takes in an event; whether there is something to show.
fn take(
    event: Event<Lease>,
    leases: &mut BTreeMap<String, Lease>,
    listed: &mut BTreeMap<String, Lease>,
) -> bool {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(lease) => listed.extend([named(lease)]),
        Event::InitDone => *leases = std::mem::take(listed),
        Event::Apply(lease) => leases.extend([named(lease)]),
        Event::Delete(lease) => _ = leases.remove(&named(lease).0),
    }
    listed.is_empty()
}

fn named(lease: Lease) -> (String, Lease) {
    (lease.metadata.name.clone().unwrap_or_default(), lease)
}

/// `heavy (namespace polyreme-system)`
fn ring_and_namespace(lease: &Lease) -> Option<String> {
    let ring = lease.metadata.labels.as_ref()?.get(RING_LABEL)?;
    Some(format!("{ring} (namespace {})", lease.metadata.namespace.as_ref()?))
}

fn now() -> Timestamp {
    let millis = i64::try_from(unix_nanos() / 1_000_000).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or_default()
}
