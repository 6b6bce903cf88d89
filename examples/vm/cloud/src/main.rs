//! `vm-cloud`: the private cloud of `examples/vm` as a server of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;
use vm_cloud::{Chance, Cloud, Faults, router};

/// A private cloud in one process. `GET /v1/log` says what was done, and whether anything was done twice.
#[derive(Parser)]
struct Options {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:9200")]
    listen: SocketAddr,

    /// The longest that an answer is held back, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency: u64,

    /// The part of requests that are refused with 500: 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    fail: f64,

    /// The part of requests that are carried out and not answered: 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    drop: f64,

    /// Makes a machine for every creation, whatever its key.
    #[arg(long)]
    forget_keys: bool,

    /// Of what goes wrong.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Options { listen, latency, fail, drop, forget_keys, seed } = Options::parse();
    let latency = Duration::from_millis(latency);
    let faults = Faults { latency, errors: fail, drops: drop, forgets_keys: forget_keys };
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("failed to listen on {listen}"))?;
    eprintln!("the cloud is at http://{listen}");
    let router = router(Cloud::new(faults, Chance::new(seed)));
    axum::serve(listener, router).await.context("failed to serve")
}
