//! The rules of a virtual host one by one, those that were left out of the plan among them.

use super::certain::{self, Lookup};
use super::outcome::{full_name, route_ref};
use super::{Root, Seen, Step, reason};
use crate::plan::compile::{Context, Entry, Rule, Rulebook, Standing, Trace};
use crate::plan::{Route, VirtualHost};
use crate::registry::Viewer;
use crate::route::{Decision, check, location};

/// What the steps are told from.
pub(super) struct Steps<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) viewer: &'a Viewer,
    pub(super) lookup: &'a Lookup<'a>,
    pub(super) seen: &'a Seen<'a>,
    pub(super) decision: &'a Decision<'a>,
}

/// A rule by the position of its VirtualService and its own.
type RuleOf = (usize, usize);

/// What was told, with the rule that it is about. No rule is told of twice.
#[derive(Default)]
struct Told(Vec<(Option<RuleOf>, Step)>);

impl Told {
    fn add(&mut self, of: Option<RuleOf>, step: Step) {
        let before = of.and_then(|of| self.0.iter().position(|(known, _)| *known == Some(of)));
        let Some(before) = before else { return self.0.push((of, step)) };
        let known = &mut self.0[before].1;
        if step.matched {
            self.0.remove(before);
            self.0.push((of, step));
        } else if !known.matched && !known.reason.contains(&step.reason) {
            // Of a rule that stands in two places, neither took the request.
            known.reason = format!("{}; {}", known.reason, step.reason);
        }
    }
}

/// The root's rule that leads to a delegate's.
fn root(rule: &Rule) -> Option<Root> {
    let (key, name) = rule.via.as_ref()?;
    Some(Root { virtual_service: full_name(key), route: route_ref(key, name.as_ref()) })
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
        for entry in trace.0.iter().flatten().filter(|entry| entry.port == port && entry.host == host.name) {
            let book = &self.context.rules.books[entry.book];
            // Two servers of a gateway can bring in the same VirtualService twice.
            if !open.iter().any(|known| known.entry.book == entry.book) {
                open.push(Open { entry, book, told: vec![false; book.rules.len()] });
            }
        }
        let mut steps = Told::default();
        let mut taken = false;
        // Rules of which none is left come before what stands in their place.
        for open in open.iter_mut().filter(|open| open.entry.standing == Standing::Empty) {
            self.tell_all_left_out(open, &mut steps);
        }
        for route in &host.routes {
            self.tell_left_out_before(route, &mut open, &mut steps);
            let chosen = self.decision.chosen().is_some_and(|chosen| std::ptr::eq(chosen.route, route));
            let (of, step) = self.step(route, chosen, taken, &mut open);
            steps.add(of, step);
            taken |= chosen;
        }
        for open in &mut open {
            self.tell_all_left_out(open, &mut steps);
        }
        steps.0.into_iter().map(|(_, step)| step).collect()
    }

    fn tell_all_left_out(&self, open: &mut Open<'_>, steps: &mut Told) {
        for at in 0..open.told.len() {
            self.tell_left_out(open, at, steps);
        }
    }

    /// Tells of the rules of the same VirtualService that stand before a route and were left out.
    fn tell_left_out_before(&self, route: &Route, open: &mut [Open<'_>], steps: &mut Told) {
        for open in open.iter_mut().filter(|open| open.entry.standing == Standing::Used) {
            let found = (0..open.told.len()).find(|at| !open.told[*at] && open.stands_for(*at, route));
            for at in 0..found.unwrap_or(0) {
                self.tell_left_out(open, at, steps);
            }
        }
    }

    fn tell_left_out(&self, open: &mut Open<'_>, at: usize, steps: &mut Told) {
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
        let step = Step {
            virtual_service: Some(full_name(&rule.key)),
            route: Some(route_ref(&rule.key, rule.http.name.as_ref())),
            delegated_by: root(rule),
            matched: false,
            reason,
        };
        steps.add(Some((open.entry.book, at)), step);
    }

    fn step(
        &self,
        route: &Route,
        chosen: bool,
        taken: bool,
        open: &mut [Open<'_>],
    ) -> (Option<RuleOf>, Step) {
        let mut left_out = Vec::new();
        let found = stood_for(open, route);
        let of = found.map(|(position, at)| {
            let open = &mut open[position];
            open.told[at] = true;
            let rule = &open.book.rules[at].http;
            let notes = open.entry.notes.iter().filter(|note| note.rule == at);
            let port = self.seen.listener.port;
            left_out = notes.map(|it| reason::skipped(it.why, rule, it.part, self.viewer, port)).collect();
            (open.entry.book, at)
        });
        let reason = if taken {
            "it is not looked at: a rule before it took the request".to_owned()
        } else if chosen {
            self.taken(route)
        } else {
            let failed = route.matches.iter().filter_map(|it| check(it, self.seen).err());
            let failed = failed.map(|why| reason::mismatch(&why, self.seen));
            failed.chain(left_out).collect::<Vec<_>>().join("; ")
        };
        let rule = of.map(|(book, at)| &self.context.rules.books[book].rules[at]);
        let step = Step {
            virtual_service: route.key.as_ref().map(full_name),
            route: route.key.as_ref().map(|key| route_ref(key, route.name.as_ref())),
            delegated_by: rule.and_then(root),
            matched: chosen,
            reason,
        };
        (of, step)
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
                let lost = forward.destinations.iter().filter_map(|it| self.lookup.lost(it.cluster));
                let lost: String = lost.map(|lost| format!("; {}: 503", lost.reason)).collect();
                lost + &certain::mirrors(self.lookup, forward)
            }
            Decision::NoRoute(_) | Decision::NoHost => String::new(),
        };
        held + &then
    }
}

/// The rule that a route was made of, by the position of its VirtualService and its own: the first that was not told of yet.
/// A second route of a rule (its catch-all was moved to the end) belongs to the last that was.
fn stood_for(open: &[Open<'_>], route: &Route) -> Option<(usize, usize)> {
    let all = || {
        let rules = |(position, open): (usize, &Open<'_>)| (0..open.told.len()).map(move |at| (position, at));
        open.iter()
            .enumerate()
            .flat_map(rules)
            .filter(|(position, at)| open[*position].stands_for(*at, route))
    };
    all().find(|(position, at)| !open[*position].told[*at]).or_else(|| all().next_back())
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
