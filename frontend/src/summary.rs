//! An edit in a line. Pure.

use mesh::Edit;
use mesh::edit::{FaultSpec, RouteTarget};

use crate::topology::short_host;
use crate::words;

/// What an edit does: `reviews: split 50/25/25`.
pub fn of(edit: &Edit) -> String {
    match edit {
        Edit::SetWeights { target, shares } => {
            let weights: Vec<String> = shares
                .iter()
                .map(|share| {
                    format!(
                        "{} {}%",
                        share.subset.as_deref().unwrap_or_else(|| short_host(&share.host)),
                        share.weight
                    )
                })
                .collect();
            format!("{}: split {}", route(target), weights.join(" · "))
        }
        Edit::InjectFault { target, only, fault, .. } => {
            let only =
                only.as_ref().map(|only| format!(" for {}: {}", only.name, only.value)).unwrap_or_default();
            match fault {
                Some(fault) => format!("{}: {}{only}", route(target), fault_words(fault)),
                None => format!("{}: no fault{only}", route(target)),
            }
        }
        Edit::SetTimeout { target, millis } => match millis {
            None => format!("{}: timeout as the mesh's default", route(target)),
            Some(0) => format!("{}: no timeout", route(target)),
            Some(millis) => format!("{}: timeout {}", route(target), words::millis(*millis)),
        },
        Edit::SetRetries { target, retries } => match retries {
            None => format!("{}: retries as by default", route(target)),
            Some(retries) if retries.attempts == 0 => format!("{}: no retries", route(target)),
            Some(retries) => {
                format!("{}: {}", route(target), words::plural(retries.attempts as usize, "retry", "retries"))
            }
        },
        Edit::SetFields { key, fields } => {
            let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            format!("{} {}: {}", key.kind, key.name, paths.join(", "))
        }
        Edit::ReplaceResource { key, .. } => format!("{} {}: edited as YAML", key.kind, key.name),
        Edit::AddResource { file, .. } => format!("{file}: a resource added"),
        Edit::RemoveResource { key } => format!("{} {}: removed", key.kind, key.name),
        Edit::SetFiles { files } => {
            let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
            format!("{}: edited", paths.join(", "))
        }
    }
}

/// A fault in words: `7 s delay · 10% + 500 abort · 5%`.
pub fn fault_words(fault: &FaultSpec) -> String {
    let delay = fault
        .delay
        .map(|delay| format!("{} delay · {}", words::millis(delay.millis), words::percentage(delay.percent)));
    let abort =
        fault.abort.map(|abort| format!("{} abort · {}", abort.status, words::percentage(abort.percent)));
    delay.into_iter().chain(abort).collect::<Vec<_>>().join(" + ")
}

fn route(target: &RouteTarget) -> String {
    match target {
        RouteTarget::Route(key) if key.index == 0 => key.name.clone(),
        RouteTarget::Route(key) => format!("{} route {}", key.name, key.index + 1),
        RouteTarget::Service(host) => short_host(host).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mesh::RouteKey;
    use mesh::edit::{AbortSpec, DelaySpec, HeaderEquals, Share};

    use super::*;

    #[test]
    fn summaries() {
        let service = || RouteTarget::Service("reviews.default.svc.cluster.local".into());
        let second =
            RouteTarget::Route(RouteKey { namespace: "default".into(), name: "reviews".into(), index: 1 });
        let share = |subset: Option<&str>, weight| Share {
            host: "reviews.default.svc.cluster.local".into(),
            subset: subset.map(Into::into),
            port: None,
            weight,
        };
        let fault = FaultSpec {
            delay: Some(DelaySpec { percent: 10.0, millis: 7000 }),
            abort: Some(AbortSpec { percent: 0.5, status: 503 }),
        };
        let jason = HeaderEquals { name: "end-user".into(), value: "jason".into() };
        for (edit, text) in [
            (
                Edit::SetWeights { target: service(), shares: vec![share(Some("v1"), 90), share(None, 10)] },
                "reviews: split v1 90% · reviews 10%",
            ),
            (
                Edit::InjectFault {
                    target: second.clone(),
                    only: Some(jason),
                    fault: Some(fault),
                    expires_at: None,
                },
                "reviews route 2: 7 s delay · 10% + 503 abort · 0.5% for end-user: jason",
            ),
            (Edit::SetTimeout { target: second, millis: Some(0) }, "reviews route 2: no timeout"),
            (Edit::SetRetries { target: service(), retries: None }, "reviews: retries as by default"),
        ] {
            assert_eq!(of(&edit), text);
        }
    }
}
