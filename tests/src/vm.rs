//! The vm example under attack: users who make, change and delete VirtualMachines, a cloud that loses answers,
//! and hosts that die at random. Whether a machine was ever made twice is read from the cloud's own log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use vm_cloud::log::Verdict;
use vm_cloud::{Chance, Cloud, Faults, router};

use crate::apply::apply_files;
use crate::environment::{built_guest, repository};
use crate::eventually::{Stopwatch, eventually, for_a_while, pause};
use crate::host::Host;
use crate::local::LocalServer;
use crate::server::{Kind, Server};
use crate::webhosting::allow_hosts;

const SIZES: [&str; 3] = ["small", "medium", "large"];
const SERVED_LIMIT: Duration = Duration::from_secs(60);
/// Until everything is as asked for: a few takeovers of dead hosts, one after the other.
const SETTLED_LIMIT: Duration = Duration::from_secs(180);
/// Between two kills at least and at most. A dead host is replaced within 7.5 s (timing `fast`), and hosts must live
/// for a while to be in the middle of something.
const KILL_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(5_500));
/// How long a user leaves a VirtualMachine alone, at most.
const USE_PAUSE: Duration = Duration::from_millis(1_500);
/// How soon a user who thinks better of it deletes a VirtualMachine: about when its finalizer is put in place.
const REGRET_PAUSE: Duration = Duration::from_millis(12);

/// Where VirtualMachines are.
#[derive(Clone)]
pub struct Site {
    client: Client,
    kubeconfig: PathBuf,
    namespace: String,
    /// Whether each host is a user of its own.
    has_users: bool,
}

/// What is done to them.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Of everything that is random here, but for how things fall in time.
    pub seed: u64,
    /// Names that VirtualMachines are made under, again and again.
    pub names: usize,
    /// Hosts at a time.
    pub hosts: usize,
    /// Hosts that die.
    pub kills: usize,
    /// What goes wrong in the cloud.
    pub faults: Faults,
}

/// What came of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Outcome {
    /// By the cloud's log.
    pub verdict: Verdict,
    /// VirtualMachines that were made.
    pub objects: usize,
    /// Machines that were still there after every VirtualMachine was gone.
    pub leftovers: usize,
    /// From the first kill to the last object being as asked for.
    pub took: Duration,
}

impl Attack {
    /// What goes wrong in the cloud while hosts die.
    pub const FAULTS: Faults =
        Faults { latency: Duration::from_millis(400), errors: 0.05, drops: 0.05, forgets_keys: false };

    /// A seed that was not used before, or that of `POLYREME_SEED`; printed, so that a run can be repeated.
    ///
    /// # Errors
    /// When the variable is not a number.
    pub fn seed() -> Result<u64> {
        let seed = match std::env::var("POLYREME_SEED") {
            Ok(text) => text.parse().context("POLYREME_SEED is not a number")?,
            Err(_) => u64::try_from(crate::eventually::now().as_microsecond())?,
        };
        println!("POLYREME_SEED={seed}");
        Ok(seed)
    }
}

impl Site {
    /// In a namespace of its own.
    ///
    /// # Errors
    /// When the server refuses what is needed.
    pub async fn prepare(server: &Server) -> Result<Self> {
        let client = server.client().await?;
        let has_users = server.kind() == Kind::Real;
        if has_users {
            allow_hosts(&client).await?;
        }
        let namespace = server.namespace("machines").await?.name().to_owned();
        Self { client, kubeconfig: server.kubeconfig().to_owned(), namespace, has_users }.defined().await
    }

    /// On a server that is there for nothing else.
    ///
    /// # Errors
    /// When the server refuses what is needed.
    pub async fn on(server: &LocalServer) -> Result<Self> {
        let kubeconfig = server.kubeconfig().to_owned();
        let (client, namespace) = (server.client().await?, "default".to_owned());
        Self { client, kubeconfig, namespace, has_users: false }.defined().await
    }

    async fn defined(self) -> Result<Self> {
        apply_files(&self.client, &repository().join("examples/vm/crd.yaml")).await?;
        let everywhere: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource());
        let there = eventually("VirtualMachines being served", SERVED_LIMIT, async || {
            Ok(everywhere.list(&ListParams::default()).await?.items)
        });
        for object in there.await? {
            self.let_go(&object).await?;
        }
        Ok(self)
    }

    /// Removes what an earlier test left behind; its cloud is gone.
    async fn let_go(&self, object: &DynamicObject) -> Result<()> {
        let (namespace, name) = (object.metadata.namespace.as_deref(), object.metadata.name.as_deref());
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource());
        // Both may find it gone.
        let _ = api.delete(name, &DeleteParams::default()).await;
        let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        let _ = api.patch(name, &PatchParams::default(), &free).await;
        Ok(())
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource())
    }

    /// Lets users work, and nobody die, until the cloud has made a machine twice.
    ///
    /// # Errors
    /// When hosts do not start, or that does not happen.
    pub async fn until_duplicated(&self, attack: &Attack) -> Result<Verdict> {
        let mut chance = Chance::new(attack.seed);
        let cloud = Cloud::new(attack.faults, Chance::new(chance.number()));
        let outside = Outside::start(cloud.clone()).await?;
        let _hosts = Crew::start(self, attack.hosts, outside.port).await?;
        let _users = Users::start(self, attack.names, &mut chance);
        eventually("a machine being made twice", SETTLED_LIMIT, async || {
            let verdict = cloud.verdict();
            ensure!(verdict.duplicates() > 0, "{verdict:?}");
            Ok(verdict)
        })
        .await
    }

    /// Runs it to its end: nothing is left when everything went well.
    ///
    /// # Errors
    /// When hosts do not start, or not everything comes to be as asked for.
    pub async fn endure(&self, attack: &Attack) -> Result<Outcome> {
        let mut chance = Chance::new(attack.seed);
        let cloud = Cloud::new(attack.faults, Chance::new(chance.number()));
        let outside = Outside::start(cloud.clone()).await?;
        let mut hosts = Crew::start(self, attack.hosts, outside.port).await?;
        let users = Users::start(self, attack.names, &mut chance);

        let clock = Stopwatch::start();
        for number in 1..=attack.kills {
            let (least, most) = KILL_PAUSE;
            for_a_while(least + chance.time(most - least)).await;
            hosts.replace(usize::try_from(chance.below(attack.hosts as u64))?).await?;
            println!("kill {number} of {}: {:?}", attack.kills, cloud.verdict());
        }
        let objects = users.stop().await?;
        self.wait_until_as_asked(&cloud).await?;
        let took = clock.elapsed();
        self.delete_all().await?;
        hosts.end().await?;
        Ok(Outcome { verdict: cloud.verdict(), objects, leftovers: cloud.machines().len(), took })
    }

    /// Has VirtualMachines deleted just when they get their finalizer; how many reconciles were of one that the API
    /// server removed although it had it.
    ///
    /// # Errors
    /// When a machine is left in the cloud.
    pub async fn think_better_of_it(&self, seed: u64, names: usize, times: usize) -> Result<usize> {
        let mut chance = Chance::new(seed);
        let cloud = Cloud::new(Faults::default(), Chance::new(chance.number()));
        let outside = Outside::start(cloud.clone()).await?;
        let hosts = Crew::start(self, 1, outside.port).await?;
        let mut users = JoinSet::new();
        for index in 0..names {
            users.spawn(User::new(self, index, &mut chance).think_better_of_it(times));
        }
        while let Some(ended) = users.join_next().await {
            ended.context("a user panicked")??;
        }
        eventually("the cloud being empty", SETTLED_LIMIT, async || {
            let left = cloud.machines();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        })
        .await?;
        let log = hosts.running.iter().map(Host::log).collect::<String>();
        Ok(log.matches("removed this object although a finalizer held it").count())
    }

    async fn objects(&self) -> Result<Vec<DynamicObject>> {
        Ok(self.api().list(&ListParams::default()).await?.items)
    }

    /// Every VirtualMachine runs, and is the one that the cloud has for its name.
    async fn wait_until_as_asked(&self, cloud: &Cloud) -> Result<()> {
        eventually("every VirtualMachine being as asked for", SETTLED_LIMIT, async || {
            let (objects, machines) = (self.objects().await?, cloud.machines());
            for object in &objects {
                let name =
                    format!("{}/{}", self.namespace, object.metadata.name.as_deref().unwrap_or_default());
                let status = &object.data["status"];
                ensure!(status["phase"] == "Running", "{name} is {status}");
                let machine = machines.iter().find(|machine| status["id"] == machine.id.as_str());
                let machine = machine.with_context(|| format!("{name} has no machine {}", status["id"]))?;
                ensure!(machine.name == name, "{name} has the machine of {}", machine.name);
                ensure!(object.data["spec"]["size"] == machine.size.as_str(), "{name} is {}", machine.size);
            }
            ensure!(objects.len() == machines.len(), "{} for {} objects", machines.len(), objects.len());
            Ok(())
        })
        .await
    }

    async fn delete_all(&self) -> Result<()> {
        for object in self.objects().await? {
            let name = object.metadata.name.unwrap_or_default();
            self.api().delete(&name, &DeleteParams::default()).await.context("failed to delete")?;
        }
        eventually("every VirtualMachine being gone", SETTLED_LIMIT, async || {
            let left = self.objects().await?.len();
            ensure!(left == 0, "{left} are there");
            Ok(())
        })
        .await
    }

    fn configuration(&self, cloud: u16) -> Result<Value> {
        let text = std::fs::read_to_string(repository().join("examples/vm/polyreme.yaml"));
        let mut all: Value = serde_saphyr::from_str(&text.context("failed to read the example")?)
            .context("failed to parse the example's configuration")?;
        all["ownership"] = json!({ "ring": "vm", "namespace": self.namespace, "timing": "fast" });
        let vm = &mut all["controllers"][0];
        vm["module"] = format!("file:{}", built_guest("vm")?.display()).into();
        vm["settings"]["cloud"] = format!("http://127.0.0.1:{cloud}").into();
        vm["http"][0]["ports"] = json!([cloud]);
        Ok(all)
    }
}

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("vm.polyreme.dev", "v1alpha1", "VirtualMachine"))
}

/// The cloud on loopback, until it is dropped.
struct Outside {
    port: u16,
    _task: JoinSet<()>,
}

impl Outside {
    async fn start(cloud: Cloud) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen on loopback")?;
        let port = listener.local_addr().context("failed to read the address of a listener")?.port();
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(failure) = axum::serve(listener, router(cloud)).await {
                eprintln!("the cloud ended: {failure}");
            }
        });
        Ok(Self { port, _task: task })
    }
}

/// Hosts, of which each is replaced when it dies.
struct Crew {
    kubeconfig: PathBuf,
    has_users: bool,
    configuration: Value,
    running: Vec<Host>,
}

impl Crew {
    async fn start(site: &Site, count: usize, cloud: u16) -> Result<Self> {
        let mut crew = Self {
            kubeconfig: site.kubeconfig.clone(),
            has_users: site.has_users,
            configuration: site.configuration(cloud)?,
            running: Vec::new(),
        };
        for index in 0..count {
            crew.running.push(crew.launch(index)?);
        }
        for host in &mut crew.running {
            host.wait_until_ready().await?;
        }
        Ok(crew)
    }

    fn launch(&self, index: usize) -> Result<Host> {
        let name = format!("host-{index}");
        let context = self.has_users.then_some(name.as_str());
        let kubeconfig: &Path = &self.kubeconfig;
        Ok(Host::launch_member(kubeconfig, context, &name, &self.configuration)?.quiet())
    }

    /// SIGKILL, and another one in its place.
    async fn replace(&mut self, index: usize) -> Result<()> {
        let successor = self.launch(index)?;
        let dying =
            std::mem::replace(self.running.get_mut(index).context("there is no such host")?, successor);
        dying.kill().await
    }

    async fn end(self) -> Result<()> {
        for mut host in self.running {
            let status = host.terminate().await?;
            ensure!(status.success(), "SIGTERM ended a host with {status}");
        }
        Ok(())
    }
}

/// Whoever makes, changes and deletes VirtualMachines, one task for each name.
struct Users {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<usize>>,
}

impl Users {
    fn start(site: &Site, names: usize, chance: &mut Chance) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for index in 0..names {
            let user = User { stop: Arc::clone(&stop), ..User::new(site, index, chance) };
            tasks.spawn(user.work());
        }
        Self { stop, tasks }
    }

    /// Ends when each has done what it was doing; how many VirtualMachines were made in all.
    async fn stop(mut self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut made = 0;
        while let Some(ended) = self.tasks.join_next().await {
            made += ended.context("a user panicked")??;
        }
        Ok(made)
    }
}

struct User {
    api: Api<DynamicObject>,
    name: String,
    chance: Chance,
    stop: Arc<AtomicBool>,
}

impl User {
    fn new(site: &Site, index: usize, chance: &mut Chance) -> Self {
        let (name, chance) = (format!("vm-{index}"), Chance::new(chance.number()));
        Self { api: site.api(), name, chance, stop: Arc::default() }
    }

    async fn work(mut self) -> Result<usize> {
        let mut made = 0;
        loop {
            self.create().await?;
            made += 1;
            while !self.chance.happens(0.4) {
                if self.rest().await {
                    return Ok(made);
                }
                self.resize().await?;
            }
            if self.rest().await {
                return Ok(made);
            }
            self.delete().await?;
            if self.stop.load(Ordering::Relaxed) {
                return Ok(made);
            }
        }
    }

    async fn think_better_of_it(mut self, times: usize) -> Result<()> {
        for _ in 0..times {
            self.create().await?;
            for_a_while(self.chance.time(REGRET_PAUSE)).await;
            self.delete().await?;
        }
        Ok(())
    }

    /// Leaves it alone for a while; true when it is time to stop.
    async fn rest(&mut self) -> bool {
        for_a_while(self.chance.time(USE_PAUSE)).await;
        self.stop.load(Ordering::Relaxed)
    }

    fn size(&mut self) -> &'static str {
        SIZES[usize::try_from(self.chance.below(SIZES.len() as u64)).unwrap_or_default()]
    }

    async fn create(&mut self) -> Result<()> {
        let mut object = DynamicObject::new(&self.name, &resource());
        object.data = json!({ "spec": { "size": self.size(), "image": "debian-13" } });
        self.api
            .create(&PostParams::default(), &object)
            .await
            .context("failed to create a VirtualMachine")?;
        Ok(())
    }

    async fn resize(&mut self) -> Result<()> {
        let change = Patch::Merge(json!({ "spec": { "size": self.size() } }));
        let changed = self.api.patch(&self.name, &PatchParams::default(), &change).await;
        changed.context("failed to change a VirtualMachine").map(drop)
    }

    async fn delete(&self) -> Result<()> {
        let deleted = self.api.delete(&self.name, &DeleteParams::default()).await;
        deleted.context("failed to delete a VirtualMachine")?;
        let clock = Stopwatch::start();
        while self.api.get_opt(&self.name).await.context("failed to read a VirtualMachine")?.is_some() {
            ensure!(clock.elapsed() < SETTLED_LIMIT, "{} was deleted and is still there", self.name);
            pause().await;
        }
        Ok(())
    }
}
