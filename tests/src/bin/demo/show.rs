//! The scenes, each of which ends when the API shows what was promised.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use polyreme_tests::{
    Child, LocalServer, Stopwatch, Webhosting, apply_files, eventually, example_configuration,
    install_definitions, polyreme_binary, repository, with_controller,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::board::Board;
use crate::crew::{self, Crew};

const NAMESPACE: &str = "project-foo";
const THEME: &str = "exciting";
const NEW_COLOR: &str = "tomato";
const LAST_COLOR: &str = "teal";
const SITE: &str = "museum";
/// A debug build on a slow machine.
const SCENE_LIMIT: Duration = Duration::from_secs(120);

/// A running demo; dropping it ends every process and removes every file.
pub(crate) struct Show {
    // Hosts end before the server they use.
    crew: Crew,
    server: LocalServer,
    sites: Webhosting,
    times: Vec<(String, Duration)>,
}

impl Show {
    /// Starts the processes and installs the kinds.
    pub(crate) async fn open(controller: &str) -> Result<Self> {
        let clock = Stopwatch::start();
        let server = LocalServer::start().await?;
        let client = server.client().await?;
        install_definitions(&client).await?;
        let crew = Crew::start(&server, configuration(controller)?).await?;
        let sites = Webhosting::of(client, NAMESPACE);
        let mut show = Self { crew, server, sites, times: Vec::new() };
        show.done("A local API server and three hosts are running", clock);
        Ok(show)
    }

    /// Scene 1: Pending → Ready.
    pub(crate) async fn sites_become_ready(&mut self) -> Result<()> {
        let clock = Stopwatch::start();
        println!("\nApplying examples/webhosting/samples");
        apply_files(self.sites.client(), &repository().join("examples/webhosting/samples")).await?;
        let count = self
            .sites
            .sites()
            .list(&ListParams::default())
            .await
            .context("failed to list Websites")?
            .items
            .len();
        ensure!(count > 0, "the samples have no Website in namespace {NAMESPACE}");
        let board = timeout(SCENE_LIMIT, self.watch_until_ready(count, clock)).await;
        board.with_context(|| format!("the Websites are not Ready within {SCENE_LIMIT:?}"))??.freeze();
        self.done(&format!("{count} Websites became Ready"), clock);
        Ok(())
    }

    async fn watch_until_ready(&self, count: usize, clock: Stopwatch) -> Result<Board> {
        let mut board = Board::new(clock);
        let mut changes = watcher(self.sites.sites(), watcher::Config::default()).applied_objects().boxed();
        while !board.all_ready(count) {
            match changes.next().await {
                Some(site) => board.see(&site.context("failed to watch Websites")?),
                None => bail!("the watch of Websites ended"),
            }
        }
        Ok(board)
    }

    /// Scene 2: a new colour reaches every site of the theme and is rolled out.
    pub(crate) async fn a_theme_changes(&mut self) -> Result<()> {
        let users = self.users_of_the_theme().await?;
        println!("\nTheme {THEME} becomes {NEW_COLOR}; it is used by {}", users.join(", "));
        let mut before = Vec::new();
        for site in &users {
            before.push(self.sites.checksum_of(site).await?);
        }
        let clock = Stopwatch::start();
        let change = json!({ "spec": { "color": NEW_COLOR } });
        self.sites.merge(&self.sites.themes(), THEME, &change).await?;
        for (site, old) in users.iter().zip(&before) {
            self.show_rollout(site, old, clock).await?;
        }
        self.done(&format!("A changed Theme reached {} Websites", users.len()), clock);
        Ok(())
    }

    async fn users_of_the_theme(&self) -> Result<Vec<String>> {
        let sites =
            self.sites.sites().list(&ListParams::default()).await.context("failed to list Websites")?;
        let uses = |site: &kube::api::DynamicObject| {
            site.data.pointer("/spec/theme").is_some_and(|theme| theme == THEME)
        };
        Ok(sites.iter().filter(|site| uses(site)).map(ResourceExt::name_any).collect())
    }

    async fn show_rollout(&self, site: &str, old: &str, clock: Stopwatch) -> Result<()> {
        self.sites.wait_for_page(site, NEW_COLOR).await?;
        let new = eventually("a rollout of the new content", SCENE_LIMIT, async || {
            let new = self.sites.checksum_of(site).await?;
            ensure!(new != old, "the Deployment still has the old checksum");
            Ok(new)
        })
        .await?;
        self.sites.wait_until_ready(site).await?;
        println!("{:>8}  {site}: checksum {} → {}, Ready", seconds(clock.elapsed()), short(old), short(&new));
        Ok(())
    }

    /// Scene 3: what is deleted comes back.
    pub(crate) async fn a_child_is_deleted_by_hand(&mut self) -> Result<()> {
        let service = self.sites.child_of(SITE, Child::Service).await?;
        let name = service.name_any();
        println!("\nSomebody deletes Service {name}");
        let clock = Stopwatch::start();
        let deleted = self.sites.children(Child::Service).delete(&name, &DeleteParams::default()).await;
        deleted.context("failed to delete the Service")?;
        let new = eventually("the Service coming back", SCENE_LIMIT, async || {
            let new = self.sites.child_of(SITE, Child::Service).await?;
            ensure!(new.uid() != service.uid(), "it is still the deleted one");
            Ok(new)
        })
        .await?;
        let [old, new] = [service.uid(), new.uid()].map(Option::unwrap_or_default);
        println!("{:>8}  {SITE}: Service uid {} → {}", seconds(clock.elapsed()), short(&old), short(&new));
        self.sites.wait_until_ready(SITE).await?;
        self.done("A deleted Service was made again", clock);
        Ok(())
    }

    /// Scene 4: the hosts share the work; one dies, comes back, and another leaves in good order.
    pub(crate) async fn hosts_come_and_go(&mut self) -> Result<()> {
        self.print_ring().await?;
        self.print_owner(&["--object", &format!("website/{NAMESPACE}/{SITE}")]).await?;

        println!("\nSIGKILL to {}", crew::name(2));
        let took = self.crew.kill(2).await?;
        self.passed("The slots of a killed host were taken over", took);
        let clock = Stopwatch::start();
        let change = json!({ "spec": { "color": LAST_COLOR } });
        self.sites.merge(&self.sites.themes(), THEME, &change).await?;
        for site in self.users_of_the_theme().await? {
            self.sites.wait_for_page(&site, LAST_COLOR).await?;
            self.sites.wait_until_ready(&site).await?;
        }
        self.done("A Theme changed after that reached every Website", clock);

        println!("\n{} starts again", crew::name(2));
        let took = self.crew.restart(&self.server, 2).await?;
        self.passed("A new host has its share", took);
        println!("\nSIGTERM to {}", crew::name(1));
        let took = self.crew.stop(1).await?;
        self.passed("A host left and its slots moved without waiting for any timer", took);
        self.print_ring().await
    }

    async fn print_ring(&self) -> Result<()> {
        println!("\n$ polyreme ring");
        print!("{}", self.crew.settled_ring(&self.server).await?);
        Ok(())
    }

    async fn print_owner(&self, arguments: &[&str]) -> Result<()> {
        let shown = ["polyreme", "ring"].iter().chain(arguments).copied().collect::<Vec<_>>().join(" ");
        println!("\n$ {shown}");
        print!("{}", self.crew.ring(&self.server, arguments).await?);
        Ok(())
    }

    pub(crate) fn print_summary(&self) {
        println!("\nSummary");
        for (what, time) in &self.times {
            println!("{:>8}  {what}", seconds(*time));
        }
    }

    /// Leaves everything up until Ctrl-C or until a process ends.
    pub(crate) async fn stay(&mut self) -> Result<()> {
        println!("\nIt stays up; Ctrl-C ends it. In another terminal:");
        println!("    export KUBECONFIG={}", self.server.kubeconfig().display());
        println!("    kubectl get websites --all-namespaces --watch");
        println!("    kubectl delete --namespace {NAMESPACE} service --selector website={SITE}");
        println!(
            "    kubectl patch theme {THEME} --type merge --patch '{{\"spec\":{{\"color\":\"plum\"}}}}'"
        );
        println!("    {} ring -w", polyreme_binary()?.display());
        let status = self.crew.any_exit().await?;
        bail!("a host ended with {status}");
    }

    /// Ends the hosts as a cluster would, by SIGTERM.
    pub(crate) async fn close(self) -> Result<()> {
        self.crew.close().await
    }

    fn done(&mut self, what: &str, clock: Stopwatch) {
        self.passed(what, clock.elapsed());
    }

    fn passed(&mut self, what: &str, took: Duration) {
        println!("✔ {what} ({})", seconds(took));
        self.times.push((what.to_owned(), took));
    }
}

/// The example's configuration with the chosen guest as its website controller, and quick to notice a
/// dead host.
fn configuration(controller: &str) -> Result<Value> {
    let mut configuration = with_controller(example_configuration()?, controller)?;
    let fields = configuration.as_object_mut().context("the example is no mapping")?;
    fields.insert("ownership".to_owned(), json!({ "timing": "fast" }));
    Ok(configuration)
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn short(text: &str) -> &str {
    text.get(..8).unwrap_or(text)
}
