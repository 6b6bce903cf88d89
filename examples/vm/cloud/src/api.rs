//! The HTTP API, and what goes wrong on the way to it.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::log::{Entry, Verdict};
use crate::machines::{Machine, Machines, Wanted};
use crate::{Chance, Faults};

/// What makes a creation safe to repeat.
const KEY: &str = "idempotency-key";

/// The cloud; clones are the same one.
#[derive(Clone, Debug)]
pub struct Cloud {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    machines: Mutex<Machines>,
    chance: Mutex<Chance>,
    faults: Mutex<Faults>,
}

impl Cloud {
    /// Without machines.
    #[must_use]
    pub fn new(faults: Faults, chance: Chance) -> Self {
        let (machines, chance) = (Mutex::default(), Mutex::new(chance));
        Self { inner: Arc::new(Inner { machines, chance, faults: Mutex::new(faults) }) }
    }

    /// From now on these go wrong.
    pub fn set_faults(&self, faults: Faults) {
        *self.inner.faults.lock() = faults;
    }

    /// Everything that was done.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.inner.machines.lock().log.clone()
    }

    /// What the log shows.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.inner.machines.lock().log)
    }

    /// The machines that exist.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine> {
        self.inner.machines.lock().all(Instant::now()).collect()
    }
}

/// The API of a cloud.
pub fn router(cloud: Cloud) -> Router {
    let machine = get(find).put(resize).delete(delete);
    let api = Router::new()
        .route("/v1/machines", get(list).post(create))
        .route("/v1/machines/{id}", machine)
        .layer(from_fn_with_state(cloud.clone(), go_wrong));
    api.route("/v1/log", get(log)).with_state(cloud)
}

/// How one request fares.
enum Fate {
    Answered,
    Refused,
    Dropped,
}

async fn go_wrong(State(cloud): State<Cloud>, request: Request, next: Next) -> Response {
    let faults = *cloud.inner.faults.lock();
    let (fate, before, after) = {
        let mut chance = cloud.inner.chance.lock();
        let fate = match () {
            () if chance.happens(faults.errors) => Fate::Refused,
            () if chance.happens(faults.drops) => Fate::Dropped,
            () => Fate::Answered,
        };
        (fate, chance.time(faults.latency / 2), chance.time(faults.latency / 2))
    };
    sleep(before).await;
    if matches!(fate, Fate::Refused) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the cloud has a bad day").into_response();
    }
    let response = next.run(request).await;
    sleep(after).await;
    if matches!(fate, Fate::Dropped) { hang_up() } else { response }
}

/// Ends the connection in the middle of the answer.
fn hang_up() -> Response {
    let broken = stream::iter([Err::<Bytes, _>(io::Error::other("the answer is lost"))]);
    Response::new(Body::from_stream(broken))
}

#[derive(Deserialize)]
struct NewMachine {
    name: String,
    size: String,
    image: String,
}

async fn create(State(cloud): State<Cloud>, headers: HeaderMap, Json(new): Json<NewMachine>) -> Response {
    let Some(key) = headers.get(KEY).and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, "a creation needs the header Idempotency-Key").into_response();
    };
    let NewMachine { name, size, image } = new;
    let (wanted, now) = (Wanted { name, size, image }, Instant::now());
    let forgets_keys = cloud.inner.faults.lock().forgets_keys;
    let mut machines = cloud.inner.machines.lock();
    let (machine, made) = match forgets_keys {
        true => (machines.make(key, wanted, now), true),
        false => machines.create(key, wanted, now),
    };
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(machine)).into_response()
}

async fn list(State(cloud): State<Cloud>) -> Json<Vec<Machine>> {
    Json(cloud.machines())
}

async fn find(State(cloud): State<Cloud>, Path(id): Path<String>) -> Response {
    or_missing(cloud.inner.machines.lock().find(&id, Instant::now()))
}

#[derive(Deserialize)]
struct Change {
    size: String,
}

async fn resize(State(cloud): State<Cloud>, Path(id): Path<String>, Json(change): Json<Change>) -> Response {
    or_missing(cloud.inner.machines.lock().resize(&id, change.size, Instant::now()))
}

async fn delete(State(cloud): State<Cloud>, Path(id): Path<String>) -> StatusCode {
    let there = cloud.inner.machines.lock().delete(&id);
    if there { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn or_missing(machine: Option<Machine>) -> Response {
    match machine {
        Some(machine) => Json(machine).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such machine").into_response(),
    }
}

async fn log(State(cloud): State<Cloud>) -> Json<serde_json::Value> {
    let log = cloud.log();
    Json(json!({ "verdict": Verdict::of(&log), "log": log }))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use tower::ServiceExt as _;

    use super::*;

    fn post(key: Option<&str>) -> Request {
        let body = r#"{"name": "default/web", "size": "small", "image": "debian-13"}"#;
        let mut request = Request::builder().method(Method::POST).uri("/v1/machines");
        request = request.header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request.body(Body::from(body)).unwrap()
    }

    async fn status(cloud: &Cloud, request: Request) -> StatusCode {
        router(cloud.clone()).oneshot(request).await.unwrap().status()
    }

    fn cloud(faults: Faults) -> Cloud {
        Cloud::new(faults, Chance::new(1))
    }

    #[tokio::test]
    async fn the_same_key_makes_one_machine() {
        let cloud = cloud(Faults::default());
        assert_eq!(status(&cloud, post(Some("k"))).await, StatusCode::CREATED);
        assert_eq!(status(&cloud, post(Some("k"))).await, StatusCode::OK);
        assert_eq!(status(&cloud, post(None)).await, StatusCode::BAD_REQUEST);
        assert_eq!((cloud.machines().len(), cloud.verdict().duplicates()), (1, 0));
    }

    #[tokio::test]
    async fn a_refused_request_is_not_carried_out_and_a_dropped_one_is() {
        let cloud = cloud(Faults { errors: 1.0, ..Faults::default() });
        assert_eq!(status(&cloud, post(Some("k"))).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(cloud.machines().is_empty());
        cloud.set_faults(Faults { drops: 1.0, ..Faults::default() });
        let answer = router(cloud.clone()).oneshot(post(Some("k"))).await.unwrap();
        assert!(axum::body::to_bytes(answer.into_body(), 1024).await.is_err());
        assert_eq!(cloud.machines().len(), 1);
    }

    #[tokio::test]
    async fn a_cloud_that_forgets_keys_is_found_out() {
        let cloud = cloud(Faults { forgets_keys: true, ..Faults::default() });
        for _ in 0..2 {
            assert_eq!(status(&cloud, post(Some("k"))).await, StatusCode::CREATED);
        }
        assert_eq!(cloud.verdict().duplicates(), 1);
    }
}
