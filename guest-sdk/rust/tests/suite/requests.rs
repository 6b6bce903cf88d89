//! Requests to servers outside of Kubernetes.

use polyreme_sdk::{Action, Error, HttpReason, HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::kinds::{house, reconcile};

#[test]
fn a_response_is_what_the_server_says() {
    let cluster = house().with_server(|request| {
        assert_eq!(request.header_value("Idempotency-Key"), Some("uid"));
        let mut response = HttpResponse::new(201, request.body_bytes());
        response.headers.push(("X-Note".into(), "made".into()));
        Ok(response)
    });
    reconcile(&cluster, |ctx, _| {
        let request = HttpRequest::post("https://cloud.test/v1/machines?token=secret");
        let request = request.header("idempotency-key", "uid").json(&json!({"size": 3}))?;
        let response = ctx.http(&request)?.success()?;
        assert_eq!((response.status, response.header("x-note")), (201, Some("made")));
        assert_eq!(response.json::<Value>()?["size"], 3);
        Ok(Action::Done)
    })
    .unwrap();
    assert_eq!(cluster.take_requests(), ["POST https://cloud.test/v1/machines?token=secret"]);
}

#[test]
fn a_content_type_of_ones_own_is_the_only_one() {
    const OWN: &str = "application/merge-patch+json";
    let cluster = house().with_server(|request| {
        let mut response = HttpResponse::new(200, "");
        let typed = request.header_value("content-type").unwrap_or_default();
        response.headers.push(("x-type".into(), typed.into()));
        Ok(response)
    });
    reconcile(&cluster, |ctx, _| {
        let request = || HttpRequest::new("PATCH", "https://cloud.test/");
        let before = request().header("Content-Type", OWN).json(&json!({}))?;
        let after = request().json(&json!({}))?.header("Content-Type", OWN);
        assert_eq!(before, after);
        assert_eq!(ctx.http(&after)?.header("x-type"), Some(OWN));
        let plain = request().json(&json!({}))?;
        assert_eq!(ctx.http(&plain)?.header("x-type"), Some("application/json"));
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn without_a_server_nothing_is_granted_and_the_error_is_terminal() {
    let refused = reconcile(&house(), |ctx, _| {
        ctx.http(&HttpRequest::get("https://cloud.test/?token=secret"))?;
        Ok(Action::Done)
    });
    let refused = refused.unwrap_err();
    assert_eq!(refused.http_reason(), Some(HttpReason::NotGranted));
    assert!(refused.is_terminal() && refused.is_refused());
    assert!(!refused.chain().contains("secret"), "{}", refused.chain());
}

#[test]
fn an_unexpected_status_and_a_strange_body_are_tried_again() {
    let cluster = house().with_server(|_| Ok(HttpResponse::new(500, "[1, oops")));
    reconcile(&cluster, |ctx, _| {
        let response = ctx.http(&HttpRequest::get("https://cloud.test/"))?;
        let strange = response.json::<Vec<u8>>().unwrap_err();
        assert!(matches!(&strange, Error::Response { .. }) && !strange.is_terminal(), "{strange}");
        let unexpected = response.success().unwrap_err();
        assert_eq!(unexpected.to_string(), "GET https://cloud.test/ answered 500: [1, oops");
        Ok(Action::Done)
    })
    .unwrap();
}
