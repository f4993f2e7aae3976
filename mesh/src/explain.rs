//! Explaining one request: where it would go, and why, rule by rule.
//!
//! It runs [`crate::route`] itself on a plan compiled as the proxy's, and asks the same matcher why a rule did not hold. No
//! dice are thrown: weights are told as probabilities, faults as shares.

mod certain;
mod input;
mod outcome;
mod reason;
mod steps;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::plan::{Compiler, Listener, Plan, Protocol, Source};
use crate::registry::Viewer;
use crate::route::path::normalize;
use crate::route::{Decision, Draws, Request, edge, listener_for, route};
use crate::{Mesh, Registry, Settings};

use certain::Lookup;
pub use input::{BadRequest, fits, header};

/// The request to explain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// Its method; `GET` when empty.
    #[serde(default)]
    pub method: String,
    /// Its authority: host, and port where the client names one.
    pub host: String,
    /// Its path with its query; `/` when empty.
    #[serde(default)]
    pub path: String,
    /// Its headers, names in any case. A name may come several times.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// `http` or `https`; what the listener speaks unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Port of the listener that it comes in on; found by the authority unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Who sets a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutFrom {
    /// The route.
    Route,
    /// The route says nothing, so the default of the mesh holds.
    Mesh,
    /// The request's own headers.
    Request,
}

impl TimeoutFrom {
    /// In words, after the timeout: `15s (mesh default)`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Mesh => "mesh default",
            Self::Request => "request's header",
        }
    }
}

/// What would happen to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// In one word.
    pub status: Status,
    /// The VirtualService that decides, as `namespace/name`.
    pub virtual_service: Option<String>,
    /// The rule that decides.
    pub route: Option<RouteRef>,
    /// The root's rule that leads to it, where it is a delegate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<Root>,
    /// What every request gets, whatever the rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certain: Option<Certain>,
    /// Where it would go.
    pub destinations: Vec<Target>,
    /// For the whole request with its retries; `None` is no limit.
    pub timeout: Option<String>,
    /// Who says so: the route, the mesh's default or the request itself; `None` without a timeout. Only where it was explained: what
    /// programs are told has no such field.
    #[serde(skip)]
    pub timeout_from: Option<TimeoutFrom>,
    /// Retries.
    pub retries: Option<Retries>,
    /// Faults that it may meet.
    pub fault: Option<Faults>,
    /// Where copies would go.
    pub mirror: Option<Vec<Copied>>,
    /// The rules in the order in which they are looked at.
    pub steps: Vec<Step>,
}

/// What happens to a request, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes to a destination.
    Routed,
    /// It is answered by the proxy.
    Direct,
    /// It is redirected.
    Redirect,
    /// The host is known, and no rule takes the request: 404.
    NoRoute,
    /// The host is not known.
    NoHost,
}

/// A rule of a VirtualService.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteRef {
    /// Position in `spec.http`, from 0.
    pub index: usize,
    /// Its name.
    pub name: Option<String>,
}

/// The rule of a VirtualService that delegates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Root {
    /// Its VirtualService, as `namespace/name`.
    pub virtual_service: String,
    /// The rule.
    pub route: RouteRef,
}

/// What every request gets for certain, as long as nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certain {
    /// Status of the answer; 0 where there is none, and the connection is reset.
    pub status: u16,
    /// Envoy's flag: `NC`, `UH` or `FI`.
    pub flag: String,
    /// Why.
    pub reason: String,
}

/// A destination with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Fully qualified host.
    pub host: String,
    /// Subset.
    pub subset: Option<String>,
    /// Port of the service.
    pub port: u16,
    /// Probability, 0 to 1.
    pub weight: f64,
}

/// Retries of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// After the first try.
    pub attempts: u32,
    /// For each try.
    pub per_try_timeout: Option<String>,
    /// Conditions, comma-separated.
    pub retry_on: String,
}

/// Faults that a request may meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// A delay.
    pub delay: Option<Delay>,
    /// An abort.
    pub abort: Option<Abort>,
}

/// A delay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Of requests, 0 to 100.
    pub percentage: f64,
    /// How long.
    pub fixed_delay: String,
}

/// An abort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// Of requests, 0 to 100.
    pub percentage: f64,
    /// Status.
    pub http_status: u16,
    /// gRPC status, where that is what is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u32>,
}

/// A copy of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// Fully qualified host.
    pub host: String,
    /// Subset.
    pub subset: Option<String>,
    /// Port of the service.
    pub port: u16,
    /// Of requests, 0 to 100.
    pub percentage: f64,
}

/// What was thought of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its VirtualService, as `namespace/name`; `None` for what no VirtualService says.
    pub virtual_service: Option<String>,
    /// The rule.
    pub route: Option<RouteRef>,
    /// The root's rule that leads to it, where it is a delegate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<Root>,
    /// Whether it took the request.
    pub matched: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Explains what would happen to a request of a source.
///
/// The crate's own example ends with it.
pub fn explain(
    mesh: &Mesh,
    registry: &Registry,
    settings: &Settings,
    source: &Source,
    revision: u64,
    request: &ExplainRequest,
) -> Explanation {
    explain_for(mesh, registry, settings, &registry.viewer(source), revision, request)
}

/// As [`explain`], for a source whose namespace and labels are given.
pub fn explain_for(
    mesh: &Mesh,
    registry: &Registry,
    settings: &Settings,
    viewer: &Viewer,
    revision: u64,
    request: &ExplainRequest,
) -> Explanation {
    let compiler = Compiler::new(mesh, registry, settings);
    let (plan, trace) = compiler.traced(viewer, revision);
    let Some(listener) = listener(&plan, request) else {
        return outcome::no_listener(request);
    };
    let asked = if request.path.is_empty() { "/" } else { &request.path };
    let path = match normalize(asked, plan.paths) {
        Ok(path) => path,
        Err(why) => return outcome::refused(asked, why),
    };
    let request = &arrived(&plan, listener, request);
    let seen = Seen { request, listener, path };
    let decision = route(listener, &seen, Draws::default());
    let context = compiler.context();
    let lookup = Lookup { context, viewer, plan: &plan, port: listener.port };
    let mut explanation = outcome::explanation(&lookup, &decision, &seen);
    explanation.certain = lookup.certain(&decision);
    let steps = steps::Steps { context, viewer, lookup: &lookup, seen: &seen, decision: &decision };
    explanation.steps = match &decision {
        Decision::NoHost => vec![outcome::unknown_host(listener, request)],
        Decision::NoRoute(host) => steps.of(host, &trace),
        Decision::Forward(chosen, ..) | Decision::Redirect(chosen, _) | Decision::Direct(chosen, _) => {
            steps.of(chosen.host, &trace)
        }
    };
    let taken = explanation.steps.iter().find(|step| step.matched);
    explanation.delegated_by = taken.and_then(|step| step.delegated_by.clone());
    if *seen.path != *asked {
        explanation.steps.insert(0, outcome::normalized(asked, &seen.path));
    }
    explanation
}

/// The request as rules see it: what a client of a gateway may not say is taken off, and what it claims is set right.
fn arrived(plan: &Plan, listener: &Listener, request: &ExplainRequest) -> ExplainRequest {
    let mut request = request.clone();
    if let Source::Gateway { .. } = plan.source {
        const PROTO: &str = "x-forwarded-proto";
        let proto = Seen { request: &request, listener, path: Cow::Borrowed("/") }.scheme().to_owned();
        request.headers.retain(|(name, _)| {
            !edge::is_for_insiders(&name.to_ascii_lowercase()) && !name.eq_ignore_ascii_case(PROTO)
        });
        request.headers.push((PROTO.to_owned(), proto));
    }
    request
}

fn listener<'p>(plan: &'p Plan, request: &ExplainRequest) -> Option<&'p Listener> {
    if let Some(port) = request.port {
        return plan.listener(port);
    }
    let by_authority = listener_for(plan, &request.host);
    match plan.source {
        // The port of an authority says nothing about which of a gateway's ports the request came in on.
        Source::Gateway { .. } => by_authority.or_else(|| plan.listeners.first()),
        Source::Workload { .. } => by_authority,
    }
}

/// The request as the router sees it.
struct Seen<'a> {
    request: &'a ExplainRequest,
    listener: &'a Listener,
    /// In its normal form.
    path: Cow<'a, str>,
}

impl Request for Seen<'_> {
    fn method(&self) -> &str {
        if self.request.method.is_empty() { "GET" } else { &self.request.method }
    }

    fn scheme(&self) -> &str {
        match (&self.request.scheme, self.listener.protocol) {
            (Some(scheme), _) => scheme,
            (None, Protocol::Https) => "https",
            (None, _) => "http",
        }
    }

    fn authority(&self) -> &str {
        &self.request.host
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header<'r>(&'r self, name: &'r str) -> impl Iterator<Item = Cow<'r, str>> {
        let lines = self.request.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| Cow::Borrowed(value.as_str()))
    }
}

#[cfg(test)]
mod tests;
