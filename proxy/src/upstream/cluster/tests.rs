//! Picking among hosts.

use mesh::Source;
use mesh::plan::{ClusterKey, HashKey, HashTable, HealthCheck};

use super::*;
use crate::upstream::health::Health;

fn view_of(policy: ClusterPolicy, weights: &[u32]) -> LocalCluster {
    let endpoints = weights.iter().zip(1..).map(|(&weight, port)| Endpoint {
        address: "127.0.0.1".to_owned(),
        port,
        workload: String::new(),
        labels: [("version".to_owned(), format!("v{port}"))].into(),
        weight,
        locality: String::new(),
    });
    let key = ClusterKey { host: "reviews".to_owned(), subset: None, port: 80 };
    let cluster = Cluster { key: key.clone(), known: true, endpoints: endpoints.collect(), policy };
    let (notices, _nobody) = tokio::sync::mpsc::channel(16);
    let cluster_manager = ClusterManager::new(notices);
    let source = Arc::new(Source::Workload { namespace: "default".to_owned(), name: "w".to_owned() });
    let state = Rc::new(ClusterState::new(cluster_manager.cluster(&source, &key)));
    LocalCluster::new(state, &cluster, &BTreeMap::new(), &Config::default(), &cluster_manager)
}

fn view(balancer: Balancer, weights: &[u32]) -> LocalCluster {
    view_of(ClusterPolicy { balancer, ..ClusterPolicy::default() }, weights)
}

fn picks(view: &LocalCluster, count: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut picked = vec![0; view.hosts.len()];
    for _ in 0..count {
        picked[view.pick(&mut random, &[], None).unwrap()] += 1;
    }
    picked
}

#[test]
fn turns_are_fair() {
    assert_eq!(picks(&view(Balancer::RoundRobin, &[1, 1, 1]), 30), [10, 10, 10]);
    assert_eq!(picks(&view(Balancer::RoundRobin, &[3, 1]), 40), [30, 10]);
    assert_eq!(picks(&view(Balancer::LeastRequest, &[9, 1]), 40), [36, 4]);
    // Envoy's does not look at weights.
    for (balancer, weights) in [(Balancer::Random, [1, 9, 1]), (Balancer::LeastRequest, [1, 1, 1])] {
        for count in picks(&view(balancer, &weights), 3000) {
            assert!((900..1100).contains(&count), "{balancer:?}: {count}");
        }
    }
    assert_eq!(view(Balancer::Random, &[]).pick(&mut fastrand::Rng::new(), &[], None), None);
}

#[test]
fn a_host_that_was_tried_is_avoided() {
    let two = view(Balancer::RoundRobin, &[1, 1]);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..10 {
        assert_eq!(two.pick(&mut random, &[0], None), Some(1));
    }
    assert_eq!(view(Balancer::RoundRobin, &[1]).pick(&mut random, &[0], None), Some(0));
}

#[test]
fn ejected_hosts_get_nothing_until_all_return() {
    let outlier = Outlier {
        errors: Some(1),
        gateway_errors: None,
        local_failures: None,
        codes: Vec::new(),
        interval: Duration::from_secs(10),
        base_ejection: Duration::from_secs(30),
        max_ejected: 100,
        min_healthy: 0,
    };
    let policy = ClusterPolicy {
        balancer: Balancer::RoundRobin,
        outlier: Some(outlier.clone()),
        ..ClusterPolicy::default()
    };
    let all = view_of(policy, &[1, 1, 1]);
    all.observe(1, TryResult::Status(500));
    assert_eq!(picks(&all, 10), [5, 0, 5]);
    all.observe(0, TryResult::Failure);
    all.observe(2, TryResult::Timeout);
    assert_eq!(all.pick(&mut fastrand::Rng::new(), &[], None), None);
    all.state.shared.look(Some(&outlier), Instant::now() + Duration::from_secs(30));
    assert_eq!(picks(&all, 9), [3, 3, 3]);

    let panics = ClusterPolicy {
        balancer: Balancer::RoundRobin,
        outlier: Some(Outlier { min_healthy: 50, ..outlier }),
        ..ClusterPolicy::default()
    };
    let two = view_of(panics, &[1, 1]);
    two.observe(0, TryResult::Status(500));
    assert_eq!(picks(&two, 10), [0, 10]);
    two.observe(1, TryResult::Status(500));
    assert_eq!(picks(&two, 10), [5, 5], "with none left, all are used");
}

#[test]
fn a_hash_keeps_to_its_host() {
    for table in [HashTable::Ring(1024), HashTable::Maglev(1009)] {
        let hash = ConsistentHash { key: HashKey::SourceIp, table };
        let all = view_of(ClusterPolicy { hash: Some(hash), ..ClusterPolicy::default() }, &[1, 1, 1]);
        let mut random = fastrand::Rng::with_seed(1);
        let mut seen = [false; 3];
        for key in 0..50_u32 {
            let hash = crate::upstream::balance::hashing::hash(key.to_string());
            let first = all.pick(&mut random, &[], Some(hash)).unwrap();
            assert_eq!(all.pick(&mut random, &[first], Some(hash)), Some(first));
            seen[first] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert!(picks(&all, 3000).iter().all(|count| *count > 500), "without a key anywhere");
    }
}

#[test]
fn a_host_that_is_well_again_warms_up() {
    let window = Duration::from_secs(60);
    let policy = ClusterPolicy {
        balancer: Balancer::RoundRobin,
        warmup: Some(Warmup { window, minimum: 10.0, aggression: 1.0 }),
        health: Some(HealthCheck::parse("tcp: {}").unwrap()),
        ..ClusterPolicy::default()
    };
    let mut all = view_of(policy, &[1, 1]);
    // Both have been known for long, and nobody has ever found the first ill.
    let Some(long_ago) = Instant::now().checked_sub(window) else { return };
    for host in &mut all.hosts {
        let mut instance = Instance::new("127.0.0.1", 1);
        instance.since = long_ago;
        host.instance = Arc::new(instance);
    }
    all.hosts[0].check = None;
    assert_eq!(picks(&all, 10), [10, 0], "the second is not used before it is well");
    all.hosts[1].check.as_ref().unwrap().set(Health::Passing, "");
    assert_eq!(picks(&all, 110), [100, 10]);
}

#[test]
fn a_new_host_warms_up() {
    let warmup = Warmup { window: Duration::from_secs(3600), minimum: 50.0, aggression: 1.0 };
    let policy =
        ClusterPolicy { balancer: Balancer::RoundRobin, warmup: Some(warmup), ..ClusterPolicy::default() };
    // All are new, so their weights are what they were among each other.
    let all = view_of(policy, &[3, 1]);
    assert_eq!(picks(&all, 40), [30, 10]);
    assert!(all.stale.get().is_some());
}
