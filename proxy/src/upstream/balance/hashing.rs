//! Tables by which endpoints share hashes, so that few hashes move when endpoints come and go: Envoy's ring, and Maglev. Both with
//! Envoy's hash of the same texts, so that a key has the same endpoint on both.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use mesh::plan::HashTable;
use xxhash_rust::xxh64::xxh64;

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

/// Envoy's hash of a text.
pub(crate) fn hash(text: impl AsRef<[u8]>) -> u64 {
    seeded(text, 0)
}

/// The same of several texts: the hash of each seeds the next one's.
pub(crate) fn hash_all<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> u64 {
    texts.into_iter().fold(0, |seed, text| seeded(text, seed))
}

fn seeded(text: impl AsRef<[u8]>, seed: u64) -> u64 {
    xxh64(text.as_ref(), seed)
}

/// What Envoy calls an endpoint: an address of IPv6 stands in brackets.
fn called(name: &str) -> Cow<'_, str> {
    match name.rsplit_once(':') {
        Some((address, port)) if address.contains(':') && !address.starts_with('[') => {
            Cow::Owned(format!("[{address}]:{port}"))
        }
        _ => Cow::Borrowed(name),
    }
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
        let mut print = DefaultHasher::new();
        (size, endpoints).hash(&mut print);
        let print = print.finish();
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
        let mut place = called(name).into_owned() + "_";
        let bare = place.len();
        let mut index = 0_u32;
        while now < target {
            place.truncate(bare);
            place.push_str(itoa::Buffer::new().format(index));
            places.push((hash(&place), at));
            index += 1;
            now += 1.0;
        }
    }
    places.sort_unstable();
    places.into_boxed_slice()
}

/// Endpoints take turns, in the order of their names, at choosing the next place of their own order that is free; light ones
/// choose less often.
#[expect(clippy::cast_possible_truncation, reason = "a place is below the size")]
fn maglev(endpoints: &[(&str, u32)], size: u32) -> Box<[u32]> {
    struct Chooser<'n> {
        name: Cow<'n, str>,
        at: u32,
        next: u64,
        skip: u64,
        weight: f64,
        due: f64,
    }
    const FREE: u32 = u32::MAX;
    let size = u64::from(size.max(2));
    // With the same steps as Envoy, so that what is rounded is rounded as there.
    let total: f64 = endpoints.iter().map(|(_, weight)| f64::from((*weight).max(1))).sum();
    let mut choosers: Vec<Chooser<'_>> = endpoints
        .iter()
        .zip(0..)
        .map(|((name, weight), at)| {
            let name = called(name);
            let next = hash(name.as_bytes()) % size;
            let skip = seeded(name.as_bytes(), 1) % (size - 1) + 1;
            Chooser { name, at, next, skip, weight: f64::from((*weight).max(1)) / total, due: 0.0 }
        })
        .collect();
    choosers.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let heaviest = choosers.iter().map(|chooser| chooser.weight).fold(0.0, f64::max);
    let mut table = vec![FREE; size as usize];
    let mut taken = 0;
    let mut turn = 1.0;
    loop {
        for chooser in &mut choosers {
            if turn * chooser.weight < chooser.due {
                continue;
            }
            chooser.due += heaviest;
            // The size is a prime, so the order has every place. Of any other size it may not: then the next one.
            let mut tries = 0;
            while table[chooser.next as usize] != FREE {
                tries += 1;
                let step = if tries > size { 1 } else { chooser.skip };
                chooser.next = (chooser.next + step) % size;
            }
            table[chooser.next as usize] = chooser.at;
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
            counts[table.find(hash(key.to_string()))] += 1;
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
                .map(|key| hash(key.to_string()))
                .filter(|hash| before.find(*hash) != 3 && before.find(*hash) != after.find(*hash))
                .count();
            assert!(moved < 1500, "{kind:?}: {moved} moved that did not need to");
        }
    }

    #[test]
    fn texts_have_envoys_hashes() {
        // From xxHash's own tests, and Envoy's.
        assert_eq!(hash(""), 0xef46_db37_51d8_e999);
        assert_eq!(hash("foo"), 3_728_699_739_546_630_719);
        assert_eq!(hash_all(["foo"]), hash("foo"));
        assert_ne!(hash_all(["foo", "bar"]), hash_all(["bar", "foo"]));
        for (name, expected) in
            [("10.0.0.1:80", "10.0.0.1:80"), ("::1:80", "[::1]:80"), ("[::1]:80", "[::1]:80"), ("a:1", "a:1")]
        {
            assert_eq!(called(name), expected);
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
