//! `cargo xtask check`: what CI will say, in about a minute when warm.

use anyhow::{Context, Result};

use crate::guests::cargo;
use crate::{progress, tidy};

pub(crate) fn run() -> Result<()> {
    progress::step("check the formatting (cargo fmt)", cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run().context("failed to pass tidy")?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    progress::step("run clippy", cargo().args(clippy))?;
    // Unit tests only: scenarios need guests and a server, `cargo xtask test` has them.
    progress::step("run the unit tests", cargo().args(["test", "--workspace", "--lib", "--bins"]))
}
