//! From the rules of a VirtualService to routes, for one source and one listener.

use super::clusters::Clusters;
use super::rules::{Rule, Rulebook};
use super::scope::Scope;
use super::trace::{Note, Skip};
use super::{forward, headers, matches};
use crate::Settings;
use crate::plan::{Match, Route};

/// Routes, and what was left out.
#[derive(Default)]
pub(super) struct Translated {
    pub(super) routes: Vec<Route>,
    pub(super) notes: Vec<Note>,
}

/// Translates the rules in order, up to the first that matches everything.
pub(super) fn rules(
    book: &Rulebook,
    scope: &Scope<'_>,
    clusters: &mut Clusters<'_>,
    settings: &Settings,
) -> Translated {
    let mut out = Translated::default();
    let mut closed = false;
    for (at, rule) in book.rules.iter().enumerate() {
        if closed {
            out.notes.push(Note { rule: at, part: None, why: Skip::Unreachable });
            continue;
        }
        if let Some(why) = rule.problem {
            out.notes.push(Note { rule: at, part: None, why });
            continue;
        }
        // Whatever becomes of a rule without conditions, nothing comes after it.
        closed = rule.http.r#match.is_empty();
        let before = out.notes.len();
        let (conditions, catch_all) = conditions(at, rule, scope, &mut out.notes);
        closed |= catch_all;
        if conditions.is_empty() && !rule.http.r#match.is_empty() {
            continue;
        }
        match forward::action(&rule.http, scope, clusters, settings) {
            Ok(mut action) => out.routes.push(Route {
                key: Some(rule.key.clone()),
                name: rule.http.name.clone().filter(|name| !name.is_empty()),
                matches: conditions,
                fault: headers::fault(rule.http.fault.as_ref(), rule.reset),
                headers: headers::of_rule(&rule.http, &mut action),
                action,
                cors: rule.http.cors_policy.as_ref().map(|policy| headers::cors(policy, scope.patterns)),
            }),
            Err(why) => {
                out.notes.truncate(before);
                out.notes.push(Note { rule: at, part: None, why });
            }
        }
    }
    out
}

/// The conditions of a rule for this source, and whether the last of them holds for every request.
fn conditions(at: usize, rule: &Rule, scope: &Scope<'_>, notes: &mut Vec<Note>) -> (Vec<Match>, bool) {
    let mut list = Vec::new();
    for (part, candidate) in rule.http.r#match.iter().enumerate() {
        match matches::applies(candidate, scope).and_then(|()| matches::condition(candidate, scope.patterns))
        {
            Err(why) => notes.push(Note { rule: at, part: Some(part), why }),
            Ok(condition) => {
                let catch_all = matches::is_catch_all(&condition);
                list.push(condition);
                if catch_all {
                    return (list, true);
                }
            }
        }
    }
    (list, false)
}
