//! A guest that will not end when its host has to.

use std::time::Duration;

use anyhow::{Result, ensure};
use polyreme_tests::Stopwatch;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{LIMIT, a_host_with};

/// `limits.httpTimeout` and `limits.wallTime` of the guest are far beyond it.
const DRAINED: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_guest_that_holds_a_host_call_does_not_hold_up_the_drain() -> Result<()> {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = silent.local_addr()?.port();
    let mut stage = a_host_with(|host, module| {
        host["ownership"]["drainTimeout"] = "1s".into();
        module["limits"]["httpTimeout"] = "30s".into();
        module["http"] = json!([{
            "hosts": ["127.0.0.1"], "methods": ["GET"], "scheme": "http", "ports": [port],
            "networks": ["127.0.0.0/8"],
        }]);
    })
    .await?;
    stage.ensure_work_goes_on().await?;
    stage.provoke_with("hold", &json!({ "url": format!("http://127.0.0.1:{port}/") })).await?;
    // Held open, and never answered.
    let (_connection, _) = timeout(LIMIT, silent.accept()).await??;
    let clock = Stopwatch::start();
    let status = stage.host.terminate().await?;
    ensure!(status.success(), "SIGTERM ended the host with {status}");
    let took = clock.elapsed();
    ensure!(took < DRAINED, "it took {took:?}");
    Ok(())
}
