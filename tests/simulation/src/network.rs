//! The network between hosts and the API server: every request and every part of an answer is a parcel
//! with a time of arrival, and what becomes of it on the way is drawn from the seed.
//!
//! Parts of one answer keep their order, as on a connection; nothing else does. A request that was sent
//! arrives even if its sender has died. What is lost is lost as on a connection: the rest of that answer
//! is lost too, and after a while the connection breaks. A proxy stands in for the network where a request
//! is delivered twice: it asks again when no answer came, as proxies do for requests that name the version
//! they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use polyreme_ownership::slots::fnv1a;
use tokio::sync::mpsc;

use crate::log::Log;
use crate::random::Random;
use crate::wire::{Asked, Part, Sent, Wire};

/// How long a calm way takes, in milliseconds.
const CALM_MILLIS: (u64, u64) = (1, 12);
/// After this long, at most, a connection on which something was lost breaks.
const BREAK_MILLIS: (u64, u64) = (500, 15_000);

/// One direction between a host and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Open,
    /// Parcels wait until it is open again.
    Held,
    /// Parcels are lost.
    Lost,
}

/// What a host's connection is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) up: Way,
    pub(crate) down: Way,
    /// Parcels are late, doubled and lost, each by chance.
    pub(crate) is_rough: bool,
}

/// Something that arrives.
#[allow(clippy::large_enum_variant, reason = "each lives once, in a queue of a few hundred")]
pub(crate) enum Arrival {
    /// A request at the server.
    Request { exchange: u64, copy: u8, request: Request<Bytes> },
    /// Nobody hears what the server sends to this watch.
    Abandoned(u64),
}

enum Parcel {
    Request { exchange: u64, copy: u8 },
    Part { exchange: u64, part: Part },
}

struct Exchange {
    host: usize,
    request: Request<Bytes>,
    answer: mpsc::Sender<Part>,
    /// The copy of which the host hears the answer.
    heard: u8,
    /// No part arrives before this.
    last: Duration,
    /// Something was lost: nothing arrives any more, until it breaks.
    is_mute: bool,
    is_watch: bool,
    copies_under_way: u8,
    hung_up: bool,
}

/// A request of a host, for the judge.
pub(crate) struct Trace {
    pub(crate) at: Duration,
    pub(crate) host: usize,
    pub(crate) token: String,
    pub(crate) is_write: bool,
}

/// See the module's story.
pub(crate) struct Network {
    wire: Wire,
    random: Random,
    links: Vec<Link>,
    is_down: bool,
    /// Hosts whose next watch is refused as too old.
    forgetful: BTreeSet<usize>,
    exchanges: BTreeMap<u64, Exchange>,
    due: BTreeMap<(Duration, u64), Parcel>,
    held: Vec<Parcel>,
    /// Watches that nobody hears any more.
    abandoned: Vec<u64>,
    parcels: u64,
    traces: Vec<Trace>,
    /// Writes of reconciles whose host has heard no answer: its number and the reconcile.
    open: BTreeMap<u64, (usize, String)>,
    requests: u64,
}

impl Network {
    pub(crate) fn new(wire: Wire, random: Random, hosts: usize) -> Self {
        Self {
            wire,
            random,
            links: vec![Link::default(); hosts],
            is_down: false,
            forgetful: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            due: BTreeMap::new(),
            held: Vec::new(),
            abandoned: Vec::new(),
            parcels: 0,
            traces: Vec::new(),
            open: BTreeMap::new(),
            requests: 0,
        }
    }

    /// Every request of a reconcile that a host sent.
    pub(crate) fn take_traces(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.traces)
    }

    /// Reconciles of which a write was not answered, while their process lived.
    pub(crate) fn unanswered(&self) -> BTreeSet<&str> {
        self.open.values().map(|(_, token)| token.as_str()).collect()
    }

    /// A host's process is gone, and with it what it did not know.
    pub(crate) fn died(&mut self, host: usize) {
        self.open.retain(|_, (of, _)| *of != host);
    }

    /// How many requests hosts sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn link(&self, host: usize) -> Link {
        self.links.get(host).copied().unwrap_or_default()
    }

    /// Changes a host's connection; what was held goes on, and what lost something may break.
    pub(crate) fn set_link(&mut self, host: usize, link: Link, now: Duration) {
        if let Some(place) = self.links.get_mut(host) {
            *place = link;
        }
        for parcel in std::mem::take(&mut self.held) {
            let at = now + self.random.millis(0, 300);
            self.post(parcel, at);
        }
    }

    /// New connections of a host are refused, and those it has break.
    pub(crate) fn cut(&mut self, host: usize, now: Duration) {
        self.wire.refuse(host, true);
        self.break_where(|one| one.host == host, now);
    }

    pub(crate) fn mend(&mut self, host: usize) {
        self.wire.refuse(host, false);
    }

    /// The server goes: nobody finds a connection, and all break.
    pub(crate) fn go_down(&mut self, now: Duration) {
        self.is_down = true;
        (0..self.links.len()).for_each(|host| self.wire.refuse(host, true));
        self.break_where(|_| true, now);
    }

    pub(crate) fn come_up(&mut self) {
        self.is_down = false;
        (0..self.links.len()).for_each(|host| self.wire.refuse(host, false));
    }

    /// A host's watches fall silent and break some time later; of what broke the server may have
    /// forgotten where it was.
    pub(crate) fn silence_watches(&mut self, host: usize, forgets: bool, now: Duration) {
        let watches: Vec<u64> = self.of(|one| one.host == host && one.is_watch);
        for exchange in watches {
            self.mute(exchange, now);
        }
        if forgets {
            self.forgetful.insert(host);
        }
    }

    /// The links of all hosts are fine from now on.
    pub(crate) fn calm_down(&mut self, now: Duration) {
        self.come_up();
        self.forgetful.clear();
        for host in 0..self.links.len() {
            self.set_link(host, Link::default(), now);
        }
    }

    fn of(&self, which: impl Fn(&Exchange) -> bool) -> Vec<u64> {
        self.exchanges.iter().filter(|(_, one)| which(one)).map(|(exchange, _)| *exchange).collect()
    }

    fn break_where(&mut self, which: impl Fn(&Exchange) -> bool, now: Duration) {
        for exchange in self.of(which) {
            let at = now + self.random.millis(0, 50);
            self.mute_until(exchange, at);
        }
    }

    /// Nothing arrives on this exchange any more; after a while it breaks.
    fn mute(&mut self, exchange: u64, now: Duration) {
        let at = now + self.random.millis(BREAK_MILLIS.0, BREAK_MILLIS.1);
        self.mute_until(exchange, at);
    }

    fn mute_until(&mut self, exchange: u64, at: Duration) {
        let Some(one) = self.exchanges.get_mut(&exchange) else { return };
        one.is_mute = true;
        self.abandoned.extend(one.is_watch.then_some(exchange));
        self.post(Parcel::Part { exchange, part: Part::Broken }, at);
    }

    fn post(&mut self, parcel: Parcel, at: Duration) {
        self.parcels += 1;
        self.due.insert((at, self.parcels), parcel);
    }

    /// Takes over what machines sent.
    pub(crate) fn collect(&mut self, now: Duration, log: &mut Log) {
        for sent in self.wire.collect() {
            match sent {
                Sent::Asked(asked) => self.asked(asked, now, log),
                Sent::HungUp(exchange) => self.hung_up(exchange, now, log),
                Sent::Answered { exchange, copy, part } => self.answered(exchange, copy, part, now),
            }
        }
    }

    fn asked(&mut self, asked: Asked, now: Duration, log: &mut Log) {
        let Asked { exchange, host, request, answer } = asked;
        self.requests += 1;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        log.line(now, format_args!("#{exchange} host-{host} {method} {uri} {:016x}", fnv1a(request.body())));
        if let Some(token) = token_of(&request) {
            let is_write = method != Method::GET;
            if is_write {
                self.open.insert(exchange, (host, token.clone()));
            }
            self.traces.push(Trace { at: now, host, token, is_write });
        }
        let is_watch = uri.query().is_some_and(|query| query.contains("watch=true"));
        let link = self.link(host);
        let is_doubled = link.is_rough && !is_watch && is_idempotent(&request) && self.random.chance(120);
        let heard = u8::from(is_doubled && self.random.chance(400));
        let is_mute = self.is_down;
        let one = Exchange {
            host,
            request,
            answer,
            heard,
            last: now,
            is_mute,
            is_watch,
            copies_under_way: 1 + u8::from(is_doubled),
            hung_up: false,
        };
        self.exchanges.insert(exchange, one);
        if is_mute {
            return self.post(Parcel::Part { exchange, part: Part::Broken }, now);
        }
        for copy in 0..=u8::from(is_doubled) {
            let delay = self.delay(link) * u32::from(copy + 1);
            self.post(Parcel::Request { exchange, copy }, now + delay);
        }
        if link.is_rough && !is_watch && self.random.chance(60) {
            self.mute(exchange, now);
        }
    }

    fn delay(&mut self, link: Link) -> Duration {
        let (least, most) = CALM_MILLIS;
        if !link.is_rough {
            return self.random.millis(least, most);
        }
        match self.random.within(0, 99) {
            0..80 => self.random.millis(least, 40),
            80..95 => self.random.millis(40, 800),
            _ => self.random.millis(800, 7_000),
        }
    }

    fn hung_up(&mut self, exchange: u64, now: Duration, log: &mut Log) {
        if let Some(one) = self.exchanges.get_mut(&exchange) {
            log.line(now, format_args!("#{exchange} hung up"));
            one.hung_up = true;
            self.abandoned.extend(one.is_watch.then_some(exchange));
        }
        self.forget_if_over(exchange);
    }

    fn forget_if_over(&mut self, exchange: u64) {
        if self.exchanges.get(&exchange).is_some_and(|one| one.hung_up && one.copies_under_way == 0) {
            self.exchanges.remove(&exchange);
        }
    }

    fn answered(&mut self, exchange: u64, copy: u8, part: Part, now: Duration) {
        let Some(one) = self.exchanges.get(&exchange) else { return };
        if one.heard != copy || one.is_mute || one.hung_up {
            return;
        }
        let (link, last) = (self.link(one.host), one.last);
        let at = (now + self.delay(link)).max(last);
        if let Some(one) = self.exchanges.get_mut(&exchange) {
            one.last = at;
        }
        self.post(Parcel::Part { exchange, part }, at);
    }

    /// Delivers to hosts what is due, and returns what arrives at the server.
    pub(crate) fn deliver(&mut self, now: Duration, log: &mut Log) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                Parcel::Request { exchange, copy } => arrivals.extend(self.arrive(exchange, copy, now, log)),
                Parcel::Part { exchange, part } => self.hand_over(exchange, part, now, log),
            }
        }
        arrivals.extend(self.abandoned.drain(..).map(Arrival::Abandoned));
        arrivals
    }

    fn arrive(&mut self, exchange: u64, copy: u8, now: Duration, log: &mut Log) -> Option<Arrival> {
        let host = self.exchanges.get(&exchange)?.host;
        match self.link(host).up {
            Way::Held => {
                self.held.push(Parcel::Request { exchange, copy });
                return None;
            }
            Way::Lost => {
                log.line(now, format_args!("#{exchange}.{copy} is lost"));
                self.mute(exchange, now);
                return self.copy_done(exchange, None);
            }
            Way::Open if self.is_down => return self.copy_done(exchange, None),
            Way::Open => (),
        }
        log.line(now, format_args!("#{exchange}.{copy} arrives"));
        let one = self.exchanges.get(&exchange)?;
        if one.is_watch && self.forgetful.remove(&host) {
            let answer = too_old();
            self.answer_all(exchange, answer, now);
            return self.copy_done(exchange, None);
        }
        let request = one.request.clone();
        self.copy_done(exchange, Some(Arrival::Request { exchange, copy, request }))
    }

    fn copy_done(&mut self, exchange: u64, arrival: Option<Arrival>) -> Option<Arrival> {
        if let Some(one) = self.exchanges.get_mut(&exchange) {
            one.copies_under_way = one.copies_under_way.saturating_sub(1);
        }
        self.forget_if_over(exchange);
        arrival
    }

    fn answer_all(&mut self, exchange: u64, parts: Vec<Part>, now: Duration) {
        for part in parts {
            self.answered(exchange, 0, part, now);
        }
    }

    fn hand_over(&mut self, exchange: u64, part: Part, now: Duration, log: &mut Log) {
        let Some(one) = self.exchanges.get(&exchange) else { return };
        let is_break = matches!(part, Part::Broken);
        if one.is_mute && !is_break {
            return;
        }
        match self.link(one.host).down {
            Way::Held if !is_break => return self.held.push(Parcel::Part { exchange, part }),
            Way::Lost if !is_break => {
                log.line(now, format_args!("#{exchange} falls silent"));
                return self.mute(exchange, now);
            }
            _ => (),
        }
        log.line(now, format_args!("#{exchange} {}", Shown(&part)));
        let is_whole = matches!(part, Part::End);
        // A host that is stopped for long enough loses its connection.
        let is_heard = one.answer.try_send(part).is_ok();
        if is_whole && is_heard {
            self.open.remove(&exchange);
        }
    }
}

/// A Status that says that a watch begins before what the server remembers.
fn too_old() -> Vec<Part> {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}"#;
    let head = http::Response::builder().status(410).header("content-type", "application/json");
    let Ok(head) = head.body(()) else { return vec![Part::Broken] };
    vec![
        Part::Head(Box::new(head.into_parts().0)),
        Part::Data(Bytes::from_static(status.as_bytes())),
        Part::End,
    ]
}

/// What proxies may send twice: reads, and changes that name the version they are for.
fn is_idempotent(request: &Request<Bytes>) -> bool {
    match *request.method() {
        Method::GET => true,
        Method::PUT | Method::PATCH => contains(request.body(), b"\"resourceVersion\""),
        _ => false,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The reconcile that sent it, if it was one: probes name it in the selector of their reads and in the
/// mark that they write.
fn token_of(request: &Request<Bytes>) -> Option<String> {
    if request.method() == Method::GET {
        let query = request.uri().query()?;
        let (_, token) = query.split_once("probe.polyreme.dev%2Ftoken%3D")?;
        return Some(token.chars().take_while(char::is_ascii_alphanumeric).collect());
    }
    let body: serde_json::Value = serde_json::from_slice(request.body()).ok()?;
    body.pointer("/status/mark/token")?.as_str().map(str::to_owned)
}

/// A part, in the log.
struct Shown<'a>(&'a Part);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Part::Head(head) => write!(f, "{}", head.status.as_u16()),
            Part::Data(bytes) => write!(f, "{} bytes {:016x}", bytes.len(), fnv1a(bytes)),
            Part::End => f.write_str("end"),
            Part::Broken => f.write_str("breaks"),
        }
    }
}
