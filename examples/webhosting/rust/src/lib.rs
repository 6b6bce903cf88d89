//! Hosts websites: each Website becomes a ConfigMap, a Service, an Ingress and a
//! Deployment in the look of its Theme.
//!
//! The example that shows and measures Polyreme. What is to be is computed by pure
//! functions ([`children`], [`status`]); this file asks the cluster, applies, and reports.

pub mod api;
pub mod children;
pub mod page;
pub mod settings;
pub mod status;

use polyreme_sdk::k8s_openapi::api::apps::v1::Deployment;
use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Service};
use polyreme_sdk::k8s_openapi::api::networking::v1::Ingress;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Mapping, Object, Severity, info, warn};

use serde_json::json;

use api::{Phase, Rollout, Theme, Website};
use children::{Children, child_name};
use settings::Settings;

/// The controller of Websites.
pub struct Webhosting;

impl Controller for Webhosting {
    type Primary = Website;

    fn manifest() -> Manifest {
        Manifest::new("website")
            .owns::<ConfigMap>()
            .owns::<Service>()
            .owns::<Ingress>()
            .owns::<Deployment>()
            .watches::<Theme>(Mapping::Field("spec.theme"))
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn reconcile(ctx: &Context, website: Website) -> Result<Action, Error> {
        if website.is_deleting() {
            return report(ctx, &website, Phase::Terminating, "waiting to be deleted");
        }
        match bring_about(ctx, &website) {
            Ok(true) => report(ctx, &website, Phase::Ready, "served in its latest version"),
            Ok(false) => report(ctx, &website, Phase::Pending, "waiting for the Deployment"),
            Err(failure) => Err(complain(ctx, &website, failure)),
        }
    }
}

polyreme_sdk::controller!(Webhosting);

/// A failure, and the event that tells of it.
struct Failure {
    reason: &'static str,
    error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { reason: "ReconcilerError", error }
    }
}

/// Applies the children; true when the site is served in its latest version.
fn bring_about(ctx: &Context, website: &Website) -> Result<bool, Failure> {
    let theme = theme(ctx, website)?;
    let settings: Settings = ctx.settings()?;
    let all = Children::of(website, &theme.spec, &settings);
    match apply(ctx, &all) {
        Err(error) if error.is_invalid() => {
            replace(ctx, &all).map_err(|_| error)?;
            apply(ctx, &all)?;
        }
        applied => applied?,
    }
    let rollout: Option<Rollout> = ctx.get_opt(&child_name(website))?;
    Ok(rollout.is_some_and(|rollout| rollout.is_complete()))
}

fn apply(ctx: &Context, all: &Children) -> Result<(), Error> {
    ctx.apply_all(&[&all.config_map, &all.service, &all.ingress, &all.deployment]).map(drop)
}

/// Replaces the specs of the children, lists and all. An apply merges lists by their keys, so an entry
/// that somebody added by hand (a second port named `http`) stays and can make the result invalid.
fn replace(ctx: &Context, all: &Children) -> Result<(), Error> {
    ctx.merge_patch(&all.service, &json!({ "spec": all.service.spec }))?;
    ctx.merge_patch(&all.ingress, &json!({ "spec": all.ingress.spec }))?;
    ctx.merge_patch(&all.deployment, &json!({ "spec": all.deployment.spec }))?;
    Ok(())
}

fn theme(ctx: &Context, website: &Website) -> Result<Theme, Failure> {
    let name = &website.spec.theme;
    if name.is_empty() {
        let error = Error::terminal("spec.theme is empty: name a Theme");
        return Err(Failure { reason: "ThemeUnspecified", error });
    }
    // The cache may hear of a Website before it hears of its Theme: ask the API server before complaining.
    let found =
        ctx.get(name).or_else(|error| if error.is_not_found() { ctx.live().get(name) } else { Err(error) });
    found.map_err(|error| match error.is_not_found() {
        true => Failure { reason: "ThemeNotFound", error },
        false => error.into(),
    })
}

fn report(ctx: &Context, website: &Website, phase: Phase, message: &str) -> Result<Action, Error> {
    let before = website.status.as_ref().map(|status| status.phase);
    let status = status::next(website, phase, message, ctx.now());
    if ctx.patch_status(website, &status)? && before != Some(phase) {
        info!(ctx, theme = website.spec.theme; "now {phase:?}: {message}");
    }
    Ok(Action::Done)
}

/// Tells of a failure in an event and in the status, and hands it back. A conflict is no
/// failure of the site: the next try sees the newer object.
fn complain(ctx: &Context, website: &Website, failure: Failure) -> Error {
    let Failure { reason, error } = failure;
    if error.is_conflict() || error.is_not_owner() {
        return error;
    }
    let message = error.chain();
    ctx.event(Severity::Warning, reason, &message);
    if let Err(second) = report(ctx, website, Phase::Error, &message) {
        warn!(ctx, "the status does not tell of this failure: {}", second.chain());
    }
    error
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
