//! Which endpoints a request may go to, in groups with their shares: made anew when an endpoint is taken out or returns,
//! so that picking only draws.

pub(crate) mod hashing;
mod priority;
pub(crate) mod warmup;

use std::sync::Arc;

use mesh::plan::HashTable;
use mesh::route::Places;

use hashing::Tables;
use priority::{Level, OVERPROVISIONED};

/// An endpoint that may be picked.
#[derive(Debug)]
pub(crate) struct Candidate<'c> {
    /// Address and port.
    pub(crate) name: &'c str,
    /// Its weight.
    pub(crate) weight: u32,
    /// It is not taken out.
    pub(crate) there: bool,
    /// It is there, but is asked after those that are better.
    pub(crate) degraded: bool,
}

/// How requests are shared.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    list: Vec<Group>,
    total: u64,
}

/// Endpoints of one priority and place.
#[derive(Debug)]
pub(crate) struct Group {
    /// Up to which draw it is this one.
    below: u64,
    pub(crate) members: Vec<WeightedHost>,
    /// Their weights differ.
    pub(crate) weighted: bool,
    hashed: Option<Arc<hashing::Table>>,
}

/// An endpoint of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightedHost {
    /// Its position in the cluster.
    pub(crate) host: usize,
    pub(crate) weight: u32,
}

impl Groups {
    /// Groups of these endpoints, which stand where `places` says.
    pub(crate) fn new(
        candidates: &[Candidate<'_>],
        places: &Places,
        min_healthy: u32,
        hash: Option<(HashTable, &Tables)>,
    ) -> Self {
        let mut levels = vec![Level::default(); places.levels];
        if candidates.iter().any(|candidate| candidate.there && candidate.degraded) {
            // Behind all priorities come the same again, with what is degraded in them.
            levels.resize(2 * places.levels, Level::default());
        }
        let level_of = |candidate: &Candidate<'_>, level: usize| {
            if candidate.there && candidate.degraded { level + places.levels } else { level }
        };
        for (candidate, place) in candidates.iter().zip(&places.of) {
            let Some(place) = place else { continue };
            let own = level_of(candidate, place.level);
            for at in [place.level, place.level + places.levels] {
                if let Some(level) = levels.get_mut(at) {
                    level.all += 1;
                    level.there += u64::from(candidate.there && at == own);
                }
            }
        }
        let mut groups = Self::default();
        for (at, load) in priority::loads(&levels, min_healthy).into_iter().enumerate() {
            if load.percent == 0 {
                continue;
            }
            let of_share = |share: Option<usize>| {
                let all = candidates.iter().zip(&places.of).enumerate();
                all.filter_map(move |(host, (candidate, place))| {
                    let place = place.filter(|it| {
                        level_of(candidate, it.level) == at && share.is_none_or(|share| it.share == share)
                    })?;
                    Some((host, candidate, place))
                })
            };
            let usable = |candidate: &Candidate<'_>| candidate.there || load.panic;
            if let Some((kind, tables)) = hash {
                let used = of_share(None).filter(|(_, candidate, _)| usable(candidate));
                let (members, names): (Vec<WeightedHost>, Vec<(&str, u32)>) = used
                    .map(|(host, candidate, place)| {
                        let weight = candidate.weight.saturating_mul(places.shares[place.share]);
                        (WeightedHost { host, weight }, (candidate.name, weight))
                    })
                    .unzip();
                groups.push(load.percent, members, tables.get(kind, &names));
                continue;
            }
            // A place that has lost many carries less than its share.
            let carries: Vec<u64> = (0..places.shares.len())
                .map(|share| {
                    let (mut all, mut there) = (0, 0);
                    for (_, candidate, _) in of_share(Some(share)) {
                        all += 1;
                        there += u64::from(usable(candidate));
                    }
                    let able = (there * OVERPROVISIONED).checked_div(all).unwrap_or(0).min(100);
                    u64::from(places.shares[share]) * able
                })
                .collect();
            let sum: u64 = carries.iter().sum();
            for (share, carried) in carries.into_iter().enumerate().filter(|(_, carried)| *carried > 0) {
                let members = of_share(Some(share))
                    .filter(|(_, candidate, _)| usable(candidate))
                    .map(|(host, candidate, _)| WeightedHost { host, weight: candidate.weight })
                    .collect();
                groups.push(load.percent * 10_000 * carried / sum, members, None);
            }
        }
        groups
    }

    fn push(&mut self, share: u64, members: Vec<WeightedHost>, hashed: Option<Arc<hashing::Table>>) {
        if share > 0 && !members.is_empty() {
            self.total += share;
            let weighted = members.windows(2).any(|pair| pair[0].weight != pair[1].weight);
            self.list.push(Group { below: self.total, members, weighted, hashed });
        }
    }

    /// The group of a draw; `None` when no endpoint is there.
    pub(crate) fn draw(&self, random: impl FnOnce() -> u64) -> Option<&Group> {
        match &self.list[..] {
            [] => None,
            [only] => Some(only),
            several => {
                let drawn = random() % self.total;
                several.iter().find(|group| drawn < group.below)
            }
        }
    }

    /// The endpoint of a hash.
    pub(crate) fn by_hash(&self, hash: u64) -> Option<usize> {
        let group = self.draw(|| hash)?;
        let table = group.hashed.as_ref()?;
        Some(group.members[table.find(hash)].host)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mesh::plan::{Endpoint, Locality};
    use mesh::registry::LOCALITY_LABELS;

    use super::*;

    fn groups(localities: &[(&str, bool)], policy: &Locality) -> Vec<(u64, Vec<usize>)> {
        let endpoints: Vec<Endpoint> = localities
            .iter()
            .map(|(locality, _)| Endpoint { locality: (*locality).to_owned(), ..Endpoint::named("a", 80) })
            .collect();
        let labels = BTreeMap::from([(LOCALITY_LABELS[0].to_owned(), "a".to_owned())]);
        let places = Places::new(&endpoints, Some(policy), &labels);
        let candidates: Vec<Candidate<'_>> = localities
            .iter()
            .map(|(_, there)| Candidate { name: "a", weight: 1, there: *there, degraded: false })
            .collect();
        let groups = Groups::new(&candidates, &places, 0, None);
        let mut before = 0;
        groups
            .list
            .iter()
            .map(|group| {
                let share = (group.below - std::mem::replace(&mut before, group.below)) * 100 / groups.total;
                (share, group.members.iter().map(|member| member.host).collect())
            })
            .collect()
    }

    #[test]
    fn regions_take_over() {
        let policy = Locality { fails_over: true, ..Locality::default() };
        let seen = |there: [bool; 4]| {
            let all = ["a", "a", "b", "b"].into_iter().zip(there).collect::<Vec<_>>();
            groups(&all, &policy)
        };
        assert_eq!(seen([true; 4]), [(100, vec![0, 1])]);
        assert_eq!(seen([true, false, true, true]), [(70, vec![0]), (30, vec![2, 3])]);
        assert_eq!(seen([false, false, true, true]), [(100, vec![2, 3])]);
        assert_eq!(seen([false; 4]), []);
    }

    #[test]
    fn the_degraded_come_after_all_others() {
        let places = Places::new(&[(); 4].map(|()| Endpoint::named("a", 80)), None, &BTreeMap::new());
        let seen = |states: [(bool, bool); 4]| {
            let candidates =
                states.map(|(there, degraded)| Candidate { name: "a", weight: 1, there, degraded });
            let groups = Groups::new(&candidates, &places, 0, None);
            let mut before = 0;
            let shares = groups.list.iter().map(|group| {
                let share = (group.below - std::mem::replace(&mut before, group.below)) * 100 / groups.total;
                (share, group.members.iter().map(|member| member.host).collect::<Vec<_>>())
            });
            shares.collect::<Vec<_>>()
        };
        let (well, tired, out) = ((true, false), (true, true), (false, true));
        assert_eq!(seen([well, well, well, tired]), [(100, vec![0, 1, 2])]);
        assert_eq!(seen([well, well, tired, tired]), [(70, vec![0, 1]), (30, vec![2, 3])]);
        assert_eq!(seen([well, out, out, tired]), [(50, vec![0]), (50, vec![3])]);
        assert_eq!(seen([tired; 4]), [(100, vec![0, 1, 2, 3])]);
    }

    #[test]
    fn places_share() {
        let to = vec![("a".to_owned(), 75), ("b".to_owned(), 25)];
        let policy = Locality { distribute: vec![("a".to_owned(), to)], ..Locality::default() };
        let all = [("a", true), ("b", true), ("b", true), ("c", true)];
        assert_eq!(groups(&all, &policy), [(75, vec![0]), (25, vec![1, 2])]);
        let lost = [("a", false), ("b", true), ("b", false), ("c", true)];
        assert_eq!(groups(&lost, &policy), [(100, vec![1])]);
    }
}
