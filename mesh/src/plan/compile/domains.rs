//! The domains by which a source can name a service.

use std::collections::HashSet;
use std::net::Ipv6Addr;

use crate::registry::Service;

/// The domains of a service for a source in `namespace`: its host, the shorter forms of a cluster's names, its addresses.
/// The second list holds those that were made up, which give way to the real name of another service.
pub(super) fn of_service(service: &Service, namespace: &str, domain: &str) -> (Vec<String>, Vec<String>) {
    let mut all = Vec::new();
    let mut made = Vec::new();
    for host in std::iter::once(&service.host).chain(&service.aliases) {
        let shorter = shorter(host, namespace, domain);
        all.push(bracketed(host));
        all.extend(shorter.iter().cloned());
        made.extend(shorter);
    }
    if service.headless {
        let instances: Vec<String> = all.iter().map(|domain| format!("*.{domain}")).collect();
        all.extend(instances);
    }
    all.extend(service.addresses.iter().map(|address| bracketed(address)));
    (all, made)
}

fn shorter(host: &str, namespace: &str, domain: &str) -> Vec<String> {
    let mut list = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        list.push(format!("{host}."));
    }
    let svc = format!(".svc.{domain}");
    let Some((name, own)) = host.strip_suffix(&svc).and_then(|rest| rest.split_once('.')) else {
        return list;
    };
    if own == namespace {
        list.push(name.to_owned());
    }
    list.push(format!("{name}.{own}"));
    list.push(format!("{name}.{own}.svc"));
    list
}

fn bracketed(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

/// Keeps each domain for the first virtual host of a listener that has it.
#[derive(Default)]
pub(super) struct Taken {
    names: HashSet<String>,
    domains: HashSet<String>,
}

impl Taken {
    /// Takes the name of a virtual host; false when another one has it.
    pub(super) fn name(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned())
    }

    /// The domains that nobody has yet. Those that were made up also give way to `known` hosts.
    pub(super) fn domains(
        &mut self,
        all: Vec<String>,
        made: &[String],
        known: &HashSet<&str>,
    ) -> Vec<String> {
        let free = |domain: &String| !(made.contains(domain) && known.contains(domain.as_str()));
        all.into_iter().filter(free).filter(|domain| self.domains.insert(domain.clone())).collect()
    }
}
