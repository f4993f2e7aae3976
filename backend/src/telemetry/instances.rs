//! What each instance of a service answered lately, and what its health checks say.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use api::{Classes, Health, InstanceStats};
use mesh::Plan;
use mesh::plan::distinct;
use proxy::{Batch, Notice, Tries};

use super::alerts::Moved;

/// Seconds of the window that an instance is judged by.
const RECENT: usize = 10;
/// Seconds that an instance is remembered for after it was asked last.
const KEPT: u64 = 600;

/// All instances that somebody asked. Knows no clock: seconds end when it is told so.
#[derive(Debug, Default)]
pub struct Instances {
    moved: Moved,
    /// By the service's host, and the instance's address and port.
    all: BTreeMap<(String, String), Window>,
    changed: bool,
}

#[derive(Debug, Default)]
struct Window {
    current: Classes,
    /// Newest last.
    seconds: VecDeque<Classes>,
    /// Seconds since it was asked.
    quiet: u64,
    /// What health checks say; without any, nothing.
    passes: Option<bool>,
}

impl Instances {
    /// None; `moved` says where endpoints of the files really are.
    pub fn new(moved: Moved) -> Self {
        Self { moved, ..Self::default() }
    }

    /// Adds what a proxy counted.
    pub fn add(&mut self, batch: &Batch) {
        for (place, tries) in &batch.tries {
            let name = (place.host.clone(), self.moved.name(&place.address, place.port));
            let window = self.all.entry(name).or_default();
            window.quiet = 0;
            window.current += classes(tries);
        }
    }

    /// Takes what a health check found.
    pub fn notice(&mut self, notice: &Notice) {
        let (host, address, port, passes) = match notice {
            Notice::Healthy { host, address, port, .. } => (host, address, *port, true),
            Notice::Unhealthy { host, address, port, .. } => (host, address, *port, false),
            _ => return,
        };
        let name = (host.clone(), self.moved.name(address, port));
        self.all.entry(name).or_insert_with(Window::unasked).passes = Some(passes);
        self.changed = true;
    }

    /// Forgets instances that these plans do not have; of those that are not checked, what checks said.
    pub fn follow<'p>(&mut self, plans: impl Iterator<Item = &'p Plan>) {
        let hosts: HashSet<&str> = self.all.keys().map(|(host, _)| host.as_str()).collect();
        let mut there: HashMap<(&str, String), bool> = HashMap::new();
        for plan in distinct(plans) {
            for cluster in plan.clusters.iter().filter(|it| hosts.contains(it.key.host.as_str())) {
                for endpoint in &cluster.endpoints {
                    let name = (cluster.key.host.as_str(), self.moved.name(&endpoint.address, endpoint.port));
                    *there.entry(name).or_default() |= cluster.policy.health.is_some();
                }
            }
        }
        let before = self.all.len();
        let mut changed = false;
        self.all.retain(|(host, instance), window| {
            let checked = there.get(&(host.as_str(), instance.clone()));
            if checked == Some(&false) {
                changed |= window.passes.take().is_some();
            }
            checked.is_some()
        });
        self.changed |= changed || self.all.len() < before;
    }

    /// Ends a second. All instances, where what is told of them changed.
    pub fn second(&mut self) -> Option<Vec<InstanceStats>> {
        let mut changed = std::mem::take(&mut self.changed);
        self.all.retain(|_, window| {
            changed |= window.end_second();
            let stays = window.quiet < KEPT || window.passes.is_some();
            changed |= !stays;
            stays
        });
        let told = self.all.iter().map(|((host, instance), window)| InstanceStats {
            host: host.clone(),
            instance: instance.clone(),
            recent: window.recent(),
            health: window.health(),
        });
        changed.then(|| told.collect())
    }
}

impl Window {
    /// Of an instance that nobody but its checks asks.
    fn unasked() -> Self {
        Self { quiet: KEPT, ..Self::default() }
    }

    /// Whether that changed the sum.
    fn end_second(&mut self) -> bool {
        let before = self.recent();
        self.seconds.push_back(std::mem::take(&mut self.current));
        if self.seconds.len() > RECENT {
            self.seconds.pop_front();
        }
        self.quiet += 1;
        self.recent() != before
    }

    fn recent(&self) -> Classes {
        let mut sum = Classes::default();
        self.seconds.iter().for_each(|second| sum += *second);
        sum
    }

    fn health(&self) -> Health {
        match (self.passes, self.recent().health(self.quiet < KEPT)) {
            (Some(false), _) => Health::Failing,
            // Nobody asks it, but its checks do.
            (Some(true), Health::Idle | Health::Unknown) => Health::Healthy,
            (_, health) => health,
        }
    }
}

fn classes(tries: &Tries) -> Classes {
    let [none, success, redirect, client, server] = tries.by_class.map(f64::from);
    Classes { success, redirect, client, server, none }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Instant;

    use mesh::plan::{Cluster, ClusterKey, ClusterPolicy, Endpoint};
    use proxy::Place;

    use super::*;

    fn place() -> Place {
        Place { host: "reviews".to_owned(), address: "127.0.0.1".to_owned(), port: 41_000 }
    }

    fn asked(by_class: [u32; 5]) -> Batch {
        Batch { tries: HashMap::from([(place(), Tries { by_class })]), ..Batch::default() }
    }

    fn told(instances: &mut Instances) -> Option<(String, Health)> {
        let all = instances.second()?;
        let one = all.first().map(|one| (one.instance.clone(), one.health));
        Some(one.unwrap_or_default())
    }

    #[test]
    fn an_instance_is_what_it_answers() {
        let mut instances = Instances::new(Moved::new(&HashMap::from([(9080, 41_000)])));
        assert_eq!(told(&mut instances), None, "nobody was asked");
        for (tries, expected) in [
            ([0, 10, 0, 0, 0], Health::Healthy),
            ([1, 0, 0, 0, 0], Health::Degraded),
            ([9, 0, 0, 0, 0], Health::Failing),
        ] {
            instances.add(&asked(tries));
            assert_eq!(told(&mut instances), Some(("127.0.0.1:9080".to_owned(), expected)));
        }
        let healths: Vec<_> =
            (0..700).filter_map(|_| told(&mut instances)).map(|(_, health)| health).collect();
        // The window empties, and in the end the instance is forgotten.
        assert_eq!(healths[healths.len() - 2..], [Health::Idle, Health::Unknown]);
        assert!(instances.all.is_empty());
    }

    #[test]
    fn checks_ask_where_nobody_else_does() {
        let mut instances = Instances::default();
        let Place { host, address, port } = place();
        let at = Instant::now();
        let (up_host, up_address) = (host.clone(), address.clone());
        instances.notice(&Notice::Healthy { host: up_host, address: up_address, port, at });
        assert_eq!(told(&mut instances).unwrap().1, Health::Healthy);
        instances.add(&asked([0, 1, 0, 0, 0]));
        let why = "it answered 503".to_owned();
        instances.notice(&Notice::Unhealthy { host, address, port, why, at });
        assert_eq!(told(&mut instances).unwrap().1, Health::Failing);
        let endpoint = Endpoint::named("127.0.0.1", 41_000);
        let key = ClusterKey { host: "reviews".to_owned(), subset: None, port: 80 };
        let cluster =
            Cluster { key, known: true, endpoints: vec![endpoint], policy: ClusterPolicy::default() };
        let plan = |clusters: Vec<Cluster>| Plan {
            revision: 1,
            source: mesh::Source::named("workload", "w"),
            paths: mesh::PathNormalization::default(),
            labels: std::sync::Arc::default(),
            internal: Vec::new(),
            listeners: [].into(),
            clusters: clusters.into_iter().map(std::sync::Arc::new).collect(),
        };
        instances.follow([&plan(vec![cluster])].into_iter());
        assert_eq!(told(&mut instances).unwrap().1, Health::Healthy, "it is checked no more");
        instances.follow([&plan(vec![])].into_iter());
        assert_eq!(instances.second(), Some(vec![]));
    }
}
