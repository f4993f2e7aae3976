//! Instances with what they answer, those that are not used, and limits that are reached, for who looks at a service or a link. Pure.

use api::{Alert, AlertKind, Classes, Health, InstanceStats};

use crate::catalog::Service;
use crate::topology::{NodeId, Places};

/// One instance of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceState {
    /// Its address and port.
    pub address: String,
    /// Its label `version`; empty without one.
    pub version: String,
    /// Why it is not used; `None` while it is.
    pub kind: Option<AlertKind>,
    /// How well it answers; unknown until somebody has asked it.
    pub health: Health,
    /// Tries on it in the last 10 s.
    pub recent: Classes,
    /// Of an ejection: until then at least, in milliseconds since 1970.
    pub until: Option<i64>,
    /// In words why, and who says so.
    pub why: String,
}

/// The instances of a service.
pub fn of(
    service: &Service,
    alerts: &[Alert],
    stats: &[InstanceStats],
    places: &Places,
) -> Vec<InstanceState> {
    let state = |instance: &crate::catalog::Instance| {
        let mut state = InstanceState {
            address: instance.addresses.first().cloned().unwrap_or_default(),
            version: instance.version.clone(),
            kind: None,
            health: Health::Unknown,
            recent: Classes::default(),
            until: None,
            why: String::new(),
        };
        let mine =
            |one: &&InstanceStats| one.host == service.host && instance.addresses.contains(&one.instance);
        for one in stats.iter().filter(mine) {
            // An instance with several ports is as well as the worst of them.
            state.health = state.health.worse(one.health);
            state.recent += one.recent;
        }
        let own = |one: &&Alert| {
            one.host == service.host
                && one.instance.as_ref().is_some_and(|address| instance.addresses.contains(address))
        };
        for alert in alerts.iter().filter(own) {
            if rank(Some(alert.kind)) > rank(state.kind) {
                state.kind = Some(alert.kind);
            }
            state.until = state.until.max(alert.until);
            let why = match &alert.source {
                Some(source) => format!("{}, by {}", alert.why, places.of_source(source).name()),
                None => alert.why.clone(),
            };
            if !state.why.contains(&why) {
                let and = if state.why.is_empty() { "" } else { "; " };
                state.why = format!("{}{and}{why}", state.why);
            }
        }
        state
    };
    service.instances.iter().map(state).collect()
}

/// What counts of several alerts: what fails its health checks is out for everybody, whoever has ejected it; what is ejected
/// is not asked whether it can be reached.
fn rank(kind: Option<AlertKind>) -> u8 {
    match kind {
        None => 0,
        Some(AlertKind::Overflow | AlertKind::Unreachable) => 1,
        Some(AlertKind::Ejected) => 2,
        Some(AlertKind::Unhealthy) => 3,
    }
}

/// How many are used, where not all are: `2 of 3 instances`.
pub fn in_use(instances: &[InstanceState]) -> Option<String> {
    let used = instances.iter().filter(|one| rank(one.kind) < 2).count();
    (used < instances.len()).then(|| format!("{used} of {} instances", instances.len()))
}

/// Limits that are reached towards a node, by one caller or by anyone: `Limit reached: maxConnections (v1)`.
pub fn limits(alerts: &[Alert], places: &Places, from: Option<&NodeId>, to: &NodeId) -> Vec<String> {
    let mut limits = Vec::new();
    for one in alerts.iter().filter(|one| one.kind == AlertKind::Overflow) {
        let caller = one.source.as_ref().map(|source| places.of_source(source));
        if from.is_some_and(|from| caller.as_ref() != Some(from)) || places.of_host(&one.host) != *to {
            continue;
        }
        let subset = one.subset.as_ref().map(|subset| format!(" ({subset})")).unwrap_or_default();
        let by =
            caller.filter(|_| from.is_none()).map(|by| format!(", by {}", by.name())).unwrap_or_default();
        let line = format!("Limit reached: {}{subset}{by}", one.why);
        if !limits.contains(&line) {
            limits.push(line);
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{bookinfo, host, service};
    use mesh::Source;

    fn alert(kind: AlertKind, instance: Option<&str>, why: &str, from: Option<&str>) -> Alert {
        Alert {
            kind,
            source: from.map(|name| Source::Workload { namespace: "default".into(), name: name.into() }),
            host: host("reviews"),
            subset: Some("v2".into()).filter(|_| instance.is_none()),
            port: Some(9080),
            instance: instance.map(str::to_owned),
            why: why.into(),
            at: 0,
            until: (kind == AlertKind::Ejected).then_some(1000),
        }
    }

    #[test]
    fn each_instance_has_a_state() {
        let catalog = bookinfo("").catalog;
        let reviews = &catalog.services[&host("reviews")];
        let [first, second, third] = [0, 1, 2].map(|at| reviews.instances[at].addresses[0].clone());
        let rows = "errors in a row";
        let alerts = [
            alert(AlertKind::Ejected, Some(&first), rows, Some("productpage-v1")),
            alert(AlertKind::Ejected, Some(&first), rows, Some("productpage-v1-b")),
            alert(AlertKind::Ejected, Some(&second), rows, Some("curl")),
            alert(AlertKind::Unhealthy, Some(&second), "it answered 503", None),
            alert(AlertKind::Unreachable, Some(&second), "connection refused", None),
            alert(AlertKind::Unreachable, Some(&third), "the certificate has expired", Some("curl")),
            alert(AlertKind::Overflow, None, "maxConnections", Some("curl")),
        ];
        let stat = |instance: &String, health| InstanceStats {
            host: host("reviews"),
            instance: instance.clone(),
            recent: Classes { none: 2.0, ..Classes::default() },
            health,
        };
        let stats = [stat(&second, Health::Failing), stat(&third, Health::Idle)];
        let states = of(reviews, &alerts, &stats, &catalog.places());
        assert_eq!(
            states.iter().map(|one| (one.health, one.recent.none)).collect::<Vec<_>>(),
            [(Health::Unknown, 0.0), (Health::Failing, 2.0), (Health::Idle, 2.0)]
        );
        let seen: Vec<_> =
            states.iter().map(|one| (one.address.as_str(), one.kind, one.why.as_str())).collect();
        let expected = [
            (first.as_str(), Some(AlertKind::Ejected), "errors in a row, by productpage"),
            (
                &second,
                Some(AlertKind::Unhealthy),
                "errors in a row, by curl; it answered 503; connection refused",
            ),
            (&third, Some(AlertKind::Unreachable), "the certificate has expired, by curl"),
        ];
        assert_eq!(seen, expected);
        assert_eq!((states[0].until, states[2].until), (Some(1000), None));
        assert_eq!(
            in_use(&states).as_deref(),
            Some("1 of 3 instances"),
            "what cannot be reached is still asked"
        );
        assert_eq!(in_use(&states[2..]), None);
    }

    #[test]
    fn a_limit_is_of_who_calls_and_who_is_called() {
        let places = bookinfo("").catalog.places();
        let over = |from| alert(AlertKind::Overflow, None, "maxConnections", Some(from));
        let alerts = [over("productpage-v1"), over("productpage-v1-b")];
        let of = |from: Option<&str>, to: &str| {
            limits(&alerts, &places, from.map(service).as_ref(), &service(to)).join("; ")
        };
        assert_eq!(of(Some("productpage"), "reviews"), "Limit reached: maxConnections (v2)");
        assert_eq!(of(None, "reviews"), "Limit reached: maxConnections (v2), by productpage");
        assert_eq!(of(Some("productpage"), "details"), "");
        assert_eq!(of(Some("details"), "reviews"), "");
    }
}
