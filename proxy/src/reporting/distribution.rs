//! How values are spread, in the buckets that Envoy has and Istio's dashboards expect.

use std::collections::HashMap;

/// Upper bounds of buckets: Envoy's, for milliseconds and for bytes alike.
pub const BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Values by bucket, the last of which is for what is beyond all bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many are in each bucket alone.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All values together, in the unit that they were recorded in.
    pub sum: u64,
}

/// What is told of requests that ended alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// How many.
    pub requests: u64,
    /// How long they took; the sum is in microseconds.
    pub took: Distribution,
    /// Bytes of their bodies.
    pub sent: Distribution,
    /// Bytes of the responses' bodies.
    pub received: Distribution,
}

/// The bounds as whole numbers: of microseconds, and of bytes.
const MICROS: [u64; BOUNDS.len()] = whole(1000);
const BYTES: [u64; BOUNDS.len()] = whole(1);

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
const fn whole(by: u64) -> [u64; BOUNDS.len()] {
    let mut all = [0; BOUNDS.len()];
    let mut at = 0;
    while at < all.len() {
        // Twice, and then half of it: the first bound is one half.
        all[at] = (BOUNDS[at] * 2.0) as u64 * by / 2;
        at += 1;
    }
    all
}

/// Requests by status and flags, as Envoy's access log writes flags: `UF,URX`, or `-` for none. Backends choose a status, and clients
/// what backends do, so only [`Answers::MOST`] of them are told apart; the rest is counted by the class of the status, with the
/// flags [`Answers::OTHER`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(HashMap<(u16, String), Answered>);

impl Answers {
    /// So many are told apart.
    pub const MOST: usize = 32;
    /// Flags of the rest.
    pub const OTHER: &str = "other";

    /// Where requests with this status and these flags are counted.
    pub fn entry(&mut self, status: u16, flags: &str) -> &mut Answered {
        self.entry_up_to(Self::MOST, status, flags)
    }

    fn entry_up_to(&mut self, most: usize, status: u16, flags: &str) -> &mut Answered {
        let mut key = (status, flags.to_owned());
        if self.0.len() >= most && !self.0.contains_key(&key) {
            key = (class(status), Self::OTHER.to_owned());
        }
        self.0.entry(key).or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str, &Answered)> {
        self.0.iter().map(|((status, flags), answered)| (*status, flags.as_str(), answered))
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: &Self) {
        self.merge_up_to(Self::MOST, other);
    }

    /// The same, with fewer that are told apart.
    pub fn merge_up_to(&mut self, most: usize, other: &Self) {
        for (status, flags, answered) in other.iter() {
            self.entry_up_to(most, status, flags).merge(answered);
        }
    }
}

/// The first status of a status's class: 404 is of 400. What is no status of HTTP is none.
pub(crate) const fn class(status: u16) -> u16 {
    if status < 1000 { status / 100 * 100 } else { 0 }
}

impl Distribution {
    fn record(&mut self, value: u64, bounds: &[u64; BOUNDS.len()]) {
        self.counts[bounds.partition_point(|most| *most < value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, more)| *own += more);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

impl Answered {
    /// One more request: how long it took, and the bytes both ways.
    pub fn record(&mut self, micros: u64, sent: u64, received: u64) {
        self.requests += 1;
        self.took.record(micros, &MICROS);
        self.sent.record(sent, &BYTES);
        self.received.record(received, &BYTES);
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.took.merge(&other.took);
        self.sent.merge(&other.sent);
        self.received.merge(&other.received);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_their_buckets() {
        let mut all = Answered::default();
        for (micros, sent) in [(0, 0), (500, 1), (501, 2), (1_000, 5), (7_000, 6), (u64::MAX / 4, 3_600_001)]
        {
            all.record(micros, sent, 0);
        }
        assert_eq!(all.took.counts[..4], [2, 2, 0, 1]);
        assert_eq!(all.sent.counts[..4], [1, 1, 2, 1]);
        assert_eq!((all.took.counts[19], all.sent.counts[19]), (1, 1));
        assert_eq!((all.received.counts[0], all.sent.sum), (6, 3_600_015));
        let mut twice = all.clone();
        twice.merge(&all);
        assert_eq!((twice.requests, twice.took.counts[0], twice.sent.sum), (12, 4, 7_200_030));
    }

    #[test]
    fn only_so_many_answers_are_told_apart() {
        let mut all = Answers::default();
        for status in 100..1000 {
            all.entry(status, "-").record(1, 1, 1);
        }
        all.entry(100, "-").record(1, 1, 1);
        all.entry(60_000, "UF").record(1, 1, 1);
        let mut twice = all.clone();
        twice.merge(&all);
        assert_eq!(twice.iter().count(), Answers::MOST + 10);
        let counted = |status, flags| {
            let found = twice.iter().find(|(known, with, _)| (*known, *with) == (status, flags));
            found.map(|(.., answered)| answered.requests)
        };
        assert_eq!(counted(100, "-"), Some(4));
        assert_eq!([counted(100, Answers::OTHER), counted(400, Answers::OTHER)], [Some(136), Some(200)]);
        assert_eq!([counted(0, Answers::OTHER), counted(404, "-")], [Some(2), None]);
    }
}
