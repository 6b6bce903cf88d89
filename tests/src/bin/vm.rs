//! `cargo xtask bench vm`: hosts are killed at random while VirtualMachines come, change and go, and the cloud's own
//! log says whether a machine was ever made twice.

use anyhow::Result;
use clap::Parser;
use polyreme_tests::LocalServer;
use polyreme_tests::vm::{Attack, Outcome, Site};
use serde_json::{Value, json};

/// Kill hosts at random, and look for machines that were made twice. POLYREME_SEED repeats a run.
#[derive(Parser)]
struct Options {
    /// How many hosts die.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Hosts at a time.
    #[arg(long, default_value_t = 4)]
    hosts: usize,
    /// Names that VirtualMachines are made under, again and again.
    #[arg(long, default_value_t = 24)]
    names: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Options { kills, hosts, names } = Options::parse();
    let server = LocalServer::start().await?;
    let attack = Attack { seed: Attack::seed()?, names, hosts, kills, faults: Attack::FAULTS };
    let outcome = Site::on(&server).await?.endure(&attack).await?;
    report(&attack, &outcome);
    Ok(())
}

fn report(attack: &Attack, outcome: &Outcome) {
    let verdict = &outcome.verdict;
    println!(
        "| hosts killed | VirtualMachines | machines made | asked for again | made twice | left behind | took |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {} of {} | {} | {} | {} | {} | {} | {:.0} s |",
        attack.kills,
        attack.hosts,
        outcome.objects,
        verdict.created,
        verdict.repeated,
        verdict.duplicates(),
        outcome.leftovers,
        outcome.took.as_secs_f64(),
    );
    let figures = [
        judged("machines made twice", verdict.duplicates()),
        judged("machines left behind", outcome.leftovers),
        counted("hosts killed", attack.kills),
        counted("VirtualMachines made", outcome.objects),
        counted("machines made", verdict.created),
        counted("creations asked for again", verdict.repeated),
    ];
    println!("{}", json!({ "bench": "vm", "seed": attack.seed, "figures": figures }));
}

/// What must be none.
fn judged(name: &str, value: usize) -> Value {
    json!({ "name": name, "value": value, "unit": "", "goal": 0, "better": "lower", "holds": value == 0 })
}

fn counted(name: &str, value: usize) -> Value {
    json!({ "name": name, "value": value, "unit": "", "better": "higher" })
}
