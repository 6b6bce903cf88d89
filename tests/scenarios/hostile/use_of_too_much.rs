//! CPU, stack, memory, calls, lines, bytes: what a module has too little of is its own affair.

use anyhow::{Result, ensure};

use super::{LIMIT, a_host_with_a_hostile_module};

#[tokio::test]
async fn an_endless_recursion_is_stopped_and_called_by_its_name() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("recurse", &["called too deeply", "recursion"]).await
}

#[tokio::test]
async fn waiting_for_the_clock_uses_up_cpu_time() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("clock", &["limits.cpuTime"]).await
}

#[tokio::test]
async fn a_flood_of_host_calls_is_refused_and_names_the_limit() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("calls", &["more than 1000 host calls", "limits.hostCalls"]).await
}

#[tokio::test]
async fn an_object_of_a_hundred_mebibytes_ends_the_reconcile_and_names_the_limit() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("payload", &["limits.payload"]).await
}

#[tokio::test]
async fn more_random_bytes_than_a_payload_end_the_reconcile() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("random", &["limits.payload"]).await
}

#[tokio::test]
async fn a_verdict_longer_than_a_payload_ends_the_reconcile() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("long-verdict", &["limits.payload"]).await
}

#[tokio::test]
async fn a_verdict_that_is_no_text_breaks_the_calling_convention() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("not-text", &["calling convention"]).await
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_names_the_limit() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.provoke("logs").await?;
    stage.host.wait_for_log("limits.logLines", LIMIT).await?;
    let log = stage.host.log();
    let lines = log.lines().filter(|line| line.contains("of a flood")).count();
    ensure!(lines <= 200, "{lines} lines were written");
    stage.ensure_work_goes_on().await
}
