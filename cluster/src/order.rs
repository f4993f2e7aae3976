//! In which order objects are written, so that no request meets a subset or a host that is not defined: what is routed to comes before
//! the routes that name it, and goes after them.

use std::collections::BTreeSet;

use mesh::{Kind, ResourceKey};
use serde_json::Value;

/// A change of one object: its document before and after, `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub key: ResourceKey,
    /// As it is.
    pub before: Option<Value>,
    /// As it is to be.
    pub after: Option<Value>,
}

/// Changes that may be written together, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stages {
    /// First what routes may name, then routes.
    pub first: Vec<Change>,
    /// What no route names any more. Sidecars must have the routes before.
    pub last: Vec<Change>,
}

impl Stages {
    /// The changes in order.
    pub fn of(changes: &[Change]) -> Self {
        let mut stages = Self::default();
        let routes = changes.iter().any(|it| it.key.kind == Kind::VirtualService);
        let (of_routes, others): (Vec<_>, Vec<_>) =
            changes.iter().cloned().partition(|it| it.key.kind == Kind::VirtualService);
        for change in others {
            match (&change.before, &change.after) {
                (Some(_), None) => stages.last.push(change),
                (Some(before), Some(after)) if routes && change.key.kind == Kind::DestinationRule => {
                    match with_old_subsets(before, after) {
                        Some(wider) => {
                            let first = Change { after: Some(wider.clone()), ..change.clone() };
                            if first.before != first.after {
                                stages.first.push(first);
                            }
                            stages.last.push(Change { before: Some(wider), ..change });
                        }
                        None => stages.first.push(change),
                    }
                }
                _ => stages.first.push(change),
            }
        }
        stages.first.extend(of_routes);
        stages
    }
}

/// A rule that has the subsets of both, where the new one lacks some of the old.
fn with_old_subsets(before: &Value, after: &Value) -> Option<Value> {
    let subsets = |rule: &Value| rule["spec"]["subsets"].as_array().cloned().unwrap_or_default();
    let named: BTreeSet<String> = subsets(after).iter().map(|it| it["name"].to_string()).collect();
    let mut gone = subsets(before);
    gone.retain(|it| !named.contains(&it["name"].to_string()));
    if gone.is_empty() {
        return None;
    }
    let mut wider = after.clone();
    let mut all = subsets(after);
    all.extend(gone);
    wider["spec"]["subsets"] = Value::Array(all);
    Some(wider)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(subsets: &[&str]) -> Value {
        let subsets: Vec<_> = subsets.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"host": "reviews", "subsets": subsets}})
    }

    fn change(kind: Kind, before: Option<Value>, after: Option<Value>) -> Change {
        Change { key: ResourceKey::new(kind, "shop", "reviews"), before, after }
    }

    fn check(changes: &[Change], first: &[(Kind, &[&str])], last: &[(Kind, &[&str])]) {
        let stages = Stages::of(changes);
        for (found, expected) in [(&stages.first, first), (&stages.last, last)] {
            let found: Vec<(Kind, Vec<String>)> = found
                .iter()
                .map(|it| {
                    let subsets = it.after.as_ref().and_then(|it| it["spec"]["subsets"].as_array());
                    let names =
                        subsets.into_iter().flatten().filter_map(|it| Some(it["name"].as_str()?.to_owned()));
                    (it.key.kind.clone(), names.collect())
                })
                .collect();
            let expected: Vec<(Kind, Vec<String>)> = expected
                .iter()
                .map(|(kind, names)| (kind.clone(), names.iter().map(|it| (*it).to_owned()).collect()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_routes_name_is_there_as_long_as_they_do() {
        use Kind::{DestinationRule as Rule, ServiceEntry as Entry, VirtualService as Routes};
        let routes = || change(Routes, Some(json!({"spec": 1})), Some(json!({"spec": 2})));
        // A subset comes, goes, is renamed.
        check(
            &[routes(), change(Rule, Some(rule(&["v1"])), Some(rule(&["v1", "v2"])))],
            &[(Rule, &["v1", "v2"]), (Routes, &[])],
            &[],
        );
        check(
            &[change(Rule, Some(rule(&["v1", "v2"])), Some(rule(&["v1"]))), routes()],
            &[(Routes, &[])],
            &[(Rule, &["v1"])],
        );
        check(
            &[change(Rule, Some(rule(&["v1", "v2"])), Some(rule(&["v1", "v3"]))), routes()],
            &[(Rule, &["v1", "v3", "v2"]), (Routes, &[])],
            &[(Rule, &["v1", "v3"])],
        );
        // Alone it is one write.
        check(&[change(Rule, Some(rule(&["v1", "v2"])), Some(rule(&["v1"])))], &[(Rule, &["v1"])], &[]);
        // A host comes, goes.
        check(&[routes(), change(Entry, None, Some(json!({})))], &[(Entry, &[]), (Routes, &[])], &[]);
        check(
            &[change(Entry, Some(json!({})), None), change(Routes, Some(json!({})), None)],
            &[(Routes, &[])],
            &[(Entry, &[])],
        );
    }
}
