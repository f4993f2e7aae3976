//! Instances that are not used and limits that are reached, as the proxy tells of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::{Alert, AlertKind};
use mesh::plan::{Cluster, ClusterKey};
use mesh::{Plan, Source};
use proxy::{EjectedFor, Limit, Notice};

use crate::analysis::Ports;

/// All of them, in the order in which they came.
#[derive(Debug, Default)]
pub struct Alerts {
    list: Vec<Alert>,
    moved: Moved,
}

/// Where endpoints of the files really are, the other way round: the sample's ports may be taken.
#[derive(Debug, Clone, Default)]
pub struct Moved(HashMap<u16, u16>);

impl Moved {
    /// `ports` says which endpoints are somewhere else than the files say.
    pub fn new(ports: &Ports) -> Self {
        Self(ports.iter().map(|(said, real)| (*real, *said)).collect())
    }

    /// An endpoint's address and port, as the files say them.
    pub fn name(&self, address: &str, port: u16) -> String {
        let port = if address == "127.0.0.1" { self.0.get(&port).copied().unwrap_or(port) } else { port };
        format!("{address}:{port}")
    }
}

impl Alerts {
    /// None. `ports` says which endpoints are somewhere else than the files say.
    pub fn new(ports: &Ports) -> Self {
        Self { list: Vec::new(), moved: Moved::new(ports) }
    }

    /// All of them.
    pub fn list(&self) -> &[Alert] {
        &self.list
    }

    /// Takes what the proxy tells at `at` (milliseconds since 1970); false when that changes nothing.
    pub fn take(&mut self, notice: &Notice, at: i64) -> bool {
        let (alert, there) = match notice {
            Notice::FirstRequest { .. } => return false,
            Notice::Ejected { source, cluster, address, port, why, times, length, .. } => {
                let instance = self.instance(address, *port);
                let mut ejected = alert(AlertKind::Ejected, source, cluster, Some(instance), at);
                ejected.why = ejected_for(*why, *times);
                ejected.until = Some(at.saturating_add(millis(*length)));
                (ejected, true)
            }
            Notice::Returned { source, cluster, address, port, .. } => {
                let instance = self.instance(address, *port);
                (alert(AlertKind::Ejected, source, cluster, Some(instance), at), false)
            }
            Notice::Unreachable { source, cluster, address, port, why, .. } => {
                let instance = self.instance(address, *port);
                let mut unreachable = alert(AlertKind::Unreachable, source, cluster, Some(instance), at);
                unreachable.why = why.to_string();
                (unreachable, true)
            }
            Notice::Reachable { source, cluster, address, port, .. } => {
                let instance = self.instance(address, *port);
                (alert(AlertKind::Unreachable, source, cluster, Some(instance), at), false)
            }
            Notice::Unhealthy { host, address, port, why, .. } => {
                (self.unhealthy(host, address, *port, why, at), true)
            }
            Notice::Healthy { host, address, port, .. } => {
                (self.unhealthy(host, address, *port, "", at), false)
            }
            Notice::Breaker { source, cluster, limit, open, .. } => {
                let mut overflow = alert(AlertKind::Overflow, source, cluster, None, at);
                field(*limit).clone_into(&mut overflow.why);
                (overflow, *open)
            }
        };
        let before = self.list.len();
        self.list.retain(|known| !same(known, &alert));
        let removed = self.list.len() < before;
        if there {
            self.list.push(alert);
        }
        removed || there
    }

    /// Forgets what these plans do not have; false when they have all.
    pub fn follow(&mut self, plans: &HashMap<Source, Arc<Plan>>) -> bool {
        let before = self.list.len();
        let moved = &self.moved;
        let has = |cluster: &Cluster, alert: &Alert| {
            alert.instance.as_ref().is_none_or(|instance| {
                let mut endpoints = cluster.endpoints.iter();
                endpoints.any(|it| moved.name(&it.address, it.port) == *instance)
            })
        };
        self.list.retain(|alert| {
            let of = |plan: &Arc<Plan>| {
                plan.clusters.iter().any(|cluster| {
                    let key = &cluster.key;
                    let policy = &cluster.policy;
                    let watched = match alert.kind {
                        AlertKind::Ejected => policy.outlier.is_some(),
                        AlertKind::Unhealthy => policy.health.is_some(),
                        AlertKind::Overflow | AlertKind::Unreachable => true,
                    };
                    let named = alert.port.is_none_or(|port| port == key.port && alert.subset == key.subset);
                    watched && named && key.host == alert.host && has(cluster, alert)
                })
            };
            match &alert.source {
                Some(source) => plans.get(source).is_some_and(of),
                None => plans.values().any(of),
            }
        });
        self.list.len() < before
    }

    fn instance(&self, address: &str, port: u16) -> String {
        self.moved.name(address, port)
    }

    fn unhealthy(&self, host: &str, address: &str, port: u16, why: &str, at: i64) -> Alert {
        Alert {
            kind: AlertKind::Unhealthy,
            source: None,
            host: host.to_owned(),
            subset: None,
            port: None,
            instance: Some(self.instance(address, port)),
            why: why.to_owned(),
            at,
            until: None,
        }
    }
}

fn alert(kind: AlertKind, source: &Source, cluster: &ClusterKey, instance: Option<String>, at: i64) -> Alert {
    Alert {
        kind,
        source: Some(source.clone()),
        host: cluster.host.clone(),
        subset: cluster.subset.clone(),
        port: Some(cluster.port),
        instance,
        why: String::new(),
        at,
        until: None,
    }
}

/// Whether one takes the place of the other.
fn same(one: &Alert, other: &Alert) -> bool {
    let place = |it: &Alert| (it.kind, it.port);
    place(one) == place(other)
        && one.source == other.source
        && one.host == other.host
        && one.subset == other.subset
        && one.instance == other.instance
        // A cluster has several limits.
        && (one.kind != AlertKind::Overflow || one.why == other.why)
}

fn ejected_for(why: EjectedFor, times: u32) -> String {
    let why = match why {
        EjectedFor::Errors => "errors in a row",
        EjectedFor::GatewayErrors => "gateway errors in a row",
        EjectedFor::LocalFailures => "failed connections in a row",
    };
    if times > 1 { format!("{why}, {times} times") } else { why.to_owned() }
}

fn field(limit: Limit) -> &'static str {
    match limit {
        Limit::Connections => "maxConnections",
        Limit::Pending => "http1MaxPendingRequests",
        Limit::Requests => "http2MaxRequests",
        Limit::Retries => "maxRetries",
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mesh::plan::{ClusterPolicy, Endpoint, HealthCheck};
    use proxy::Reason;

    use super::*;

    fn source() -> Source {
        Source::Workload { namespace: "default".to_owned(), name: "w".to_owned() }
    }

    fn key() -> ClusterKey {
        ClusterKey { host: "reviews".to_owned(), subset: None, port: 80 }
    }

    fn ejected(port: u16) -> Notice {
        Notice::Ejected {
            source: Arc::new(source()),
            cluster: key(),
            address: "127.0.0.1".to_owned(),
            port,
            why: EjectedFor::Errors,
            times: 2,
            length: Duration::from_secs(60),
            at: Instant::now(),
        }
    }

    fn returned(port: u16) -> Notice {
        let (source, cluster) = (Arc::new(source()), key());
        Notice::Returned { source, cluster, address: "127.0.0.1".to_owned(), port, at: Instant::now() }
    }

    fn unreachable(why: Option<Reason>) -> Notice {
        let (source, cluster, address) = (Arc::new(source()), key(), "127.0.0.1".to_owned());
        let (port, at) = (41_000, Instant::now());
        match why {
            Some(why) => Notice::Unreachable { source, cluster, address, port, why, at },
            None => Notice::Reachable { source, cluster, address, port, at },
        }
    }

    fn breaker(limit: Limit, open: bool) -> Notice {
        Notice::Breaker { source: Arc::new(source()), cluster: key(), limit, open, at: Instant::now() }
    }

    fn unhealthy(why: &str) -> Notice {
        let (host, address) = ("reviews".to_owned(), "127.0.0.1".to_owned());
        Notice::Unhealthy { host, address, port: 9080, why: why.to_owned(), at: Instant::now() }
    }

    fn seen(alerts: &Alerts) -> Vec<String> {
        let text = |it: &Alert| {
            let instance = it.instance.as_deref().unwrap_or("-");
            format!("{:?} {instance} {}", it.kind, it.why)
        };
        alerts.list().iter().map(text).collect()
    }

    #[test]
    fn troubles_come_and_go() {
        let mut alerts = Alerts::new(&HashMap::from([(9080, 41_000)]));
        assert!(alerts.take(&ejected(41_000), 1000));
        assert_eq!(alerts.list()[0].until, Some(61_000));
        assert!(alerts.take(&unhealthy("it answered 503"), 1000));
        assert!(alerts.take(&unhealthy("connection failure"), 1000));
        assert!(alerts.take(&breaker(Limit::Requests, true), 1000));
        assert!(alerts.take(&breaker(Limit::Pending, true), 1000));
        let all = [
            "Ejected 127.0.0.1:9080 errors in a row, 2 times",
            "Unhealthy 127.0.0.1:9080 connection failure",
            "Overflow - http2MaxRequests",
            "Overflow - http1MaxPendingRequests",
        ];
        assert_eq!(seen(&alerts), all);
        assert!(alerts.take(&unreachable(Some(Reason::Refused)), 1000));
        assert!(alerts.take(&unreachable(Some(Reason::Untrusted)), 1000));
        let last = seen(&alerts).pop().unwrap();
        assert_eq!(last, "Unreachable 127.0.0.1:9080 the certificate is not by a trusted authority");
        assert!(alerts.take(&unreachable(None), 1000));
        assert_eq!(seen(&alerts), all);
        assert!(!alerts.take(&returned(1), 1000), "it was not out");
        assert!(alerts.take(&returned(41_000), 1000));
        assert!(alerts.take(&breaker(Limit::Requests, false), 1000));
        assert_eq!(seen(&alerts), [all[1], all[3]]);
    }

    #[test]
    fn what_plans_no_longer_have_is_forgotten() {
        let plan = |checked: bool, port: u16| {
            let health = checked.then(|| HealthCheck::parse("tcp: {}").unwrap());
            let endpoint = Endpoint { port, ..Endpoint::named("127.0.0.1", port) };
            let policy = ClusterPolicy { health, ..ClusterPolicy::default() };
            let cluster = Cluster { key: key(), known: true, endpoints: vec![endpoint], policy };
            let plan = Plan {
                revision: 1,
                source: source(),
                labels: std::sync::Arc::default(),
                paths: mesh::PathNormalization::default(),
                internal: Vec::new(),
                listeners: [].into(),
                clusters: [std::sync::Arc::new(cluster)].into(),
            };
            HashMap::from([(source(), Arc::new(plan))])
        };
        for (plans, left) in [
            (plan(true, 9080), vec!["Unhealthy 127.0.0.1:9080 ", "Overflow - maxConnections"]),
            (plan(false, 9080), vec!["Overflow - maxConnections"]),
            (plan(true, 1), vec!["Overflow - maxConnections"]),
            (HashMap::new(), vec![]),
        ] {
            let mut alerts = Alerts::new(&HashMap::new());
            alerts.take(&ejected(9080), 0);
            alerts.take(&unhealthy(""), 0);
            alerts.take(&breaker(Limit::Connections, true), 0);
            assert!(alerts.follow(&plans), "the cluster ejects no more");
            assert_eq!(seen(&alerts), left);
        }
    }
}
