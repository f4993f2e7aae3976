//! What the places of source and endpoints mean: which priority an endpoint has, and which share its place gets.

use std::collections::BTreeMap;

use crate::plan::{Endpoint, Locality};
use crate::registry::LOCALITY_LABELS;

/// Where an endpoint stands for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its priority, from 0.
    pub level: usize,
    /// Its position among [`Places::shares`].
    pub share: usize,
}

/// Where all endpoints of a cluster stand.
#[derive(Debug, Default)]
pub struct Places {
    /// Of each endpoint; `None`: it gets no requests.
    pub of: Vec<Option<Place>>,
    /// Shares of places among each other.
    pub shares: Vec<u32>,
    /// How many priorities there are.
    pub levels: usize,
}

impl Places {
    /// The places of endpoints, seen from a source with these labels.
    pub fn new(endpoints: &[Endpoint], policy: Option<&Locality>, labels: &BTreeMap<String, String>) -> Self {
        let own = |at: usize| labels.get(LOCALITY_LABELS[at]).map_or("", String::as_str);
        let here = [own(0), own(1), own(2)];
        if let Some(policy) = policy {
            if !policy.distribute.is_empty() && !here[0].is_empty() {
                let from = policy.distribute.iter().find(|(from, _)| covers(from, &here));
                if let Some((_, to)) = from {
                    return Self::distributed(endpoints, to);
                }
            } else if policy.fails_over && !policy.failover_priority.is_empty() {
                let level = |endpoint: &Endpoint| by_labels(endpoint, &policy.failover_priority, labels);
                return Self::ordered(endpoints.iter().map(level).collect());
            } else if policy.fails_over && !here[0].is_empty() {
                let level = |endpoint: &Endpoint| by_region(endpoint, &policy.failover, here);
                return Self::ordered(endpoints.iter().map(level).collect());
            }
        }
        Self::ordered(vec![0; endpoints.len()])
    }

    /// The priority of an endpoint; `None`: it gets no requests.
    pub fn level(&self, endpoint: usize) -> Option<usize> {
        self.of.get(endpoint)?.map(|place| place.level)
    }

    /// Priorities without gaps.
    fn ordered(levels: Vec<usize>) -> Self {
        let mut used = levels.clone();
        used.sort_unstable();
        used.dedup();
        let place = |level: usize| {
            let level = used.iter().position(|used| *used == level).unwrap_or(0);
            Some(Place { level, share: 0 })
        };
        Self { of: levels.into_iter().map(place).collect(), shares: vec![1], levels: used.len() }
    }

    fn distributed(endpoints: &[Endpoint], to: &[(String, u32)]) -> Self {
        let place = |endpoint: &Endpoint| {
            let there = parts(&endpoint.locality);
            let share = to.iter().position(|(to, _)| covers(to, &there))?;
            Some(Place { level: 0, share })
        };
        let shares = to.iter().map(|(_, share)| *share).collect();
        Self { of: endpoints.iter().map(place).collect(), shares, levels: 1 }
    }
}

fn parts(locality: &str) -> [&str; 3] {
    let mut parts = locality.splitn(3, '/');
    [(); 3].map(|()| parts.next().unwrap_or(""))
}

/// Whether a place is within what a pattern says: `region/zone/*`; what it leaves out at its end may be anything.
fn covers(pattern: &str, place: &[&str; 3]) -> bool {
    pattern
        .split('/')
        .zip(place)
        .take_while(|(part, _)| *part != "*")
        .all(|(part, own)| part.is_empty() || part == *own)
}

/// The same subzone, the same zone, the same region, the region that stands in for it, any other.
fn by_region(endpoint: &Endpoint, failover: &[(String, String)], here: [&str; 3]) -> usize {
    let there = parts(&endpoint.locality);
    if there[0] == here[0] {
        return match (there[1] == here[1], there[2] == here[2]) {
            (true, true) => 0,
            (true, false) => 1,
            _ => 2,
        };
    }
    let stands_in = failover.iter().find(|(from, _)| from == here[0]);
    if stands_in.is_some_and(|(_, to)| to != there[0]) { 4 } else { 3 }
}

/// By the first labels that are the same.
fn by_labels(endpoint: &Endpoint, order: &[String], labels: &BTreeMap<String, String>) -> usize {
    let there = parts(&endpoint.locality);
    let same = |label: &&String| {
        let (name, wanted) = match label.split_once('=') {
            Some((name, wanted)) => (name, wanted),
            None => (label.as_str(), labels.get(label.as_str()).map_or("", String::as_str)),
        };
        let place = || LOCALITY_LABELS.iter().position(|own| *own == name).map_or("", |at| there[at]);
        endpoint.labels.get(name).map_or_else(place, String::as_str) == wanted
    };
    order.len() - order.iter().take_while(same).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(locality: &str, labels: &[(&str, &str)]) -> Endpoint {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Endpoint { locality: locality.to_owned(), labels, ..Endpoint::named("a", 80) }
    }

    fn labels(locality: &str) -> BTreeMap<String, String> {
        let names = LOCALITY_LABELS.into_iter().map(str::to_owned);
        names.zip(locality.split('/').map(str::to_owned)).collect()
    }

    fn levels(places: &Places) -> Vec<usize> {
        places.of.iter().map(|place| place.unwrap().level).collect()
    }

    #[test]
    fn nearer_endpoints_are_preferred() {
        let all = ["a/b/c", "a/b/d", "a/x", "b/b/c", "c", ""].map(|locality| endpoint(locality, &[]));
        let mut policy = Locality { fails_over: true, ..Locality::default() };
        let seen = |policy: &Locality, from: &str| levels(&Places::new(&all, Some(policy), &labels(from)));
        assert_eq!(seen(&policy, "a/b/c"), [0, 1, 2, 3, 3, 3]);
        assert_eq!(seen(&policy, "c"), [1, 1, 1, 1, 0, 1]);
        assert_eq!(seen(&policy, ""), [0; 6], "the source does not know where it is");
        policy.failover = vec![("a".to_owned(), "c".to_owned())];
        assert_eq!(seen(&policy, "a/b/c"), [0, 1, 2, 4, 3, 4]);
        policy.fails_over = false;
        assert_eq!(seen(&policy, "a/b/c"), [0; 6]);
    }

    #[test]
    fn labels_may_say_what_is_near() {
        let all = [("n1", "v1"), ("n1", "v2"), ("n2", "v1"), ("n2", "v2")]
            .map(|(network, version)| endpoint("a", &[("net", network), ("version", version)]));
        let policy = Locality {
            fails_over: true,
            failover_priority: vec!["net".to_owned(), "version=v2".to_owned()],
            ..Locality::default()
        };
        let from = BTreeMap::from([("net".to_owned(), "n1".to_owned())]);
        assert_eq!(levels(&Places::new(&all, Some(&policy), &from)), [1, 0, 2, 2]);
        let region = Locality { failover_priority: vec![LOCALITY_LABELS[0].to_owned()], ..policy };
        assert_eq!(levels(&Places::new(&all, Some(&region), &labels("a"))), [0; 4]);
    }

    #[test]
    fn places_get_their_shares_and_others_none() {
        let all = ["a/b/c", "a/d", "b", "c"].map(|locality| endpoint(locality, &[]));
        let to = vec![("a/b/*".to_owned(), 80), ("b".to_owned(), 20)];
        let policy = Locality { distribute: vec![("a/*".to_owned(), to)], ..Locality::default() };
        let places = Places::new(&all, Some(&policy), &labels("a/x"));
        let shares: Vec<Option<usize>> =
            places.of.iter().map(|place| place.map(|place| place.share)).collect();
        assert_eq!((shares, places.shares), (vec![Some(0), None, Some(1), None], vec![80, 20]));
        assert_eq!(levels(&Places::new(&all, Some(&policy), &labels("z"))), [0; 4], "nothing is said of it");
    }
}
