//! One case from its objects to its last expectation.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::Value;

use super::list::{Case, Expect, Step, filled};
use super::matching::{Extent, Matcher, Names};
use super::observe::{Lines, Reference, api, missing_event, view};
use super::{CONTROLLER, Stage};
use crate::eventually::{eventually, now};

/// Of one step; a retry with backoff is milliseconds.
const STEP_LIMIT: Duration = Duration::from_secs(30);

impl Stage {
    /// # Errors
    /// Says what did not come to pass.
    pub(super) async fn play(&self, case: &Case) -> Result<()> {
        self.make(&case.given).await?;
        self.delete(&case.deleted).await?;
        for name in &case.settled {
            eventually(&format!("an output of {name}"), STEP_LIMIT, async || self.output_of(name).await)
                .await?;
        }
        self.make(&[case.object(self.namespace.name(), &self.outside.url())]).await?;
        let mut names = Names::default();
        self.expect(case, &case.expect, &mut names).await?;
        for (index, step) in case.then.iter().enumerate() {
            let outcome = self.step(case, step, &mut names).await;
            outcome.with_context(|| format!("step {} of `then`", index + 1))?;
        }
        Ok(())
    }

    async fn step(&self, case: &Case, step: &Step, names: &mut Names) -> Result<()> {
        self.make(&step.apply).await?;
        if let Some(patch) = &step.merge {
            let target = Reference::case(&case.name);
            let cases = api(&self.client, &target, self.namespace.name());
            let changed = cases.patch(&case.name, &PatchParams::default(), &Patch::Merge(patch)).await;
            changed.context("failed to change the Case")?;
        }
        self.delete(&step.delete).await?;
        self.expect(case, &step.expect, names).await
    }

    async fn delete(&self, targets: &[Reference]) -> Result<()> {
        for target in targets {
            let target = target.filled(self.namespace.name());
            let deleted = api(&self.client, &target, self.namespace.name())
                .delete(&target.name, &DeleteParams::default())
                .await;
            deleted.with_context(|| format!("failed to delete {}", target.name))?;
        }
        Ok(())
    }

    /// Waits until all of it holds at once. A guest that says it does not know the case will
    /// not learn it.
    async fn expect(&self, case: &Case, expect: &Expect, names: &mut Names) -> Result<()> {
        let unknown = format!("unknown case {:?}", case.name);
        let is_known = expect.log.iter().all(|line| line.has.as_ref() != Some(&unknown));
        let outcome = eventually("what is expected", STEP_LIMIT, async || {
            let mut tried = names.clone();
            match self.holds(case, expect, &mut tried).await {
                Ok(()) => Ok(Some(tried)),
                Err(_) if is_known && self.lines(case).has(&unknown) => Ok(None),
                Err(error) => Err(error),
            }
        });
        match outcome.await? {
            Some(found) => *names = found,
            None => bail!("the guest does not know this case"),
        }
        Ok(())
    }

    fn lines(&self, case: &Case) -> Lines {
        Lines::of(&self.host.log(), &format!("{}/{}", self.namespace.name(), case.name))
    }

    async fn holds(&self, case: &Case, expect: &Expect, names: &mut Names) -> Result<()> {
        let namespace = self.namespace.name();
        if let Some(output) = &expect.output {
            let actual = self.output_of(&case.name).await.map_err(|error| self.with_log(case, error))?;
            self.compare(names, output, &actual, Extent::Whole).context("status.output")?;
        }
        for object in &expect.objects {
            let target = Reference::of(object);
            let actual = view(&self.client, &target, namespace).await?;
            let actual = actual.with_context(|| format!("there is no {}", target.name))?;
            self.compare(names, object, &actual, Extent::Part).context(target.name)?;
        }
        for target in &expect.absent {
            let found = view(&self.client, target, namespace).await?;
            ensure!(found.is_none(), "{} is there", target.name);
        }
        let lines = self.lines(case);
        for line in &expect.log {
            lines.check(line, names, namespace).map_err(anyhow::Error::msg)?;
        }
        let missing = missing_event(&self.client, namespace, &expect.events).await?;
        ensure!(missing.is_none(), "there is no {missing:?}");
        self.metrics_hold(expect).await
    }

    async fn metrics_hold(&self, expect: &Expect) -> Result<()> {
        if expect.metrics.is_empty() {
            return Ok(());
        }
        let metrics = self.host.metrics().await?;
        for metric in &expect.metrics {
            let labels = metric.labels.iter().map(|(name, value)| format!("{name}=\"{value}\""));
            let labels: Vec<_> = labels.chain([format!("controller=\"{CONTROLLER}\"")]).collect();
            let labels: Vec<_> = labels.iter().map(String::as_str).collect();
            let value = metrics.sum(&metric.name, &labels);
            ensure!(value == metric.is, "{} {labels:?} is {value}, not {}", metric.name, metric.is);
        }
        Ok(())
    }

    fn compare(&self, names: &mut Names, expected: &Value, actual: &Value, extent: Extent) -> Result<()> {
        let expected = filled(expected, self.namespace.name());
        let mut matcher = Matcher { names, now_nanos: now().as_nanosecond() };
        matcher.matches(&expected, actual, extent).map_err(anyhow::Error::msg)
    }

    /// `status.output` of the generation that the Case has now.
    async fn output_of(&self, name: &str) -> Result<Value> {
        let case = view(&self.client, &Reference::case(name), self.namespace.name()).await?;
        let case = case.context("the Case is gone")?;
        let (status, generation) = (&case["status"], &case["metadata"]["generation"]);
        ensure!(!status.is_null(), "{name} has no status");
        ensure!(
            status["observedGeneration"] == *generation,
            "the status of {name} is of an earlier generation"
        );
        Ok(status["output"].clone())
    }

    /// Why there is no output is usually in the log.
    fn with_log(&self, case: &Case, error: anyhow::Error) -> anyhow::Error {
        let told = self.lines(case).last();
        error.context(format!("no output; the last line of its log: {}", told.unwrap_or_default()))
    }
}
