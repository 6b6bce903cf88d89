//! Five hundred Websites at once, and then nothing at all.
//!
//! Figures are printed (`cargo xtask e2e five_hundred -- --nocapture`). On the real server
//! requests are counted from its audit log, on the local one from the host's metrics.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::stream::{self, TryStreamExt};
use polyreme_tests::{
    AuditLog, Host, Kind, Metrics, Server, Stopwatch, Webhosting, eventually, exclusive_server,
};
use serde_json::{Value, json};

const SITES: usize = 500;
/// Requests of the test in flight while it creates the sites.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(900);
/// Short, so that every site comes round again while the test looks.
const RESYNC: &str = "10s";

#[tokio::test]
async fn five_hundred_sites_become_ready_and_a_resync_of_them_sends_nothing() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let host = Host::start(&server, &with_short_resync(sites.host_configuration()?)).await?;
    let mut ledger = Ledger::open(&server, &host).await?;

    let clock = Stopwatch::start();
    create_sites(&sites).await?;
    wait_until_all_ready(&sites).await?;
    ledger.close_first_part(&host, clock).await?;

    wait_until_quiet(&host).await?;
    ledger.ensure_a_resync_is_free(&server, &host).await
}

fn with_short_resync(mut configuration: Value) -> Value {
    for controller in configuration["controllers"].as_array_mut().into_iter().flatten() {
        controller["resync"] = json!(RESYNC);
    }
    configuration
}

async fn create_sites(sites: &Webhosting) -> Result<()> {
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    let names = (0..SITES).map(|index| format!("site-{index}"));
    stream::iter(names.map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |name: String| sites.create_site(&name, "exciting").await)
        .await
}

async fn wait_until_all_ready(sites: &Webhosting) -> Result<()> {
    eventually("every site being Ready", LIMIT, async || {
        let ready = sites.count_in_phase("Ready").await?;
        ensure!(ready == SITES, "{ready} of {SITES} are");
        Ok(())
    })
    .await
}

fn reconciles(metrics: &Metrics) -> f64 {
    metrics.sum("controller_runtime_reconcile_total", &[])
}

/// Writes of objects. The host renews its Lease by PUT meanwhile, and webhosting has none.
fn writes(metrics: &Metrics) -> f64 {
    ["POST", "PATCH", "DELETE"]
        .iter()
        .map(|method| metrics.sum("rest_client_requests_total", &[&format!("method=\"{method}\"")]))
        .sum()
}

/// Every controller reconciles every site once more: at least one round over all of them.
async fn wait_for_a_round(host: &Host) -> Result<()> {
    let before = reconciles(&host.metrics().await?);
    eventually("a resync of every site", LIMIT, async || {
        let done = reconciles(&host.metrics().await?) - before;
        ensure!(done >= 2.0 * SITES as f64, "{done} reconciles so far");
        Ok(())
    })
    .await
}

/// What the last status changes caused has settled after one round.
async fn wait_until_quiet(host: &Host) -> Result<()> {
    wait_for_a_round(host).await
}

/// Counts requests from outside the host where the server can, else by the host's metrics.
struct Ledger {
    audit: Option<AuditLog>,
    mark: u64,
    before: Metrics,
}

impl Ledger {
    async fn open(server: &Server, host: &Host) -> Result<Self> {
        let audit = server.audit_log();
        let mark = audit.as_ref().map(AuditLog::mark).transpose()?.unwrap_or_default();
        Ok(Self { audit, mark, before: host.metrics().await? })
    }

    async fn close_first_part(&self, host: &Host, clock: Stopwatch) -> Result<()> {
        let (seconds, now) = (clock.elapsed().as_secs_f64(), host.metrics().await?);
        let done = reconciles(&now) - reconciles(&self.before);
        let by_host =
            now.sum("rest_client_requests_total", &[]) - self.before.sum("rest_client_requests_total", &[]);
        let requests = self.audited()?.map_or(by_host, |audited| audited as f64);
        println!("{SITES} websites Ready in {seconds:.1} s");
        println!("{:.0} reconciles/s ({done} reconciles)", done / seconds);
        println!("{:.1} API requests per website", requests / SITES as f64);
        Ok(())
    }

    fn audited(&self) -> Result<Option<usize>> {
        let Some(audit) = &self.audit else { return Ok(None) };
        Ok(Some(audit.since(self.mark, Host::USER)?.len()))
    }

    async fn ensure_a_resync_is_free(&mut self, server: &Server, host: &Host) -> Result<()> {
        *self = Self::open(server, host).await?;
        wait_for_a_round(host).await?;
        let sent = writes(&host.metrics().await?) - writes(&self.before);
        ensure!(sent == 0.0, "a resync that changes nothing sent {sent} writes");
        if server.kind() == Kind::Real {
            self.ensure_nothing_was_recorded(server).await?;
        }
        println!("a resync of {SITES} websites sent no request");
        Ok(())
    }

    /// The log is written in batches.
    async fn ensure_nothing_was_recorded(&self, server: &Server) -> Result<()> {
        let Some(audit) = &self.audit else { return Ok(()) };
        audit.flushed(&server.client().await?).await?;
        let mut recorded = audit.since(self.mark, Host::USER)?;
        recorded.retain(|request| request.object_ref.resource != "leases");
        ensure!(recorded.is_empty(), "a resync that changes nothing sent {recorded:?}");
        Ok(())
    }
}
