//! What a module may send where: granted, or not. Pure.
//!
//! Two questions, asked one after the other: may this method go to this server, which a name answers
//! ([`HttpPolicy::decide`]), and may a connection be made to this address, which only resolution can tell
//! ([`HttpPolicy::check`]). A refusal names the line of configuration that would lift it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use ipnet::IpNet;

use super::address;
use crate::config::{HostPattern, HttpGrant, Scheme, ServerName};

/// The server that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// Where.
    pub server: ServerName,
    /// The port, also where the URL names none.
    pub port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.server)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// The rights of one controller.
#[derive(Clone, Debug)]
pub struct HttpPolicy {
    controller: String,
    config: Arc<Path>,
    grants: Vec<HttpGrant>,
    cluster: Vec<IpNet>,
}

impl HttpPolicy {
    /// The rights that the configuration at `config` grants; `cluster` are the networks that it says are the
    /// cluster's.
    #[must_use]
    pub fn new(controller: &str, config: Arc<Path>, grants: Vec<HttpGrant>, cluster: Vec<IpNet>) -> Self {
        Self { controller: controller.to_owned(), config, grants, cluster }
    }

    /// Whether a request may be sent; the pattern is that of the first grant that allows it.
    ///
    /// # Errors
    /// The sentence for the guest when no grant does.
    pub fn decide(&self, method: &Method, target: &Target) -> Result<&HostPattern, String> {
        let mut grants = self.about(target).filter(|(grant, _)| grant.methods.contains(method));
        grants.next().map(|(_, pattern)| pattern).ok_or_else(|| self.refusal(method, target))
    }

    /// Whether a connection may be made to an address of a server. The networks of every grant that names the
    /// server count, whatever its methods: connections are used again.
    ///
    /// # Errors
    /// The sentence for the guest when the address is special and its network not granted.
    pub fn check(&self, target: &Target, at: IpAddr) -> Result<(), String> {
        let granted = self.about(target).flat_map(|(grant, _)| grant.networks.iter().copied());
        let granted: Vec<_> = granted.collect();
        if address::may_connect(at, &granted, &self.cluster) {
            return Ok(());
        }
        let why = address::special(at, &self.cluster).unwrap_or("not granted");
        let line = self.about(target).next().and_then(|(grant, _)| grant.line);
        let line = line.map(|line| format!(" on line {line}")).unwrap_or_default();
        Err(format!(
            "controller {:?} may not connect to {target}, which is at {at} ({why}): no grant names its \
             network; add to the http grant{line} of {}: networks: [{}]",
            self.controller,
            self.config.display(),
            IpNet::from(address::unwrapped(at)),
        ))
    }

    /// Grants for a server, with the pattern that means it.
    fn about(&self, target: &Target) -> impl Iterator<Item = (&HttpGrant, &HostPattern)> {
        let fits = |grant: &&HttpGrant| grant.scheme == target.scheme && grant.ports.contains(&target.port);
        self.grants.iter().filter(fits).filter_map(|grant| {
            let pattern = grant.hosts.iter().find(|pattern| pattern.matches(&target.server))?;
            Some((grant, pattern))
        })
    }

    fn refusal(&self, method: &Method, target: &Target) -> String {
        let Target { scheme, server, port } = target;
        let mut grant = format!("- {{hosts: [\"{server}\"], methods: [{method}]");
        if *scheme != Scheme::default() {
            grant += &format!(", scheme: {}", scheme.as_str());
        }
        if *port != scheme.port() {
            grant += &format!(", ports: [{port}]");
        }
        if let ServerName::Address(at) = server
            && address::special(*at, &self.cluster).is_some()
        {
            grant += &format!(", networks: [{}]", IpNet::from(address::unwrapped(*at)));
        }
        format!(
            "controller {:?} may not {method} {target}: not granted; add to its http in {}: {grant}}}",
            self.controller,
            self.config.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(hosts: &[&str], methods: &[Method], networks: &[&str]) -> HttpGrant {
        HttpGrant {
            hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            methods: methods.to_vec(),
            scheme: Scheme::Https,
            ports: vec![443],
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            line: Some(7),
        }
    }

    fn target(server: &str) -> Target {
        let server = ServerName::parse(server).unwrap();
        Target { scheme: Scheme::Https, server, port: 443 }
    }

    fn policy(grants: Vec<HttpGrant>) -> HttpPolicy {
        HttpPolicy::new("vm", Path::new("polyreme.yaml").into(), grants, vec![])
    }

    #[test]
    fn only_what_a_grant_names_is_allowed() {
        let policy = policy(vec![grant(&["api.example.com", "*.cloud.test"], &[Method::GET], &[])]);
        let allowed = |method: &Method, target: &Target| policy.decide(method, target).is_ok();
        assert!(allowed(&Method::GET, &target("api.example.com")));
        assert!(allowed(&Method::GET, &target("eu.cloud.test")));
        assert!(!allowed(&Method::POST, &target("api.example.com")), "another method");
        assert!(!allowed(&Method::GET, &target("example.com")), "another host");
        let plain = Target { scheme: Scheme::Http, ..target("api.example.com") };
        assert!(!allowed(&Method::GET, &plain), "another scheme");
        let port = Target { port: 8443, ..target("api.example.com") };
        assert!(!allowed(&Method::GET, &port), "another port");
    }

    #[test]
    fn methods_of_one_grant_do_not_mix_with_hosts_of_another() {
        let (reads, writes) =
            (grant(&["a.test"], &[Method::GET], &[]), grant(&["b.test"], &[Method::POST], &[]));
        let policy = policy(vec![reads, writes]);
        assert!(policy.decide(&Method::POST, &target("a.test")).is_err());
    }

    #[test]
    fn a_refusal_is_the_very_line_to_add() {
        let policy = policy(vec![]);
        let refused = policy.decide(&Method::GET, &target("api.example.com")).unwrap_err();
        assert_eq!(
            refused,
            "controller \"vm\" may not GET https://api.example.com: not granted; add to its http in \
             polyreme.yaml: - {hosts: [\"api.example.com\"], methods: [GET]}"
        );
        let local = Target { scheme: Scheme::Http, port: 8080, ..target("127.0.0.1") };
        let refused = policy.decide(&Method::POST, &local).unwrap_err();
        let line = "- {hosts: [\"127.0.0.1\"], methods: [POST], scheme: http, ports: [8080], \
                    networks: [127.0.0.1/32]}";
        assert!(refused.ends_with(line), "{refused}");
    }

    #[test]
    fn where_a_name_leads_is_checked_as_well() {
        let policy = policy(vec![grant(&["a.test"], &[Method::GET], &["10.1.0.0/16"])]);
        let check = |at: &str| policy.check(&target("a.test"), at.parse().unwrap());
        assert_eq!((check("1.1.1.1"), check("10.1.2.3")), (Ok(()), Ok(())));
        let refused = check("169.254.169.254").unwrap_err();
        for part in
            ["169.254.169.254 (link-local", "line 7 of polyreme.yaml", "networks: [169.254.169.254/32]"]
        {
            assert!(refused.contains(part), "{part} in {refused}");
        }
    }

    #[test]
    fn a_network_is_granted_to_its_hosts_only() {
        let policy = policy(vec![
            grant(&["a.test"], &[Method::GET], &["127.0.0.0/8"]),
            grant(&["b.test"], &[Method::GET], &[]),
        ]);
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(policy.check(&target("a.test"), loopback).is_ok());
        assert!(policy.check(&target("b.test"), loopback).is_err());
    }
}
