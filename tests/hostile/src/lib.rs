//! A guest that misbehaves in whatever way its object says.
//!
//! Its primaries are ConfigMaps with the label `polyreme.dev/hostile`. The label's value
//! chooses the deed, so that one module can be good for one object and bad for another: a
//! host must survive the bad ones and go on with the good. Built and run like any other
//! guest; the scenarios in `tests/scenarios/hostile.rs` say what the host must do.

use polyreme_sdk::bindings::polyreme::controller::kubernetes;
use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Secret};
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, WriteOptions};

const LABEL: &str = "polyreme.dev/hostile";
/// More than a module is given by default.
const TOO_MUCH: usize = 512 << 20;
const BLOCK: usize = 1 << 20;

struct Hostile;

impl Controller for Hostile {
    type Primary = ConfigMap;

    fn manifest() -> Manifest {
        Manifest::new("hostile").selects(LABEL).owns::<ConfigMap>().asks::<Secret>(&["get"])
    }

    fn reconcile(ctx: &Context, object: ConfigMap) -> Result<Action, Error> {
        let deed = object.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
        match deed.map(String::as_str) {
            Some("loop") => spin(),
            Some("hog") => hog(),
            Some("panic") => give_up(),
            Some("invalid-json") => write("{\"apiVersion\": \"v1\", oops"),
            Some("no-kind") => write("{\"metadata\": {\"name\": \"nothing\"}}"),
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

/// Uses memory until there is none.
fn hog() -> Result<Action, Error> {
    let blocks: Vec<Vec<u8>> = (0..TOO_MUCH / BLOCK).map(|_| std::hint::black_box(vec![1; BLOCK])).collect();
    Err(Error::terminal(format!("got {} MiB, which nobody should have given", blocks.len())))
}

#[allow(clippy::panic, reason = "that is the deed")]
fn give_up() -> ! {
    panic!("the hostile guest gave up")
}

/// Around the SDK, which writes only what is JSON.
fn write(text: &str) -> Result<Action, Error> {
    let options = WriteOptions {
        subresource: None,
        field_manager: None,
        force: false,
        dry_run: false,
        want_object: false,
    };
    match kubernetes::apply(text, &options) {
        Ok(_) => Err(Error::terminal("the host wrote what is no object")),
        Err(error) => Err(Error::retry(error.message)),
    }
}
