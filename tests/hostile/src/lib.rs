//! A guest that misbehaves in whatever way its object says.
//!
//! Its primaries are ConfigMaps with the label `polyreme.dev/hostile`. The label's value
//! chooses the deed, so that one module can be good for one object and bad for another: a
//! host must survive the bad ones and go on with the good. Built and run like any other
//! guest; the scenarios in `tests/scenarios/hostile` say what the host must do, and
//! `cargo xtask bench hostile` what its neighbours notice.

mod floods;
mod forgeries;

use polyreme_sdk::bindings::polyreme::controller::clock;
use polyreme_sdk::k8s_openapi::api::coordination::v1::Lease;
use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Secret};
use polyreme_sdk::{Action, Context, Controller, Error, HttpRequest, Manifest, Object};

const LABEL: &str = "polyreme.dev/hostile";
/// More than a module is given by default.
const TOO_MUCH: usize = 512 << 20;
const BLOCK: usize = 1 << 20;
const DAY_NANOS: u64 = 86_400_000_000_000;

struct Hostile;

impl Controller for Hostile {
    type Primary = ConfigMap;

    fn manifest() -> Manifest {
        Manifest::new("hostile")
            .selects(LABEL)
            .owns::<ConfigMap>()
            .asks::<Secret>(&["get"])
            .asks::<Lease>(&["create", "update", "patch", "apply", "delete"])
    }

    fn reconcile(ctx: &Context, object: ConfigMap) -> Result<Action, Error> {
        let deed = object.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
        match deed.map(String::as_str) {
            Some("loop") => spin(),
            Some("recurse") => Err(Error::retry(dig(0).to_string())),
            Some("hog") => hog(),
            Some("panic") => give_up(),
            Some("clock") => wait_for_the_clock(),
            Some("hurry") => Ok(Action::RequeueAfter(std::time::Duration::ZERO)),
            Some("not-text") => Err(floods::text_that_is_none()),
            Some("long-verdict") => Err(floods::too_long_a_verdict()),
            Some("logs") => floods::logs(ctx),
            Some("calls") => floods::calls(&object),
            Some("payload") => floods::payload(&object),
            Some("random") => floods::random_bytes(),
            Some("hold") => hold(ctx, &object),
            Some("invalid-json") => forgeries::write("{\"apiVersion\": \"v1\", oops", None),
            Some("no-kind") => forgeries::write("{\"metadata\": {\"name\": \"nothing\"}}", None),
            Some("manager") => forgeries::in_the_name_of_another(&object),
            Some("lease") => forgeries::a_lease(&object),
            Some("event") => forgeries::an_event(&object),
            Some("not-granted") => {
                ctx.get_in::<Secret>("kube-system", "somebody-elses").map(|_| Action::Done)
            }
            _ => behave(ctx, &object),
        }
    }
}

polyreme_sdk::controller!(Hostile);

/// What a good controller does: one child.
fn behave(ctx: &Context, object: &ConfigMap) -> Result<Action, Error> {
    let name = format!("{}-child", object.name());
    ctx.apply(&ConfigMap { metadata: object.child(&name), ..Default::default() })?;
    Ok(Action::Done)
}

/// Uses CPU until it is stopped.
fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Calls itself until there is no stack. It keeps next to nothing in memory, where the stack of Rust would end
/// before that of the machine.
#[allow(unconditional_recursion, reason = "that is the deed")]
fn dig(depth: u64) -> u64 {
    let deeper = dig(std::hint::black_box(depth.wrapping_add(1)));
    std::hint::black_box(deeper).wrapping_mul(depth | 3)
}

/// Uses memory until there is none.
fn hog() -> Result<Action, Error> {
    let blocks: Vec<Vec<u8>> = (0..TOO_MUCH / BLOCK).map(|_| std::hint::black_box(vec![1; BLOCK])).collect();
    Err(Error::terminal(format!("got {} MiB, which nobody should have given", blocks.len())))
}

#[allow(clippy::panic, reason = "that is the deed")]
fn give_up() -> ! {
    panic!("the hostile guest gave up")
}

/// Asks for the time, which no quota counts, until it is tomorrow.
fn wait_for_the_clock() -> Result<Action, Error> {
    let start = clock::monotonic();
    while clock::monotonic().wrapping_sub(start) < DAY_NANOS {}
    Err(Error::terminal("it is tomorrow"))
}

/// Waits for a server that never answers: its URL is in the object.
fn hold(ctx: &Context, object: &ConfigMap) -> Result<Action, Error> {
    let url = object.data.as_ref().and_then(|data| data.get("url"));
    let url = url.ok_or_else(|| Error::terminal("there is no data.url"))?;
    let answer = ctx.http(&HttpRequest::get(url))?;
    Err(Error::terminal(format!("an answer that nobody should have given: {}", answer.text())))
}
