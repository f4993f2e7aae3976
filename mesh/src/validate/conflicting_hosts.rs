//! VirtualServices that are for the same host.

use std::collections::HashMap;

use crate::Severity;
use crate::host::{self, Overlaps};
use crate::registry::Visibility;
use crate::resource::walk::At;
use crate::resource::{Resource, VirtualService};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0406",
    severity: Severity::Error,
    title: "Several VirtualServices for one host",
    explanation: "Within the mesh a host has one VirtualService: of several that a namespace sees, the oldest is used and the rules of the others are ignored. At gateways they are merged, oldest first. Merge them into one, or let one delegate to the others.",
    corresponds_to: &["IST0109"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("conflicting_hosts.yaml"),
};

type Entry<'m> = (&'m Resource, &'m VirtualService, String, usize);

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (resource, service) in context.virtual_services() {
        let on_mesh = host::in_mesh(&service.gateways);
        for (index, host) in service.hosts.iter().enumerate().filter(|_| on_mesh) {
            entries.push((resource, service, context.qualify(resource, host).to_ascii_lowercase(), index));
        }
    }
    let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut wildcards = Overlaps::default();
    let mut starred: Vec<usize> = Vec::new();
    for (position, (.., host, _)) in entries.iter().enumerate() {
        exact.entry(host).or_default().push(position);
        if host.starts_with('*') {
            wildcards.add(host);
            starred.push(position);
        }
    }
    for (position, entry) in entries.iter().enumerate() {
        let same = exact.get(entry.2.as_str()).into_iter().flatten().copied();
        // Wildcards that meet are as undecided as equal hosts; an exact host goes before a wildcard.
        let meeting = entry.2.starts_with('*').then(|| wildcards.with(&entry.2)).into_iter().flatten();
        let meeting = meeting.map(|at| starred[at]).filter(|other| entries[*other].2 != entry.2);
        let mut others: Vec<&Entry<'_>> =
            same.chain(meeting).filter(|other| *other != position).map(|at| &entries[at]).collect();
        others.retain(|other| other.0.key != entry.0.key && meet(entry, other));
        others.sort_by(|a, b| a.0.age().cmp(&b.0.age()));
        if let Some(first) = others.first() {
            tell(entry, first, report);
        }
    }
}

/// Whether some namespace sees both.
fn meet(a: &Entry<'_>, b: &Entry<'_>) -> bool {
    let namespaces = |entry: &Entry<'_>| match Visibility::of(&entry.1.export_to) {
        Visibility::Public => None,
        Visibility::None => Some(Vec::new()),
        Visibility::Namespaces(list) => Some(
            list.into_iter().map(|to| if to == "." { entry.0.key.namespace.clone() } else { to }).collect(),
        ),
    };
    match (namespaces(a), namespaces(b)) {
        (None, None) => true,
        (Some(list), None) | (None, Some(list)) => !list.is_empty(),
        (Some(a), Some(b)) => a.iter().any(|namespace| b.contains(namespace)),
    }
}

fn tell(entry: &Entry<'_>, other: &Entry<'_>, report: &mut Report<'_>) {
    let (resource, service, full, index) = entry;
    let host = &service.hosts[*index];
    let name = format!("{}/{}", other.0.key.namespace, other.0.key.name);
    let then = if *full != other.2 {
        format!(
            "for a host that both cover, the one that is used depends on their lengths and ages (the other is `{}`)",
            other.2
        )
    } else if resource.age() < other.0.age() {
        "these rules are used because they are older, and the other ones are ignored".to_owned()
    } else {
        "its rules are used because they are older, and these are ignored".to_owned()
    };
    let message = format!("`{name}` is for `{host}` too: {then}.");
    let finding = report.add(resource, &At::SPEC.field("hosts").index(*index), message);
    if *full != other.2 {
        finding.severity(Severity::Warning);
    }
}
