//! A real Kubernetes API server on this machine: etcd, kube-apiserver and
//! kube-controller-manager, no kubelet, no scheduler.
//!
//! `binaries` finds or builds the programs, `flags` says how each is started, `credentials`
//! makes keys, tokens and the kubeconfig, `cluster` starts, warms and ends them. Everything
//! listens on loopback and lives in a temporary folder.

mod binaries;
mod cluster;
mod credentials;
mod flags;

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

pub(crate) use binaries::ensure as ensure_binaries;
pub(crate) use cluster::Cluster;

use crate::wait;

/// Until Ctrl-C, for practical purposes.
const A_WORKING_DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster, print its KUBECONFIG, and end it with Ctrl-C.
    Up,
}

/// `cargo xtask kube [up]`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = ensure_binaries()?;
    match options.command {
        None => println!("{binaries}"),
        Some(Command::Up) => up(&binaries)?,
    }
    Ok(())
}

fn up(binaries: &binaries::Binaries) -> Result<()> {
    let mut cluster = Cluster::start(binaries)?;
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("{} get namespaces", binaries.kubectl.display());
    println!("# contexts: admin, host-0 … host-8, restricted; audit log {}", cluster.audit_log().display());
    println!("# Ctrl-C ends it");
    wait::until("Ctrl-C", A_WORKING_DAY, || cluster.expect_running().map(|()| None))
}

/// A loopback port that nobody uses now. Another process may take it before its user does;
/// the user then fails with a clear error.
pub(crate) fn free_port() -> Result<u16> {
    let [port] = free_ports()?;
    Ok(port)
}

/// Several, all different: each listener is kept until every port is known.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
        *port = listener.local_addr().context("failed to read a port")?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
