//! What a host's client is connected to: hyper's connections end in the host's own machine, and every
//! request becomes a parcel that the network may do anything with.
//!
//! The client is the one that hosts have: kube's, over hyper's pool, which is what tells the gate of
//! writes whether a request found a connection. Only the connector is another: it makes a pipe to a
//! [`gateway`](carry) in the same runtime. A crash takes client, pipe and gateway; what was handed to the
//! wire before goes on.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, Uri, header, response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::rt::Executor as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::middleware::BaseUriLayer;
use kube::client::{Body, ClientBuilder, DynBody};
use parking_lot::Mutex;
use polyreme::host::Transport;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tower::util::BoxService;
use tower::{BoxError, Layer as _, ServiceExt as _};

/// What a connection buffers, as in the kernel.
const PIPE_BYTES: usize = 64 * 1024;
/// Parts of an answer that wait for a host that is stopped: a watch of it breaks beyond that.
const PARTS: usize = 4096;

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Part {
    /// Status and headers.
    Head(Box<response::Parts>),
    /// Bytes of the body.
    Data(Bytes),
    /// The body is complete.
    End,
    /// The connection broke.
    Broken,
}

/// Something that a machine handed to the network.
#[allow(clippy::large_enum_variant, reason = "each lives once, in a queue of a few hundred")]
pub(crate) enum Sent {
    /// A request of a host.
    Asked(Asked),
    /// The host does not wait for the answer any more.
    HungUp(u64),
    /// A part of the server's answer to one copy of a request.
    Answered { exchange: u64, copy: u8, part: Part },
}

/// A request of a host.
pub(crate) struct Asked {
    pub(crate) exchange: u64,
    pub(crate) host: usize,
    pub(crate) request: Request<Bytes>,
    pub(crate) answer: mpsc::Sender<Part>,
}

/// Where machines leave what they send, until the network collects it.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Outbox>>);

#[derive(Default)]
struct Outbox {
    sent: Vec<Sent>,
    exchanges: u64,
    /// Hosts that find no connection.
    refused: BTreeSet<usize>,
}

impl Wire {
    /// Everything that was sent since the last time, in its order.
    pub(crate) fn collect(&self) -> Vec<Sent> {
        std::mem::take(&mut self.0.lock().sent)
    }

    pub(crate) fn send(&self, sent: Sent) {
        self.0.lock().sent.push(sent);
    }

    /// Whether a host's connections are refused from now on.
    pub(crate) fn refuse(&self, host: usize, refuses: bool) {
        let refused = &mut self.0.lock().refused;
        if refuses {
            refused.insert(host);
        } else {
            refused.remove(&host);
        }
    }

    fn refuses(&self, host: usize) -> bool {
        self.0.lock().refused.contains(&host)
    }

    fn ask(&self, host: usize, request: Request<Bytes>, answer: mpsc::Sender<Part>) -> Call {
        let mut outbox = self.0.lock();
        outbox.exchanges += 1;
        let exchange = outbox.exchanges;
        outbox.sent.push(Sent::Asked(Asked { exchange, host, request, answer }));
        Call { wire: self.clone(), exchange }
    }
}

/// Hangs up when it is dropped.
struct Call {
    wire: Wire,
    exchange: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.wire.send(Sent::HungUp(self.exchange));
    }
}

/// The connection of a host, which must run in that host's runtime.
pub(crate) fn transport(wire: &Wire, host: usize, token: &str) -> ClientBuilder<Transport> {
    let (wire, token) = (wire.clone(), Arc::<str>::from(format!("Bearer {token}")));
    let connector = tower::service_fn(move |_: Uri| {
        let (wire, token) = (wire.clone(), Arc::clone(&token));
        std::future::ready(connect(wire, host, token))
    });
    let hyper = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = BaseUriLayer::new(Uri::from_static("http://simulated")).layer(hyper);
    let service = service.map_response(|answer: Response<Incoming>| {
        answer.map(|body| Box::new(body.map_err(BoxError::from)) as Box<DynBody>)
    });
    ClientBuilder::new(BoxService::new(service.map_err(BoxError::from)), "default")
}

fn connect(wire: Wire, host: usize, token: Arc<str>) -> io::Result<TokioIo<Pipe>> {
    if wire.refuses(host) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let gateway = service_fn(move |request| carry(wire.clone(), host, Arc::clone(&token), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(theirs), gateway);
    TokioExecutor::new().execute(connection);
    Ok(TokioIo::new(Pipe(ours)))
}

/// Hands a request to the wire and its answer back, part by part.
async fn carry(
    wire: Wire,
    host: usize,
    token: Arc<str>,
    request: Request<Incoming>,
) -> io::Result<Response<impl hyper::body::Body<Data = Bytes, Error = io::Error>>> {
    let (mut head, body) = request.into_parts();
    let token: HeaderValue = token.parse().map_err(io::Error::other)?;
    head.headers.insert(header::AUTHORIZATION, token);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (answer, mut parts) = mpsc::channel(PARTS);
    let call = wire.ask(host, Request::from_parts(head, body), answer);
    let Some(Part::Head(head)) = parts.recv().await else {
        return Err(io::ErrorKind::ConnectionReset.into());
    };
    let rest = stream::unfold((parts, call), |(mut parts, call)| async move {
        let frame: io::Result<Frame<Bytes>> = match parts.recv().await {
            Some(Part::Data(bytes)) => Ok(Frame::data(bytes)),
            Some(Part::End) => return None,
            Some(Part::Head(_) | Part::Broken) | None => Err(io::ErrorKind::ConnectionReset.into()),
        };
        Some((frame, (parts, call)))
    });
    Ok(Response::from_parts(*head, StreamBody::new(rest)))
}

/// A pipe that hyper takes for a connection.
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
