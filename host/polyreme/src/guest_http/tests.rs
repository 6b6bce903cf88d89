//! Requests of a guest to a server on loopback: what arrives there, and what the guest is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{get, post};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::*;
use crate::config::{HostPattern, HttpGrant, Scheme};
use crate::metrics::{Format, Metrics};
use crate::ownership::LaneSlots;
use polyreme_ownership::{SlotId, SlotState};

impl GuestHttp {
    /// With these grants, and metrics that nobody reads.
    pub(crate) fn for_test(grants: &[HttpGrant], limits: &Limits) -> Self {
        Self::counting(grants, limits, &Metrics::new())
    }

    fn counting(grants: &[HttpGrant], limits: &Limits, metrics: &Metrics) -> Self {
        let policy = HttpPolicy::new("vm", std::path::Path::new("p.yaml").into(), grants.to_vec(), vec![]);
        Self::new(policy, limits, metrics.module("vm"))
    }
}

/// What the server knows and waits for.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    arrived: Notify,
    answer: Notify,
}

struct Bench {
    http: ReconcileHttp,
    lane: Arc<LaneSlots>,
    seen: Arc<Seen>,
    at: SocketAddr,
    metrics: Metrics,
    _server: JoinSet<()>,
}

fn grant(host: &str, port: u16, networks: &[&str]) -> HttpGrant {
    HttpGrant {
        hosts: vec![HostPattern::parse(host).unwrap()],
        methods: vec![Method::GET, Method::POST],
        scheme: Scheme::Http,
        ports: vec![port],
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        line: Some(5),
    }
}

async fn hold(State(seen): State<Arc<Seen>>) -> &'static str {
    seen.arrived.notify_one();
    seen.answer.notified().await;
    "late"
}

async fn count(
    State(seen): State<Arc<Seen>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}

fn router(seen: Arc<Seen>) -> Router {
    let echo = |headers: HeaderMap, body: Bytes| async move {
        let note = headers.get("x-note").cloned().unwrap_or_else(|| http::HeaderValue::from_static("none"));
        (StatusCode::CREATED, [("x-note", note)], body)
    };
    Router::new()
        .route("/echo", post(echo))
        .route("/away", get(|| async { Redirect::temporary("http://169.254.169.254/") }))
        .route("/large", get(|| async { "x".repeat(9 << 10) }))
        .route("/hold", get(hold))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&seen), count))
        .with_state(seen)
}

impl Bench {
    /// May use the server.
    async fn granted() -> Self {
        Self::with(|port| vec![grant("127.0.0.1", port, &["127.0.0.0/8"])]).await
    }

    async fn with(grants: impl Fn(u16) -> Vec<HttpGrant>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (seen, metrics) = (Arc::new(Seen::default()), Metrics::new());
        let limits = Limits { payload: crate::config::Quantity::from_bytes(8 << 10), ..Limits::default() };
        let shared = GuestHttp::counting(&grants(at.port()), &limits, &metrics);
        let lane = Arc::new(LaneSlots::everything("w".into()));
        let permit = lane.permit(SlotId(0)).ok().unwrap();
        let http = ReconcileHttp { shared: Arc::new(shared), permit, outstanding: TaskTracker::new() };
        let (mut server, router) = (JoinSet::new(), router(Arc::clone(&seen)));
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { http, lane, seen, at, metrics, _server: server }
    }

    fn get(&self, path: &str) -> Request {
        let url = format!("http://{}{path}", self.at);
        Request { method: "GET".into(), url, headers: vec![], body: None, timeout_ms: None }
    }

    async fn refused(&self, request: Request) -> Reason {
        let answer = self.http.send(request).await;
        answer.expect_err("it was answered").reason
    }

    fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_granted_request_brings_the_whole_response() {
    let bench = Bench::granted().await;
    let note = Header { name: "X-Note".into(), value: "grüße".into() };
    let request = Request {
        method: "POST".into(),
        headers: vec![note.clone()],
        body: Some(vec![0, 255, 10]),
        ..bench.get("/echo")
    };
    let response = bench.http.send(request).await.unwrap();
    assert_eq!((response.status, response.body), (201, vec![0, 255, 10]));
    let noted = Header { name: "x-note".into(), ..note };
    assert!(response.headers.contains(&noted), "{:?}", response.headers);
    let text = bench.metrics.encode(Format::Prometheus);
    let series = "polyreme_guest_http_requests_total{controller=\"vm\",host=\"127.0.0.1\",method=\"POST\",code=\"201\"} 1";
    assert!(text.contains(series), "{text}");
}

#[tokio::test]
async fn what_is_not_granted_is_not_sent_and_counted() {
    let bench = Bench::with(|_| vec![]).await;
    assert_eq!(bench.refused(bench.get("/large")).await, Reason::NotGranted);
    assert_eq!(bench.requests(), 0);
    let text = bench.metrics.encode(Format::Prometheus);
    assert!(text.contains("polyreme_denied_calls_total{controller=\"vm\",function=\"http\"} 1"), "{text}");
}

#[tokio::test]
async fn a_granted_name_that_leads_to_loopback_is_refused_unless_its_network_is_granted() {
    let bench = Bench::with(|port| vec![grant("localhost", port, &[])]).await;
    let there = |bench: &Bench| Request {
        url: format!("http://localhost:{}/echo", bench.at.port()),
        ..bench.get("")
    };
    let refused = bench.http.send(there(&bench)).await.unwrap_err();
    assert_eq!((refused.reason, bench.requests()), (Reason::NotGranted, 0));
    assert!(refused.message.contains("on line 5 of p.yaml: networks: ["), "{}", refused.message);
    let bench = Bench::with(|port| vec![grant("localhost", port, &["127.0.0.0/8"])]).await;
    assert_eq!(bench.http.send(there(&bench)).await.unwrap().status, 405);
}

#[tokio::test]
async fn an_address_is_checked_although_nothing_has_to_be_resolved() {
    let bench = Bench::with(|port| vec![grant("127.0.0.1", port, &[])]).await;
    assert_eq!(bench.refused(bench.get("/large")).await, Reason::NotGranted);
    assert_eq!(bench.requests(), 0);
}

#[tokio::test]
async fn a_redirect_is_a_response() {
    let bench = Bench::granted().await;
    let response = bench.http.send(bench.get("/away")).await.unwrap();
    assert_eq!(response.status, 307);
    let location = Header { name: "location".into(), value: "http://169.254.169.254/".into() };
    assert!(response.headers.contains(&location));
}

#[tokio::test]
async fn a_response_above_the_payload_limit_is_not_passed_on() {
    let bench = Bench::granted().await;
    assert_eq!(bench.refused(bench.get("/large")).await, Reason::TooLarge);
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_not_waited_for() {
    let bench = Bench::granted().await;
    let request = Request { timeout_ms: Some(50), ..bench.get("/hold") };
    assert_eq!(bench.refused(request).await, Reason::Timeout);
    bench.http.outstanding.close();
    bench.http.outstanding.wait().await;
}

#[tokio::test]
async fn nothing_is_sent_for_an_object_that_is_another_hosts() {
    let bench = Bench::granted().await;
    bench.lane.set(&[SlotId(0)].into_iter().collect(), SlotState::NotMine);
    assert_eq!(bench.refused(bench.get("/large")).await, Reason::NotOwner);
    assert_eq!(bench.requests(), 0);
}

#[tokio::test]
async fn nothing_is_sent_when_ownership_is_about_to_lapse() {
    let bench = Bench::granted().await;
    bench.lane.set_valid_until(Some(Duration::from_millis(1)));
    let reason = bench.refused(bench.get("/large")).await;
    assert!(matches!(reason, Reason::NotOwner | Reason::Unavailable), "{reason:?}");
    assert_eq!(bench.requests(), 0);
}

#[tokio::test]
async fn what_was_sent_is_waited_for_although_the_guest_is_gone() {
    let bench = Bench::granted().await;
    let mut call = Box::pin(bench.http.send(bench.get("/hold")));
    tokio::select! {
        _ = &mut call => panic!("nobody answered"),
        () = bench.seen.arrived.notified() => (),
    }
    drop(call);
    let outstanding = bench.http.outstanding.clone();
    drop(bench.http);
    bench.lane.drain_all();
    assert!(!bench.lane.drained().contains(SlotId(0)), "the server may still act");
    bench.seen.answer.notify_one();
    outstanding.close();
    outstanding.wait().await;
    assert!(bench.lane.drained().contains(SlotId(0)), "another host may begin");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_leaves_the_outcome_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let bench = Bench::with(|_| vec![grant("127.0.0.1", at.port(), &["127.0.0.0/8"])]).await;
    let hang_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    };
    let request = Request { url: format!("http://{at}/"), ..bench.get("/") };
    let (answer, ()) = tokio::join!(bench.http.send(request), hang_up);
    assert_eq!(answer.unwrap_err().reason, Reason::Broken);
}

#[tokio::test]
async fn what_kept_a_connection_from_being_made_is_told_apart() {
    // Bound and never listening.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = deaf.local_addr().unwrap();
    let bench = Bench::with(|port| {
        let secure = HttpGrant { scheme: Scheme::Https, ..grant("127.0.0.1", port, &["127.0.0.0/8"]) };
        vec![secure, grant("127.0.0.1", free.port(), &["127.0.0.0/8"])]
    })
    .await;
    let nobody = Request { url: format!("http://{free}/"), ..bench.get("/") };
    assert_eq!(bench.refused(nobody).await, Reason::Connect);
    let no_tls = Request { url: format!("https://{}/", bench.at), ..bench.get("/") };
    assert_eq!(bench.refused(no_tls).await, Reason::Tls);
}

/// A certificate for `localhost`: what trusts it, and what shows it.
fn with_certificate() -> (rustls::ClientConfig, rustls::ServerConfig) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(certificate.clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(trusted);
    let server = rustls::ServerConfig::builder_with_provider(provider);
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate], key.try_into().unwrap()).unwrap();
    (client.with_no_client_auth(), server)
}

#[tokio::test]
async fn a_server_must_show_a_certificate_for_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let bench = Bench::with(|_| {
        let secure = |host| HttpGrant { scheme: Scheme::Https, ..grant(host, port, &["127.0.0.0/8"]) };
        vec![secure("localhost"), secure("127.0.0.1")]
    })
    .await;
    let (client, server) = with_certificate();
    let shared = &bench.http.shared;
    let trusting = connect::client(Arc::clone(&shared.policy), shared.connections, client);
    assert!(shared.client.set(trusting).is_ok(), "no request was sent yet");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let serve = async {
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let asked = |host: &str| Request { url: format!("https://{host}:{port}/"), ..bench.get("/") };
    let ask = async {
        let named = bench.http.send(asked("localhost")).await.unwrap();
        (named.body, bench.refused(asked("127.0.0.1")).await)
    };
    let (answers, ()) = tokio::join!(ask, serve);
    assert_eq!(answers, (b"ok".to_vec(), Reason::Tls));
}
