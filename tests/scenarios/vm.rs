//! A controller that drives a cloud over HTTP makes each machine once, however often hosts die.

use anyhow::{Result, ensure};
use polyreme_tests::exclusive_server;
use polyreme_tests::vm::{Attack, Site};
use vm_cloud::Faults;

/// Small enough for a run of the whole suite; `cargo xtask bench vm` kills two hundred.
const KILLS: usize = 10;

/// How often each of six users does it: enough that a real API server loses the race for some.
const REGRETS: usize = 50;

#[tokio::test]
async fn hosts_that_die_at_random_never_make_a_machine_twice() -> Result<()> {
    let server = exclusive_server().await?;
    let attack = Attack { seed: Attack::seed()?, names: 16, hosts: 4, kills: KILLS, faults: Attack::FAULTS };
    let outcome = Site::prepare(&server).await?.endure(&attack).await?;
    let verdict = &outcome.verdict;
    println!("{outcome:?}");
    ensure!(verdict.duplicates() == 0, "machines were made twice: {verdict:?}");
    ensure!(verdict.created > 0 && verdict.created <= outcome.objects, "{outcome:?}");
    ensure!(outcome.leftovers == 0, "{} machines were left behind", outcome.leftovers);
    Ok(())
}

/// A real API server lets go of some although they have their finalizer (kubernetes/kubernetes#77988).
#[tokio::test]
async fn no_machine_is_left_when_a_deletion_meets_the_finalizer() -> Result<()> {
    let server = exclusive_server().await?;
    let removed = Site::prepare(&server).await?.think_better_of_it(Attack::seed()?, 6, REGRETS).await?;
    println!(
        "{removed} reconciles after {} deletions were of what was removed under its finalizer",
        6 * REGRETS
    );
    Ok(())
}

/// What the first scenario would see if keys were of no use.
#[tokio::test]
async fn a_cloud_without_keys_makes_machines_twice() -> Result<()> {
    let server = exclusive_server().await?;
    let faults = Faults { drops: 0.5, forgets_keys: true, ..Faults::default() };
    let attack = Attack { seed: Attack::seed()?, names: 12, hosts: 1, kills: 0, faults };
    let verdict = Site::prepare(&server).await?.until_duplicated(&attack).await?;
    println!("{verdict:?}");
    Ok(())
}
