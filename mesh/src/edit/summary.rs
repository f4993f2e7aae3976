//! Edits in words: `reviews: split 100/0 → 90/10`.

use crate::resource::{DurationString, HttpRoute};
use crate::{Mesh, ResourceKey};

use super::{Edit, FaultSpec, HeaderEquals, RetrySpec, RouteTarget, Share, fault};

/// What an edit does to a mesh, as a phrase.
pub fn summary(mesh: &Mesh, edit: &Edit) -> String {
    match edit {
        Edit::SetWeights { target, shares } => {
            let new = slashes(shares.iter().map(|share| share.weight.to_string()));
            match old_weights(mesh, target, shares) {
                Some(old) if old != new => format!("{}: split {old} → {new}", name(mesh, target)),
                _ => format!("{}: split {new}", name(mesh, target)),
            }
        }
        Edit::InjectFault { target, only, fault, .. } => {
            format!("{}: {}", name(mesh, target), injected(fault.as_ref(), only.as_ref()))
        }
        Edit::SetTimeout { target, millis } => {
            let old = route(mesh, target).and_then(|route| route.timeout.as_ref());
            let new = match millis {
                None => "timeout by default".to_owned(),
                Some(0) => "no timeout".to_owned(),
                Some(millis) => format!("timeout {}", DurationString::from_millis(*millis)),
            };
            match old {
                Some(old) => format!("{}: {new} (was {old})", name(mesh, target)),
                None => format!("{}: {new}", name(mesh, target)),
            }
        }
        Edit::SetRetries { target, retries } => {
            format!("{}: {}", name(mesh, target), retried(retries.as_ref()))
        }
        Edit::SetFields { key, fields } => {
            let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            format!("{}: set {}", short(key), paths.join(", "))
        }
        Edit::ReplaceResource { key, .. } => format!("{}: YAML edited", short(key)),
        Edit::AddResource { file, yaml } => {
            let added = Mesh::parse(&crate::Sources::single("new.yaml", yaml.as_str())).mesh;
            let names: Vec<String> = added.resources().map(|resource| short(&resource.key)).collect();
            format!(
                "add {} to {file}",
                if names.is_empty() { "a document".to_owned() } else { names.join(", ") }
            )
        }
        Edit::RemoveResource { key } => format!("remove {}", short(key)),
        Edit::SetFiles { files } => {
            let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
            format!("files changed: {}", names.join(", "))
        }
    }
}

/// `VirtualService reviews`, with its namespace where that is not `default`.
fn short(key: &ResourceKey) -> String {
    match key.namespace.as_str() {
        "default" => format!("{} {}", key.kind, key.name),
        _ => key.to_string(),
    }
}

/// A target for people: the VirtualService, and which of its routes where it has several.
fn name(mesh: &Mesh, target: &RouteTarget) -> String {
    let key = match target {
        RouteTarget::Service(host) => return host.split('.').next().unwrap_or(host).to_owned(),
        RouteTarget::Route(key) => key,
        RouteTarget::Tcp(key) => return format!("{} tcp #{}", key.name, key.index + 1),
        RouteTarget::Tls(key) => return format!("{} tls #{}", key.name, key.index + 1),
    };
    let Some((service, route)) = mesh.route(key) else { return format!("{} #{}", key.name, key.index + 1) };
    let is_copy = fault::is_fault_copy(route.name.as_deref());
    match route.name.as_deref() {
        _ if is_copy => format!("{} ({})", key.name, requests(route)),
        _ if alone(service.http.as_slice()) => key.name.clone(),
        Some(name) if !name.is_empty() => format!("{} ({name})", key.name),
        _ => format!("{} #{}", key.name, key.index + 1),
    }
}

/// Whether there is one route, copies that carry a fault not counted.
fn alone(routes: &[HttpRoute]) -> bool {
    routes.iter().filter(|route| !fault::is_fault_copy(route.name.as_deref())).count() == 1
}

/// The requests that a copy is for: `end-user: jason`.
fn requests(route: &HttpRoute) -> String {
    let headers = route.r#match.iter().flat_map(|one| &one.headers);
    let mut exact = headers.filter_map(|(name, value)| Some(format!("{name}: {}", value.exact.as_ref()?)));
    exact.next_back().unwrap_or_default()
}

fn route<'m>(mesh: &'m Mesh, target: &RouteTarget) -> Option<&'m HttpRoute> {
    match target {
        RouteTarget::Route(key) => mesh.route(key).map(|(_, route)| route),
        _ => None,
    }
}

/// The weights that a route's destinations have, in the order of the shares; those that go are put behind.
fn old_weights(mesh: &Mesh, target: &RouteTarget, shares: &[Share]) -> Option<String> {
    let old = target.destinations(mesh);
    if old.is_empty() {
        return None;
    }
    let weight = |weight: Option<i64>| weight.unwrap_or(if old.len() == 1 { 100 } else { 0 }).to_string();
    let of = |share: &Share, host: Option<&str>, subset: Option<&str>, port: Option<i64>| {
        host == Some(share.host.as_str())
            && subset == share.subset.as_deref()
            && port == share.port.map(i64::from)
    };
    let found: Vec<Option<usize>> = shares
        .iter()
        .map(|share| {
            old.iter().position(|(to, _)| {
                let port = to.port.as_ref().and_then(|port| port.number);
                of(share, to.host.as_deref(), to.subset.as_deref(), port)
            })
        })
        .collect();
    let gone = (0..old.len()).filter(|at| !found.contains(&Some(*at)));
    let kept = found.iter().map(|at| at.map_or_else(|| "0".to_owned(), |at| weight(old[at].1)));
    Some(slashes(kept.chain(gone.map(|at| weight(old[at].1)))))
}

fn slashes(numbers: impl Iterator<Item = String>) -> String {
    numbers.collect::<Vec<_>>().join("/")
}

fn injected(fault: Option<&FaultSpec>, only: Option<&HeaderEquals>) -> String {
    let mut phrases = Vec::new();
    if let Some(delay) = fault.and_then(|fault| fault.delay.as_ref()) {
        phrases.push(format!("delay {} on {} %", DurationString::from_millis(delay.millis), delay.percent));
    }
    if let Some(abort) = fault.and_then(|fault| fault.abort.as_ref()) {
        phrases.push(match abort.status {
            0 => format!("reset of {} %", abort.percent),
            status => format!("abort {status} on {} %", abort.percent),
        });
    }
    let what = if phrases.is_empty() { "fault removed".to_owned() } else { phrases.join(", ") };
    match only {
        Some(only) => format!("{what} for {}: {}", only.name, only.value),
        None => what,
    }
}

fn retried(retries: Option<&RetrySpec>) -> String {
    let Some(spec) = retries else { return "retries by default".to_owned() };
    if spec.attempts == 0 {
        return "no retries".to_owned();
    }
    let noun = if spec.attempts == 1 { "retry" } else { "retries" };
    let mut text = format!("{} {noun}", spec.attempts);
    if let Some(millis) = spec.per_try_timeout_millis {
        text.push_str(&format!(", {} each", DurationString::from_millis(millis)));
    }
    if let Some(on) = &spec.retry_on {
        text.push_str(&format!(", on {on}"));
    }
    text
}
