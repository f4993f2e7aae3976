//! The rules of a virtual host one by one, those that were left out of the plan among them.

use super::outcome::{cluster, full_name, route_ref};
use super::{Seen, Step, reason};
use crate::plan::compile::{Context, Entry, Rulebook, Standing, Trace};
use crate::plan::{Plan, Route, VirtualHost};
use crate::registry::Viewer;
use crate::route::{Decision, check, location};

/// What the steps are told from.
pub(super) struct Steps<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) viewer: &'a Viewer,
    pub(super) plan: &'a Plan,
    pub(super) seen: &'a Seen<'a>,
    pub(super) decision: &'a Decision<'a>,
}

/// A VirtualService of the virtual host, and which of its rules were told already.
struct Open<'a> {
    entry: &'a Entry,
    book: &'a Rulebook,
    told: Vec<bool>,
}

impl Steps<'_> {
    /// All steps of a virtual host.
    pub(super) fn of(&self, host: &VirtualHost, trace: &Trace) -> Vec<Step> {
        let port = self.seen.listener.port;
        let mut open: Vec<Open<'_>> = Vec::new();
        for entry in trace.0.iter().filter(|entry| entry.port == port && entry.host == host.name) {
            let book = &self.context.rules.books[entry.book];
            // Two servers of a gateway can bring in the same VirtualService twice.
            if !open.iter().any(|known| known.entry.book == entry.book) {
                open.push(Open { entry, book, told: vec![false; book.rules.len()] });
            }
        }
        let mut steps = Vec::new();
        let mut taken = false;
        // Rules of which none is left come before what stands in their place.
        for open in open.iter_mut().filter(|open| open.entry.standing == Standing::Empty) {
            self.tell_all_left_out(open, &mut steps);
        }
        for route in &host.routes {
            self.tell_left_out_before(route, &mut open, &mut steps);
            let chosen = self.decision.chosen().is_some_and(|chosen| std::ptr::eq(chosen.route, route));
            steps.push(self.step(route, chosen, taken, &mut open));
            taken |= chosen;
        }
        for open in &mut open {
            self.tell_all_left_out(open, &mut steps);
        }
        steps
    }

    fn tell_all_left_out(&self, open: &mut Open<'_>, steps: &mut Vec<Step>) {
        for at in 0..open.told.len() {
            self.tell_left_out(open, at, steps);
        }
    }

    /// Tells of the rules of the same VirtualService that stand before a route and were left out.
    fn tell_left_out_before(&self, route: &Route, open: &mut [Open<'_>], steps: &mut Vec<Step>) {
        for open in open.iter_mut().filter(|open| open.entry.standing == Standing::Used) {
            let found = (0..open.told.len()).find(|at| !open.told[*at] && open.stands_for(*at, route));
            for at in 0..found.unwrap_or(0) {
                self.tell_left_out(open, at, steps);
            }
        }
    }

    fn tell_left_out(&self, open: &mut Open<'_>, at: usize, steps: &mut Vec<Step>) {
        if std::mem::replace(&mut open.told[at], true) {
            return;
        }
        let rule = &open.book.rules[at];
        let reasons = open.entry.notes.iter().filter(|note| note.rule == at).map(|note| {
            reason::skipped(note.why, &rule.http, note.part, self.viewer, self.seen.listener.port)
        });
        let reason = match open.entry.standing {
            Standing::Second => {
                "another VirtualService has this host already, and only the first is used".to_owned()
            }
            Standing::Used | Standing::Empty => reasons.collect::<Vec<_>>().join("; "),
        };
        steps.push(Step {
            virtual_service: Some(full_name(&rule.key)),
            route: Some(route_ref(&rule.key, rule.http.name.as_ref())),
            matched: false,
            reason,
        });
    }

    fn step(&self, route: &Route, chosen: bool, taken: bool, open: &mut [Open<'_>]) -> Step {
        let mut left_out = Vec::new();
        for open in open.iter_mut() {
            // A rule whose catch-all was moved to the end is told of twice.
            let found = (0..open.told.len()).find(|at| !open.told[*at] && open.stands_for(*at, route));
            if let Some(at) = found {
                open.told[at] = true;
                let rule = &open.book.rules[at].http;
                let notes = open.entry.notes.iter().filter(|note| note.rule == at);
                let port = self.seen.listener.port;
                left_out =
                    notes.map(|it| reason::skipped(it.why, rule, it.part, self.viewer, port)).collect();
                break;
            }
        }
        let reason = if taken {
            "it is not looked at: a rule before it took the request".to_owned()
        } else if chosen {
            self.taken(route)
        } else {
            let failed = route.matches.iter().filter_map(|it| check(it, self.seen).err());
            let failed = failed.map(|why| reason::mismatch(&why, self.seen));
            failed.chain(left_out).collect::<Vec<_>>().join("; ")
        };
        Step {
            virtual_service: route.key.as_ref().map(full_name),
            route: route.key.as_ref().map(|key| route_ref(key, route.name.as_ref())),
            matched: chosen,
            reason,
        }
    }

    /// Why the route took the request, and what that leads to where it is not obvious.
    fn taken(&self, route: &Route) -> String {
        let Some(chosen) = self.decision.chosen() else { return String::new() };
        let held = match (&route.key, &route.name) {
            (Some(_), _) => reason::held(chosen.matched, self.seen),
            (None, None) => {
                "no VirtualService has a rule for it: the service's own default route takes it".to_owned()
            }
            (None, Some(_)) => "the gateway's server asks for TLS".to_owned(),
        };
        let then = match self.decision {
            Decision::Redirect(_, redirect) => {
                let to = location(self.decision, self.seen).unwrap_or_default();
                format!("; the client is sent to {to} with {}", redirect.status)
            }
            Decision::Direct(_, direct) => format!("; it is answered with {}", direct.status),
            Decision::Forward(_, forward, _) => {
                let ids = forward.destinations.iter().map(|destination| destination.cluster);
                let lost = ids.filter(|id| self.plan.clusters.get(id.0 as usize).is_none_or(|it| !it.known));
                let lost: Vec<String> = lost
                    .filter_map(|id| cluster(self.plan, id))
                    .map(|key| match &key.subset {
                        Some(subset) => {
                            format!("; there is no subset {subset} of {}:{}: 503", key.host, key.port)
                        }
                        None => format!("; there is no service {}:{}: 503", key.host, key.port),
                    })
                    .collect();
                lost.concat()
            }
            Decision::NoRoute(_) | Decision::NoHost => String::new(),
        };
        held + &then
    }
}

impl Open<'_> {
    /// Whether a route was made of a rule.
    fn stands_for(&self, at: usize, route: &Route) -> bool {
        let rule = &self.book.rules[at];
        let whole = self.entry.notes.iter().any(|note| note.rule == at && note.part.is_none());
        let name = rule.http.name.as_ref().filter(|name| !name.is_empty());
        !whole && route.key.as_ref() == Some(&rule.key) && route.name.as_ref() == name
    }
}
