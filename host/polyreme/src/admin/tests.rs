//! The endpoints as a client sees them.

use std::net::Ipv4Addr;

use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

fn endpoints() -> (Router, Readiness) {
    let readiness = Readiness::default();
    let router = router(Endpoints { metrics: Metrics::new(), readiness: readiness.clone() });
    (router, readiness)
}

async fn get(router: &Router, path: &str, accept: &str) -> (u16, String, String) {
    let request = http::Request::get(path).header("accept", accept).body(axum::body::Body::empty());
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let header = response.headers().get("content-type");
    let kind = header.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_host_without_controllers_yet_is_alive_but_not_ready() {
    let (router, _) = endpoints();
    assert_eq!(get(&router, "/healthz", "*/*").await.0, 200);
    let (status, _, text) = get(&router, "/readyz", "*/*").await;
    assert_eq!((status, text.as_str()), (503, "[-]host failed: starting\nreadyz check failed\n"));
}

#[tokio::test]
async fn readyz_names_each_controller_and_why_it_is_not_ready() {
    let (router, readiness) = endpoints();
    readiness.set("website", Ok(()));
    readiness.set("readier", Err("waiting for the list of Deployment".into()));
    let (status, _, text) = get(&router, "/readyz", "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("[+]website ok\n"), "{text}");
    assert!(text.contains("[-]readier failed: waiting for the list of Deployment\n"), "{text}");
    readiness.set("readier", Ok(()));
    assert_eq!(get(&router, "/readyz", "*/*").await.0, 200);
}

#[tokio::test]
async fn readyz_is_json_for_those_who_ask() {
    let (router, readiness) = endpoints();
    readiness.set("website", Err("starting".into()));
    let (_, kind, text) = get(&router, "/readyz", "application/json").await;
    assert_eq!(kind, "application/json");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["checks"][0]["reason"], "starting");
}

#[tokio::test]
async fn a_host_that_shuts_down_is_not_ready() {
    let (router, readiness) = endpoints();
    readiness.set("website", Ok(()));
    readiness.shutting_down();
    let (status, _, text) = get(&router, "/readyz", "*/*").await;
    assert_eq!(status, 503);
    assert!(text.contains("shutting down"), "{text}");
}

#[tokio::test]
async fn metrics_come_in_the_format_asked_for() {
    let (router, _) = endpoints();
    let (_, kind, text) = get(&router, "/metrics", "*/*").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert!(text.contains("polyreme_build_info{version="), "{text}");
    let (_, kind, _) = get(&router, "/metrics", "application/openmetrics-text").await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
}

#[tokio::test]
async fn a_taken_address_is_an_error_with_the_remedy() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let token = CancellationToken::new();
    let Err(error) = serve(address, Metrics::new(), Readiness::default(), token).await else {
        panic!("two servers on one address");
    };
    assert!(error.to_string().contains("set another `admin.address`"), "{error}");
}

#[tokio::test]
async fn the_server_answers_over_tcp() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::select! {
        answer = client => answer,
        () = server::accept(listener, endpoints().0) => unreachable!("the server ended"),
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("ok\n"), "{answer}");
}
