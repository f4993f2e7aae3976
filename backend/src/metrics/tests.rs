use std::collections::HashMap;

use mesh::Plan;
use mesh::plan::Cluster;
use proxy::{Name, ObservationKey, Stats};

use super::*;

fn workload(name: &str) -> Source {
    Source::Workload { namespace: "default".to_owned(), name: name.to_owned() }
}

fn observe(metrics: &Metrics, source: &Source, host: Name, version: &str, status: u16) {
    let subset = Some(version.to_owned()).filter(|it| !it.is_empty());
    let source = Arc::new(source.clone());
    let key = ObservationKey { source, revision: 1, route: None, host, version: version.to_owned(), subset };
    let mut stats = Stats { requests: 1, ..Stats::default() };
    stats.codes = HashMap::from([(status, 1)]);
    stats.flags = HashMap::from([("UF", 1)]);
    stats.answers.entry(status, "UF").record(1, 1, 1);
    metrics.observe(&Batch { stats: HashMap::from([(key, stats)]), ..Batch::default() });
}

fn plan(source: Source, hosts: &[(&str, &str)]) -> Plan {
    let cluster = |&(host, version): &(&str, &str)| {
        let mut endpoint = Endpoint::named("10.0.0.1", 80);
        endpoint.labels.insert("version".to_owned(), version.to_owned());
        let key = ClusterKey { host: host.to_owned(), subset: None, port: 80 };
        Cluster { key, known: true, endpoints: vec![endpoint], policy: mesh::plan::ClusterPolicy::default() }
    };
    let clusters: Vec<_> = hosts.iter().map(cluster).collect();
    Plan {
        revision: 1,
        source,
        labels: Arc::default(),
        paths: mesh::PathNormalization::default(),
        internal: Vec::new(),
        listeners: [].into(),
        clusters: clusters.into_iter().map(Arc::new).collect(),
    }
}

#[test]
fn what_clients_make_up_is_bounded() {
    let metrics = Metrics::new(Arc::default());
    let gateway = Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() };
    for number in 0..600_u16 {
        let host = format!("{number}.{}", "x".repeat(50_000));
        for source in [&gateway, &workload("a")] {
            let host = metrics.names.of_client(&Arc::new(source.clone()), &host);
            observe(&metrics, source, host, "", 200 + number);
        }
        let short =
            metrics.names.of_client(&Arc::new(workload("a")), &format!("{number}.{}", "x".repeat(70)));
        observe(&metrics, &workload("a"), short, "", 200 + number % 8);
    }
    let text = metrics.text(1).unwrap();
    assert!(text.contains("destination=\"unknown\"") && text.contains("destination=\"other\""));
    let all = text.lines().filter_map(|line| {
        line.strip_prefix("istio_requests_total{")?.contains("other").then(|| line.rsplit_once(' '))?
    });
    assert!(all.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>() > 1000, "nothing is left out");
    assert!(text.len() < 12_000_000, "{} bytes", text.len());
}

#[test]
fn series_of_what_is_gone_are_dropped() {
    let metrics = Metrics::new(Arc::default());
    let (here, gone) = (workload("here"), workload("gone"));
    let name = Name::of_mesh;
    let stranger = metrics.names.of_client(&Arc::new(here.clone()), "stranger.test");
    for (source, host, version) in [
        (&here, name("reviews"), "v1"),
        (&here, name("reviews"), "v0"),
        (&here, name("old-service"), "v1"),
        (&here, stranger, ""),
        (&gone, name("reviews"), "v1"),
    ] {
        observe(&metrics, source, host, version, 200);
    }
    let endpoint = Endpoint::named("10.0.0.1", 80);
    let key = |host: &str| ClusterKey { host: host.to_owned(), subset: None, port: 80 };
    let clusters = [key("reviews"), key("old-service")];
    metrics.know(clusters.iter().map(|key| (key, &endpoint)));
    let before = metrics.text(1).unwrap();
    for part in ["old-service", "\"v0\"", "gone", "stranger.test"] {
        assert!(before.contains(part), "{part}");
    }
    metrics.follow([&plan(here, &[("reviews", "v1")])].into_iter());
    metrics.know(clusters[..1].iter().map(|key| (key, &endpoint)));
    let after = metrics.text(1).unwrap();
    for part in ["old-service", "\"v0\"", "gone"] {
        assert!(!after.contains(part), "{part} in\n{after}");
    }
    assert!(after.contains("destination=\"reviews\",version=\"v1\"") && after.contains("stranger.test"));
    assert!(after.contains("destination_version=\"v1\"") && after.contains("outbound|80|v1|reviews"));
}

#[test]
fn connections_that_could_not_be_made_are_counted_by_why() {
    let metrics = Metrics::new(Arc::default());
    let key = ObservationKey {
        source: Arc::new(workload("a")),
        revision: 1,
        route: None,
        host: Name::of_mesh("reviews"),
        version: "v1".to_owned(),
        subset: None,
    };
    let failures = HashMap::from([(proxy::Reason::Untrusted, 2), (proxy::Reason::Refused, 1)]);
    let stats = Stats { failures, ..Stats::default() };
    metrics.observe(&Batch { stats: HashMap::from([(key, stats)]), ..Batch::default() });
    let text = metrics.text(1).unwrap();
    for (reason, count) in [("certificate_untrusted", 2), ("refused", 1)] {
        let line = text.lines().find(|line| {
            line.starts_with("meshwright_connection_failures_total{")
                && line.contains(&format!("reason=\"{reason}\""))
        });
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {count}"))), "{line:?}");
    }
}
