//! The cases that every SDK must pass, in Rust: the guest to read beside `../README.md`.
//!
//! `spec.case` names the case; each is a function here or in one of the modules, and says
//! what goes into `status.output`.

mod outcomes;
mod reads;
mod refusals;
mod reports;
mod requests;
mod wakes;
mod writes;

use std::time::Duration;

use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Mapping, Object, ObjectRef, Reason, info};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CaseSpec {
    case: String,
    #[serde(default)]
    input: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CaseStatus {
    observed_generation: i64,
    #[serde(default)]
    output: Value,
}

polyreme_sdk::resource! {
    struct Case {
        api_version: "cases.polyreme.dev/v1alpha1",
        plural: "cases",
        scope: Namespaced,
        spec: CaseSpec,
        status: CaseStatus,
    }
}

/// What a Case must carry to be run.
const LABEL: &str = "cases.polyreme.dev/run";

/// What a case comes to.
enum Outcome {
    /// The output.
    Output(Value),
    /// The output, and when to come back.
    Again(Value, Duration),
    /// No status is written.
    Silent,
}

/// Cases that look at the same generation more than once.
const REPEATED: [&str; 5] = ["requeue", "finalizer", "owned", "watch-label", "watch-field"];

struct Cases;

impl Controller for Cases {
    type Primary = Case;

    fn manifest() -> Manifest {
        Manifest::new("sdk-cases")
            .selects(LABEL)
            .owns::<ConfigMap>()
            .watches_selected::<ConfigMap>(
                Mapping::Label("cases.polyreme.dev/wakes"),
                "cases.polyreme.dev/wakes",
            )
            .watches_selected::<ConfigMap>(
                Mapping::Field("spec.input.source"),
                "cases.polyreme.dev/source=yes",
            )
            .indexes("spec.input.group")
            .asks::<ConfigMap>(&["create", "update", "patch", "apply", "delete"])
            .asks::<Namespace>(&["get"])
            .asks::<Secret>(&["get"])
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn reconcile(ctx: &Context, case: Case) -> Result<Action, Error> {
        let answered =
            case.status.as_ref().is_some_and(|status| status.observed_generation == case.generation());
        if answered && !REPEATED.contains(&case.spec.case.as_str()) {
            return Ok(Action::Done);
        }
        let (output, action) = match run(ctx, &case)? {
            Outcome::Output(output) => (output, Action::Done),
            Outcome::Again(output, delay) => (output, Action::RequeueAfter(delay)),
            Outcome::Silent => return Ok(Action::Done),
        };
        ctx.patch_status(&case, &CaseStatus { observed_generation: case.generation(), output })?;
        Ok(action)
    }

    fn deleted(ctx: &Context, _case: &ObjectRef) -> Result<Action, Error> {
        info!(ctx, "gone");
        Ok(Action::Done)
    }
}

polyreme_sdk::controller!(Cases);

fn run(ctx: &Context, case: &Case) -> Result<Outcome, Error> {
    let output = match case.spec.case.as_str() {
        "idle" | "gone" => json!({}),
        "request" => request(ctx),
        "settings" => json!({ "settings": ctx.settings::<Value>()? }),
        "numbers" => numbers(&case.spec.input)?,
        "unicode" => unicode(ctx, &case.spec.input)?,
        "deep" => deep(&case.spec.input),
        "large" => writes::large(ctx, case)?,
        "get" => reads::colour(ctx, "get-source")?,
        "get-live" => reads::colour(&ctx.live(), "get-live-source")?,
        "get-cluster-scoped" => reads::own_namespace(ctx, case)?,
        "get-missing" => refusal(ctx.get::<ConfigMap>("nobody")),
        "read-own-write" => reads::own_write(ctx, case)?,
        "list" => reads::labelled(ctx, case, "part=list", None)?,
        "list-pages" => reads::labelled(ctx, case, "part=pages", Some(2))?,
        "list-index" => reads::indexed(ctx, case)?,
        "list-live" => reads::live(ctx, case)?,
        "create" => writes::create(ctx, case)?,
        "create-existing" => writes::create_existing(ctx, case),
        "update" => writes::update(ctx)?,
        "update-conflict" => writes::update_conflict(ctx)?,
        "apply" => writes::apply(ctx, case)?,
        "apply-force" => writes::apply_force(ctx, case)?,
        "apply-all" => writes::apply_all(ctx, case),
        "write-options" => writes::options(ctx, case)?,
        "patch-merge" => writes::patch_merge(ctx)?,
        "patch-json" => writes::patch_json(case)?,
        "patch-strategic" => writes::patch_strategic(case)?,
        "status" => writes::status(ctx, case)?,
        "delete" => writes::delete(ctx)?,
        "delete-precondition" => writes::delete_precondition(ctx, case),
        "invalid" => refusals::invalid(ctx, case),
        "forbidden" => refusals::forbidden(ctx, &case.spec.input)?,
        "not-granted" => refusal(ctx.get::<Secret>("anything")),
        "limit-exceeded" => refusals::limit_exceeded(ctx, case),
        "bad-request" => refusal(ctx.create(&ConfigMap::default())),
        "events" => reports::events(ctx, case),
        "logs" => reports::logs(ctx),
        "print" => reports::print(),
        "metrics" => reports::metrics(ctx),
        "http-get" => requests::get(ctx, &case.spec.input)?,
        "http-post" => requests::post(ctx, &case.spec.input)?,
        "http-json" => requests::json(ctx, &case.spec.input)?,
        "http-statuses" => requests::statuses(ctx, &case.spec.input)?,
        "http-not-granted" => requests::not_granted(ctx, &case.spec.input)?,
        "http-too-large" => requests::too_large(ctx, &case.spec.input)?,
        "http-limit-exceeded" => requests::limit_exceeded(ctx, &case.spec.input)?,
        "http-timeout" => requests::timeout(ctx, &case.spec.input)?,
        "http-bad-request" => requests::bad_request(ctx, &case.spec.input)?,
        "http-connect" => requests::connect(ctx),
        "clock" => reports::clock(ctx),
        "random" => reports::random(ctx),
        "requeue" => return Ok(outcomes::requeue(case)),
        "retry" => outcomes::retry(ctx)?,
        "terminal" => outcomes::terminal(&case.spec.input)?,
        "panic" => outcomes::panic(ctx),
        "finalizer" => return outcomes::finalizer(ctx, case),
        "owned" => wakes::owned(ctx, case)?,
        "watch-label" => wakes::value(ctx, "watch-label-source")?,
        "watch-field" => wakes::value(ctx, text(&case.spec.input, "source")?)?,
        name => return Err(Error::terminal(format!("unknown case {name:?}"))),
    };
    Ok(Outcome::Output(output))
}

fn request(ctx: &Context) -> Value {
    info!(ctx, "reconcile {}", ctx.id());
    let object = ctx.object();
    json!({
        "apiVersion": object.api_version, "kind": object.kind,
        "namespace": object.namespace, "name": object.name,
        "attempt": ctx.attempt(), "id": ctx.id(), "idempotencyKey": ctx.idempotency_key(),
        "epoch": ctx.epoch().to_string(),
    })
}

fn numbers(input: &Value) -> Result<Value, Error> {
    let beyond = input.get("beyond").and_then(Value::as_i64);
    let beyond = beyond.ok_or_else(|| Error::terminal("spec.input.beyond is no whole number"))?;
    Ok(json!({ "numbers": input, "next": beyond + 1 }))
}

fn unicode(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let (text, key) = (text(input, "text")?, text(input, "naïve🔑")?);
    info!(ctx, "{text}");
    Ok(json!({ "text": text, "characters": text.chars().count(), "bytes": text.len(), "key": key }))
}

fn deep(input: &Value) -> Value {
    let (mut place, mut depth) = (input, 0);
    while let Some(inner) = place.get("nested") {
        (place, depth) = (inner, depth + 1);
    }
    json!({ "depth": depth, "leaf": place.get("leaf") })
}

/// A text of the input.
fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, Error> {
    let missing = || Error::terminal(format!("spec.input.{name} is no text"));
    input.get(name).and_then(Value::as_str).ok_or_else(missing)
}

/// A ConfigMap that the case controls.
fn child(case: &Case, name: &str, data: &[(&str, &str)]) -> ConfigMap {
    config_map(case.child(name), data)
}

/// A ConfigMap that nobody controls, in the namespace of the case.
fn plain(case: &Case, name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let mut metadata = polyreme_sdk::ObjectMeta { name: Some(name.to_owned()), ..Default::default() };
    metadata.namespace.clone_from(&case.metadata.namespace);
    config_map(metadata, data)
}

fn config_map(metadata: polyreme_sdk::ObjectMeta, data: &[(&str, &str)]) -> ConfigMap {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ConfigMap { metadata, data: Some(data), ..Default::default() }
}

/// One field of a ConfigMap's data.
fn field(object: &ConfigMap, name: &str) -> Option<String> {
    object.data.as_ref()?.get(name).cloned()
}

/// The contract's word for why something was not done.
fn reason<T>(outcome: &Result<T, Error>) -> &'static str {
    match outcome.as_ref().err().and_then(Error::reason) {
        Some(Reason::NotFound) => "not-found",
        Some(Reason::AlreadyExists) => "already-exists",
        Some(Reason::Conflict) => "conflict",
        Some(Reason::Invalid) => "invalid",
        Some(Reason::Forbidden) => "forbidden",
        Some(Reason::TooManyRequests) => "too-many-requests",
        Some(Reason::Gone) => "gone",
        Some(Reason::NotGranted) => "not-granted",
        Some(Reason::NotOwner) => "not-owner",
        Some(Reason::LimitExceeded) => "limit-exceeded",
        Some(Reason::BadRequest) => "bad-request",
        Some(Reason::Timeout) => "timeout",
        Some(Reason::Unavailable) => "unavailable",
        Some(Reason::Other) => "other",
        None => "none",
    }
}

/// Reason and message.
fn refusal<T>(outcome: Result<T, Error>) -> Value {
    let reason = reason(&outcome);
    json!({ "reason": reason, "message": outcome.err().map(|error| error.chain()) })
}
