//! Taking an applied revision back: what it would do, and whether a person must be asked first, and why. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{Alert, AlertKind, RevisionInfo};
use mesh::edit::{self, FaultSpec, RouteTarget};
use mesh::registry::{Discovery, Service};
use mesh::resource::Spec;
use mesh::resource::virtual_service::Destination;
use mesh::{Diagnostic, Edit, Mesh, Settings, Severity, Sources, diff, host, revert};

use crate::faults::{self, FaultView};
use crate::reading::Reading;
use crate::rules;
use crate::topology::{Places, short_host};

/// What taking a revision back would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Unified diff from what runs now.
    pub diff: String,
    /// Why a person must be asked first; none: nobody need be.
    pub reasons: Vec<Reason>,
    /// Problems that it would bring.
    pub problems: Vec<Diagnostic>,
}

impl Preview {
    /// The server would refuse it.
    pub fn blocked(&self) -> bool {
        self.problems.iter().any(|one| one.severity == Severity::Error)
    }
}

/// Why a person must be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Somebody else made it.
    Anothers {
        /// Who.
        author: String,
    },
    /// A fault that does not act now would act again.
    Fault {
        /// Where: `ratings`.
        at: String,
        /// What: `abort 500 · 100%`.
        what: String,
    },
    /// Requests would go where nothing can answer.
    Starved {
        /// Where to: `reviews v2`.
        to: String,
        /// The largest share of a route that goes there, in percent.
        percent: u32,
        /// Why nothing answers.
        why: &'static str,
    },
}

impl Reason {
    /// As the dialog says it.
    pub fn text(&self) -> String {
        match self {
            Self::Anothers { author } if author == ANONYMOUS => {
                "It was not made in this browser, and its author is unknown.".to_owned()
            }
            Self::Anothers { author } => format!("{author} made it, not you."),
            Self::Fault { at, what } => format!("It brings back a fault at {at}: {what}."),
            Self::Starved { to, percent, why } => {
                format!("It sends {percent}% of a route to {to}, and {why}.")
            }
        }
    }
}

/// The author of who gave no name.
const ANONYMOUS: &str = "anonymous";

/// A revision to take back, with what is known of whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Revision<'r> {
    /// Its description.
    pub info: &'r RevisionInfo,
    /// It was made in this browser.
    pub made_here: bool,
    /// The name under which this person applies; empty without one.
    pub me: &'r str,
    /// The files that it changed.
    pub before: &'r Sources,
    /// What it made of them.
    pub after: &'r Sources,
}

/// What runs now.
#[derive(Debug, Clone, Copy)]
pub struct Running<'r> {
    /// The head.
    pub head: &'r Reading,
    /// Instances that are not used.
    pub alerts: &'r [Alert],
    /// Mesh settings.
    pub settings: &'r Settings,
}

/// What taking it back would do, or why that cannot be done.
pub fn preview(revision: &Revision<'_>, running: &Running<'_>) -> Result<Preview, String> {
    let Running { head, settings, .. } = *running;
    let inverse = [Edit::SetFiles { files: diff::files(revision.after, revision.before) }];
    let (number, before, after) = (revision.info.number, revision.before, revision.after);
    let edits = revert::revert(number, &inverse, before, after, &head.analysis.sources)
        .map_err(|why| sentence(&why.to_string()))?;
    let applied = edit::apply_to(&head.analysis.mesh, &head.analysis.sources, &edits)
        .map_err(|why| sentence(&why.to_string()))?;
    let next = Reading::of(Arc::new(applied.sources), settings, Some(head));
    let places = next.catalog.places();
    Ok(Preview {
        diff: diff::unified(&diff::sources(&head.analysis.sources, &next.analysis.sources)),
        problems: next.beyond(head),
        reasons: reasons(revision, running, &next, &places),
    })
}

/// Whether a person must be asked, and why: a decision on values alone.
fn reasons(revision: &Revision<'_>, running: &Running<'_>, next: &Reading, places: &Places) -> Vec<Reason> {
    let Running { head, alerts, settings } = *running;
    let mut reasons = Vec::new();
    if !is_mine(revision) {
        reasons.push(Reason::Anothers { author: revision.info.author.clone() });
    }
    let now = faults::all(head, places, settings);
    let covered = |fault: &FaultView| {
        now.iter().any(|one| same_requests(head, one, next, fault) && at_least(&one.fault, &fault.fault))
    };
    let back = faults::all(next, places, settings).into_iter().filter(|fault| !covered(fault));
    reasons.extend(
        back.map(|fault| Reason::Fault { at: short_host(&fault.host).to_owned(), what: fault.label }),
    );
    let before = starved(head, alerts, settings);
    for (to, (percent, why)) in starved(next, alerts, settings) {
        if before.get(&to).is_none_or(|(share, _)| percent > *share) {
            reasons.push(Reason::Starved { to, percent, why });
        }
    }
    reasons
}

/// It was made in this browser, or under this person's name.
fn is_mine(revision: &Revision<'_>) -> bool {
    let (author, me) = (revision.info.author.as_str(), revision.me.trim());
    revision.made_here || (author == me && me != ANONYMOUS && !me.is_empty())
}

/// Whether a fault of the head acts on the requests that one of the next revision would act on.
fn same_requests(head: &Reading, now: &FaultView, next: &Reading, other: &FaultView) -> bool {
    let same_route = match (&now.target, &other.target) {
        (RouteTarget::Route(one), RouteTarget::Route(two)) => {
            let conditions = |reading: &Reading, key| {
                reading.analysis.mesh.route(key).map(|(_, route)| route.r#match.clone())
            };
            one.resource() == two.resource() && conditions(head, one) == conditions(next, two)
        }
        (one, two) => one == two,
    };
    let callers = other.callers.is_subset(&now.callers) && (now.unknown_callers || !other.unknown_callers);
    same_route && callers && now.host == other.host
}

/// Whether a fault does at least what another would.
fn at_least(now: &FaultSpec, other: &FaultSpec) -> bool {
    let delay = match (&now.delay, &other.delay) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(now), Some(other)) => now.percent >= other.percent && now.millis >= other.millis,
    };
    let abort = match (&now.abort, &other.abort) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(now), Some(other)) => now.percent >= other.percent && now.status == other.status,
    };
    delay && abort
}

/// Destinations that get requests and have no healthy endpoint: the largest share of a route that goes there, and why.
fn starved(
    reading: &Reading,
    alerts: &[Alert],
    settings: &Settings,
) -> BTreeMap<String, (u32, &'static str)> {
    let mut found = BTreeMap::<String, (u32, &'static str)>::new();
    for (resource, spec) in reading.analysis.mesh.virtual_services() {
        let own = &resource.key.namespace;
        let http = spec.http.iter().map(|route| {
            route.route.iter().map(|one| (one.destination.as_ref(), one.weight)).collect::<Vec<_>>()
        });
        let connections =
            spec.tcp.iter().map(|route| &route.route).chain(spec.tls.iter().map(|route| &route.route));
        let connections = connections
            .map(|route| route.iter().map(|one| (one.destination.as_ref(), one.weight)).collect::<Vec<_>>());
        for route in http.chain(connections) {
            let total: i64 = route.iter().filter_map(|(_, weight)| *weight).sum();
            for (to, weight) in &route {
                let percent = match weight.unwrap_or(0) {
                    _ if route.len() == 1 => 100,
                    weight if weight > 0 => u32::try_from(weight * 100 / total.max(1)).unwrap_or(100).max(1),
                    _ => continue,
                };
                let Some(to) = to else { continue };
                if let Some(why) = unanswered(reading, alerts, settings, to, own) {
                    let entry = found.entry(rules::destination(Some(to))).or_insert((percent, why));
                    entry.0 = entry.0.max(percent);
                }
            }
        }
    }
    found
}

/// Why nothing answers at a destination; `None` where something may.
fn unanswered(
    reading: &Reading,
    alerts: &[Alert],
    settings: &Settings,
    to: &Destination,
    own: &str,
) -> Option<&'static str> {
    let name = host::qualify(to.host.as_deref()?, own, &settings.domain);
    let Some(service) = reading
        .analysis
        .registry
        .service(&name, own)
        .or_else(|| reading.analysis.registry.any_service(&name))
    else {
        return Some("no service has that name");
    };
    if service.discovery != Discovery::Static {
        // Their addresses are not the mesh's to know.
        return None;
    }
    let labels = match &to.subset {
        None => BTreeMap::new(),
        Some(subset) => match labels_of(&reading.analysis.mesh, reading, &name, subset) {
            Some(labels) => labels,
            None => return Some("no DestinationRule defines that subset"),
        },
    };
    let out: BTreeSet<&str> = alerts
        .iter()
        .filter(|one| one.host == name && one.kind != AlertKind::Overflow)
        .filter_map(|one| one.instance.as_deref())
        .collect();
    let endpoints = endpoints(service, to, &labels);
    if endpoints.is_empty() {
        Some("it has no instances")
    } else if endpoints.iter().all(|address| out.contains(address.as_str())) {
        Some("all its instances are ejected, fail their health checks or cannot be reached")
    } else {
        None
    }
}

/// Addresses of the endpoints that a destination means.
fn endpoints(service: &Service, to: &Destination, labels: &BTreeMap<String, String>) -> Vec<String> {
    let wanted = to.port.as_ref().and_then(|port| port.number);
    let ports =
        service.ports.iter().filter(|port| wanted.is_none_or(|number| number == i64::from(port.number)));
    ports
        .flat_map(|port| &port.endpoints)
        .filter(|endpoint| mesh::labels::selects(labels, &endpoint.labels))
        .map(|endpoint| format!("{}:{}", endpoint.address, endpoint.port))
        .collect()
}

/// The labels of a subset, as a DestinationRule of the host gives them.
fn labels_of(mesh: &Mesh, reading: &Reading, name: &str, subset: &str) -> Option<BTreeMap<String, String>> {
    reading.catalog.policies.find(name).into_iter().find_map(|key| match &mesh.resource(key)?.spec {
        Spec::DestinationRule(spec) => {
            let found = spec.subsets.iter().find(|one| one.name.as_deref() == Some(subset));
            found.map(|found| found.labels.clone())
        }
        _ => None,
    })
}

/// Begins with a capital and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use mesh::edit::{AbortSpec, DelaySpec, Share};
    use mesh::{Kind, ResourceKey, RouteKey};

    use super::*;
    use crate::fixture::{bookinfo, host};

    fn reviews() -> RouteTarget {
        RouteTarget::Route(RouteKey { namespace: "default".into(), name: "reviews".into(), index: 0 })
    }

    fn split(weights: [u32; 3]) -> Edit {
        let share = |(at, weight): (usize, u32)| Share {
            host: "reviews".into(),
            subset: Some(format!("v{}", at + 1)),
            port: None,
            weight,
        };
        Edit::SetWeights { target: reviews(), shares: weights.into_iter().enumerate().map(share).collect() }
    }

    fn fault(percent: f64, millis: u64) -> Edit {
        let abort = (percent > 0.0).then_some(AbortSpec { percent, status: 500 });
        let delay = (millis > 0).then_some(DelaySpec { percent: 100.0, millis });
        let fault = (abort.is_some() || delay.is_some()).then_some(FaultSpec { abort, delay });
        Edit::InjectFault { target: reviews(), only: None, fault, expires_at: None }
    }

    fn ejected(version: &str) -> Alert {
        let sources = bookinfo("");
        let instances = &sources.catalog.services[&host("reviews")].instances;
        let address = &instances.iter().find(|one| one.version == version).unwrap().addresses[0];
        Alert {
            kind: AlertKind::Ejected,
            source: None,
            host: host("reviews"),
            subset: None,
            port: Some(9080),
            instance: Some(address.clone()),
            why: "errors in a row".into(),
            at: 0,
            until: None,
        }
    }

    /// A person who is called `ada` takes back what led from `before` to `after`, which runs.
    fn asked(
        before: &[Edit],
        after: &[Edit],
        alerts: &[Alert],
        author: &str,
        made_here: bool,
    ) -> Vec<String> {
        let settings = Settings::default();
        let base = bookinfo("");
        let before = base.edited(before, &settings);
        let head = before.edited(after, &settings);
        assert_eq!(head.unmade, 0, "the test's own edits");
        let info = RevisionInfo {
            number: 3,
            author: author.into(),
            at: 0,
            summary: String::new(),
            edits: api::revision::Edits::default(),
            reverts: None,
        };
        let revision = Revision {
            info: &info,
            made_here,
            me: "ada",
            before: &before.analysis.sources,
            after: &head.analysis.sources,
        };
        let preview = preview(&revision, &Running { head: &head, alerts, settings: &settings }).unwrap();
        assert!(!preview.diff.is_empty());
        preview.reasons.iter().map(Reason::text).collect()
    }

    #[test]
    fn when_a_person_is_asked_and_why() {
        let (even, first) = (split([34, 33, 33]), split([100, 0, 0]));
        let abort = "It brings back a fault at reviews: 500 abort · 100%.";
        let to_v3 = "It sends 33% of a route to reviews v3, and all its instances are ejected, fail their health checks or cannot be reached.";
        let cases: &[(&str, &[Edit], &[Edit], &[Alert], &str, bool, &[&str])] = &[
            ("one's own split", &[even.clone()], &[first.clone()], &[], "ada", false, &[]),
            ("made here without a name", &[even.clone()], &[first.clone()], &[], "anonymous", true, &[]),
            (
                "somebody without a name",
                &[],
                &[even.clone()],
                &[],
                "anonymous",
                false,
                &["It was not made in this browser, and its author is unknown."],
            ),
            ("another person's", &[], &[even.clone()], &[], "bob", false, &["bob made it, not you."]),
            // The fault that was: a stopped abort came back.
            ("a fault that was stopped", &[fault(100.0, 0)], &[fault(0.0, 0)], &[], "ada", true, &[abort]),
            ("a fault that was made", &[], &[fault(100.0, 0)], &[], "ada", true, &[]),
            ("a weaker fault", &[fault(100.0, 0)], &[fault(10.0, 0)], &[], "ada", true, &[abort]),
            ("a stronger fault", &[fault(10.0, 0)], &[fault(100.0, 0)], &[], "ada", true, &[]),
            (
                "another kind of fault",
                &[fault(0.0, 2000)],
                &[fault(100.0, 0)],
                &[],
                "ada",
                true,
                &["It brings back a fault at reviews: 2 s delay · 100%."],
            ),
            (
                "to ejected instances",
                &[even.clone()],
                &[first.clone()],
                &[ejected("v3")],
                "ada",
                true,
                &[to_v3],
            ),
            (
                "away from ejected instances",
                &[first.clone()],
                &[even.clone()],
                &[ejected("v3")],
                "ada",
                true,
                &[],
            ),
            (
                "as many to them as now",
                &[even.clone(), fault(0.0, 0)],
                &[fault(5.0, 0)],
                &[ejected("v3")],
                "ada",
                true,
                &[],
            ),
            (
                "all at once",
                &[even.clone(), fault(100.0, 0)],
                &[first.clone(), fault(0.0, 0)],
                &[ejected("v3")],
                "bob",
                false,
                &["bob made it, not you.", abort, to_v3],
            ),
        ];
        for (what, before, after, alerts, author, here, expected) in cases {
            assert_eq!(asked(before, after, alerts, author, *here), *expected, "{what}");
        }
    }

    #[test]
    fn destinations_that_nothing_answers_at() {
        let settings = Settings::default();
        let route = |to: &str| {
            let extra = format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a.test]\n  http:\n  - route: [{to}]\n"
            );
            let found = starved(&bookinfo(&extra), &[], &settings);
            found.into_iter().map(|(to, (percent, why))| (to, percent, why)).collect::<Vec<_>>()
        };
        let owned = |to: &str, percent, why| vec![(to.to_owned(), percent, why)];
        for (to, expected) in [
            ("{destination: {host: reviews}}", vec![]),
            ("{destination: {host: books.example.com}}", vec![]),
            ("{destination: {host: nobody}}", owned("nobody", 100, "no service has that name")),
            (
                "{destination: {host: reviews, subset: v9}}",
                owned("reviews v9", 100, "no DestinationRule defines that subset"),
            ),
            (
                "{destination: {host: reviews}, weight: 3}, {destination: {host: nobody}, weight: 1}",
                owned("nobody", 25, "no service has that name"),
            ),
            ("{destination: {host: reviews}, weight: 3}, {destination: {host: nobody}, weight: 0}", vec![]),
        ] {
            assert_eq!(route(to), expected, "{to}");
        }
    }

    #[test]
    fn a_subset_without_instances_is_said() {
        let key = ResourceKey::new(Kind::WorkloadEntry, "default", "reviews-v3");
        let first = [split([100, 0, 0])];
        let gone = [Edit::RemoveResource { key }];
        let settings = Settings::default();
        let base = bookinfo("").edited(&gone, &settings);
        let (before, head) = (base.edited(&[split([34, 33, 33])], &settings), base.edited(&first, &settings));
        let info = RevisionInfo {
            number: 2,
            author: "ada".into(),
            at: 0,
            summary: String::new(),
            edits: api::revision::Edits::default(),
            reverts: None,
        };
        let revision = Revision {
            info: &info,
            made_here: true,
            me: "",
            before: &before.analysis.sources,
            after: &head.analysis.sources,
        };
        let running = Running { head: &head, alerts: &[], settings: &settings };
        let preview = preview(&revision, &running).unwrap();
        let said: Vec<_> = preview.reasons.iter().map(Reason::text).collect();
        assert_eq!(said, ["It sends 33% of a route to reviews v3, and it has no instances."]);
        // What cannot be taken back says why.
        let info = RevisionInfo { number: 1, ..info.clone() };
        let first = super::preview(&Revision { info: &info, ..revision }, &running);
        assert_eq!(
            first.unwrap_err(),
            "The first revision cannot be taken back: there is nothing before it."
        );
    }
}
