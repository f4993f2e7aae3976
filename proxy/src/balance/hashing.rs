//! Tables by which endpoints share hashes, so that few hashes move when endpoints come and go: Envoy's ring, and Maglev.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use mesh::plan::HashTable;

/// Tables of a cluster that are kept, so that threads and plans share them.
const KEPT: usize = 4;
/// The largest ring.
const LARGEST_RING: f64 = 8_388_608.0;

/// Endpoints by hash.
#[derive(Debug)]
pub(crate) enum Table {
    /// Places on a ring, in order, with the endpoint that stands there.
    Ring(Box<[(u64, u32)]>),
    /// Endpoints by the hash's rest.
    Maglev(Box<[u32]>),
}

/// Tables that were made, by what they were made of.
#[derive(Debug, Default)]
pub(crate) struct Tables(Mutex<Vec<(u64, Arc<Table>)>>);

/// The same for the same on all threads.
pub(crate) fn hash(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Tables {
    /// The table of these endpoints, by name and weight; none of no endpoints.
    pub(crate) fn get(&self, kind: HashTable, endpoints: &[(&str, u32)]) -> Option<Arc<Table>> {
        if endpoints.is_empty() {
            return None;
        }
        let size = match kind {
            HashTable::Ring(size) => (0, size),
            HashTable::Maglev(size) => (1, size),
        };
        let print = hash(&(size, endpoints));
        // A table is pushed whole, so what a thread left that panicked is good.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = kept.iter().find(|(known, _)| *known == print) {
            return Some(Arc::clone(table));
        }
        let table = Arc::new(match kind {
            HashTable::Ring(size) => Table::Ring(ring(endpoints, size)),
            HashTable::Maglev(size) => Table::Maglev(maglev(endpoints, size)),
        });
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((print, Arc::clone(&table)));
        Some(table)
    }
}

impl Table {
    /// The endpoint of a hash.
    pub(crate) fn find(&self, hash: u64) -> usize {
        match self {
            Self::Ring(ring) => {
                let at = ring.partition_point(|(place, _)| *place < hash);
                ring[if at == ring.len() { 0 } else { at }].1 as usize
            }
            // The rest is smaller than the table.
            Self::Maglev(table) => table[(hash % table.len() as u64) as usize] as usize,
        }
    }
}

/// Each endpoint has places by its weight, the lightest at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places are below 2^23")]
fn ring(endpoints: &[(&str, u32)], least: u32) -> Box<[(u64, u32)]> {
    let total: f64 = endpoints.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let lightest = endpoints.iter().map(|(_, weight)| f64::from(*weight) / total).fold(1.0, f64::min);
    let scale = ((lightest * f64::from(least)).ceil() / lightest).min(LARGEST_RING);
    let mut places = Vec::with_capacity(scale as usize + endpoints.len());
    let (mut now, mut target) = (0.0, 0.0);
    for ((name, weight), at) in endpoints.iter().zip(0..) {
        target += scale * f64::from(*weight) / total;
        let mut index = 0_u32;
        while now < target {
            places.push((hash(&(name, index)), at));
            index += 1;
            now += 1.0;
        }
    }
    places.sort_unstable();
    places.into_boxed_slice()
}

/// Endpoints take turns at choosing the next place of their own order that is free; light ones choose less often.
#[expect(clippy::cast_possible_truncation, reason = "a place is below the size")]
fn maglev(endpoints: &[(&str, u32)], size: u32) -> Box<[u32]> {
    struct Chooser {
        next: u64,
        skip: u64,
        weight: f64,
        due: f64,
    }
    const FREE: u32 = u32::MAX;
    let size = u64::from(size.max(2));
    let heaviest = endpoints.iter().map(|(_, weight)| *weight).max().unwrap_or(1);
    let mut choosers: Vec<Chooser> = endpoints
        .iter()
        .map(|(name, weight)| Chooser {
            next: hash(name) % size,
            skip: hash(&(name, 1_u8)) % (size - 1) + 1,
            weight: f64::from((*weight).max(1)) / f64::from(heaviest.max(1)),
            due: 0.0,
        })
        .collect();
    let mut table = vec![FREE; size as usize];
    let mut taken = 0;
    let mut turn = 1.0;
    loop {
        for (chooser, at) in choosers.iter_mut().zip(0..) {
            if turn * chooser.weight < chooser.due {
                continue;
            }
            chooser.due += 1.0;
            // The size is a prime, so the order has every place. Of any other size it may not: then the next one.
            let mut tries = 0;
            while table[chooser.next as usize] != FREE {
                tries += 1;
                let step = if tries > size { 1 } else { chooser.skip };
                chooser.next = (chooser.next + step) % size;
            }
            table[chooser.next as usize] = at;
            taken += 1;
            if taken == size {
                return table.into_boxed_slice();
            }
        }
        turn += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(table: &Table, endpoints: usize) -> Vec<f64> {
        let mut counts = vec![0_u32; endpoints];
        for key in 0..100_000_u32 {
            counts[table.find(hash(&key))] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / 1000.0).collect()
    }

    #[test]
    fn endpoints_get_hashes_by_their_weight() {
        let endpoints = [("a:1", 1), ("b:1", 2), ("c:1", 1)];
        for kind in [HashTable::Ring(8192), HashTable::Maglev(65_537)] {
            let table = Tables::default().get(kind, &endpoints).unwrap();
            for (share, expected) in shares(&table, 3).into_iter().zip([25.0, 50.0, 25.0]) {
                assert!((share - expected).abs() < 3.0, "{kind:?}: {share} % of {expected} %");
            }
        }
        assert!(Tables::default().get(HashTable::Ring(8), &[]).is_none());
    }

    #[test]
    fn few_hashes_move_when_an_endpoint_goes() {
        let endpoints = [("a:1", 1), ("b:1", 1), ("c:1", 1), ("d:1", 1)];
        for kind in [HashTable::Ring(4096), HashTable::Maglev(1009), HashTable::Maglev(1000)] {
            let tables = Tables::default();
            let before = tables.get(kind, &endpoints).unwrap();
            let after = tables.get(kind, &endpoints[..3]).unwrap();
            let moved = (0..10_000_u32)
                .map(|key| hash(&key))
                .filter(|hash| before.find(*hash) != 3 && before.find(*hash) != after.find(*hash))
                .count();
            assert!(moved < 1000, "{kind:?}: {moved} moved that did not need to");
        }
    }

    #[test]
    fn tables_are_shared() {
        let tables = Tables::default();
        let kind = HashTable::Maglev(101);
        let first = tables.get(kind, &[("a", 1)]).unwrap();
        assert!(Arc::ptr_eq(&first, &tables.get(kind, &[("a", 1)]).unwrap()));
        assert!(!Arc::ptr_eq(&first, &tables.get(kind, &[("a", 2)]).unwrap()));
    }
}
