//! The checks of `http:` and of networks.

use http::Method;
use ipnet::IpNet;
use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::config::error::suggestion;
use crate::config::raw::RawHttpGrant;
use crate::config::{HostPattern, HttpGrant, METHODS, MIN_PREFIX_V4, MIN_PREFIX_V6, Scheme};

type Names = Spanned<Vec<Spanned<String>>>;

impl Checker {
    pub(super) fn http_grant(&mut self, raw: Spanned<RawHttpGrant>) -> HttpGrant {
        let line = u32::try_from(raw.referenced.line()).ok();
        let raw = raw.value;
        let scheme = raw.scheme.unwrap_or_default();
        HttpGrant {
            hosts: self.read_each("http.hosts", raw.hosts, |text| {
                HostPattern::parse(text).map_err(|why| ("is no host".to_owned(), why.to_owned()))
            }),
            methods: self.read_each("http.methods", raw.methods, method),
            scheme,
            ports: self.ports(scheme, raw.ports),
            networks: raw
                .networks
                .map(|list| self.read_each("http.networks", list, network))
                .unwrap_or_default(),
            line,
        }
    }

    /// `clusterNetworks:`
    pub(super) fn cluster_networks(&mut self, list: Option<Names>) -> Vec<IpNet> {
        list.map(|list| self.read_each("clusterNetworks", list, network)).unwrap_or_default()
    }

    fn ports(&mut self, scheme: Scheme, list: Option<Spanned<Vec<Spanned<u16>>>>) -> Vec<u16> {
        let Some(list) = list else { return vec![scheme.port()] };
        self.not_empty("http.ports", list.value.is_empty(), list.referenced);
        self.each(list.value, |checker, port| {
            if port.value == 0 {
                checker.fault(port.referenced, "http.ports: 0 is no port", "write 1 to 65535");
            }
            port.value
        })
    }

    fn read_each<T>(
        &mut self,
        field: &str,
        list: Names,
        read: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<T> {
        self.not_empty(field, list.value.is_empty(), list.referenced);
        let read = self.each(list.value, |checker, entry| match read(&entry.value) {
            Ok(value) => Some(value),
            Err((problem, remedy)) => {
                checker.fault(entry.referenced, format!("{field}: \"{}\" {problem}", entry.value), remedy);
                None
            }
        });
        read.into_iter().flatten().collect()
    }

    fn not_empty(&mut self, field: &str, is_empty: bool, at: Location) {
        if is_empty {
            let remedy = format!("name at least one, or remove {field}");
            self.fault(at, format!("{field} is empty, which would mean nothing"), remedy);
        }
    }
}

fn method(text: &str) -> Result<Method, (String, String)> {
    let known = METHODS.contains(&text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten();
    known.ok_or_else(|| ("is no method that can be granted".to_owned(), suggestion(text, &METHODS)))
}

fn network(text: &str) -> Result<IpNet, (String, String)> {
    let Ok(network) = text.parse::<IpNet>() else {
        let remedy = "write ADDRESS/PREFIX, such as 10.1.0.0/16 or fd00:1::/48".to_owned();
        return Err(("is no network".to_owned(), remedy));
    };
    let least = if network.addr().is_ipv4() { MIN_PREFIX_V4 } else { MIN_PREFIX_V6 };
    if network.prefix_len() < least {
        let remedy = format!("write a prefix of at least /{least}, one network for each range");
        return Err(("is too wide".to_owned(), remedy));
    }
    if network.trunc() != network {
        return Err(("has bits beyond its prefix".to_owned(), format!("write {}", network.trunc())));
    }
    Ok(network)
}
