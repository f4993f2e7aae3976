//! The counters of one thread. A route finds its counter once and keeps it, so that counting hashes nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::reporting::distribution::{Answered, Answers, class};
use crate::reporting::flags::Flags;
use crate::reporting::observation::{ObservationKey, Stats, latencies};
use crate::reporting::reason::Reason;

/// All counters that somebody counts with, or that hold counts nobody took yet.
#[derive(Default)]
pub(crate) struct Table {
    counters: RefCell<Vec<Rc<Counter>>>,
}

/// Counts requests of one key.
pub(crate) struct Counter {
    key: ObservationKey,
    chosen: Cell<u64>,
    opened: Cell<u64>,
    counts: RefCell<Counts>,
}

/// What is known of a request when it has ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ended {
    /// Status; 0 without a response.
    pub(crate) status: u16,
    /// What went wrong.
    pub(crate) flags: Flags,
    /// From its head to the end of its response.
    pub(crate) took: Duration,
    /// Bytes of its body.
    pub(crate) sent: u64,
    /// Bytes of the response's body.
    pub(crate) received: u64,
    /// Tries beyond the first.
    pub(crate) retries: u32,
}

struct Counts {
    requests: u64,
    /// By status and flags. A handful at most: a search through them is faster than a hash.
    answers: Vec<(u16, Flags, Answered)>,
    /// Of connections, and of requests that are counted with others.
    flags: [u64; Flags::COUNT],
    latency: Histogram<u32>,
    sent: u64,
    received: u64,
    retries: u64,
    /// Connections that could not be made. There are few reasons, and mostly none.
    failures: Vec<(Reason, u64)>,
    /// Connections that have ended.
    closed: u64,
}

impl Table {
    /// A new counter.
    pub(crate) fn counter(&self, key: ObservationKey) -> Rc<Counter> {
        let counter = Rc::new(Counter {
            key,
            chosen: Cell::default(),
            opened: Cell::default(),
            counts: RefCell::default(),
        });
        self.counters.borrow_mut().push(Rc::clone(&counter));
        counter
    }

    /// What was counted since the last time. Counters that nobody counts with any more are forgotten.
    pub(crate) fn take(&self) -> HashMap<ObservationKey, Stats> {
        let mut taken: HashMap<ObservationKey, Stats> = HashMap::new();
        self.counters.borrow_mut().retain(|counter| {
            let chosen = counter.chosen.take();
            let opened = counter.opened.take();
            if chosen + opened > 0 || !counter.counts.borrow().is_empty() {
                let stats = Stats { chosen, connections_opened: opened, ..counter.counts.take().into() };
                // Several virtual hosts may share a route's key.
                match taken.get_mut(&counter.key) {
                    Some(merged) => merged.merge(&stats),
                    None => drop(taken.insert(counter.key.clone(), stats)),
                }
            }
            Rc::strong_count(counter) > 1
        });
        taken
    }
}

impl Counter {
    /// Counts a request that is sent this way.
    pub(crate) fn choose(&self) {
        self.chosen.set(self.chosen.get() + 1);
    }

    /// Counts a connection that was accepted.
    pub(crate) fn open(&self) {
        self.opened.set(self.opened.get() + 1);
    }

    /// Counts bytes of a connection.
    pub(crate) fn moved(&self, sent: u64, received: u64) {
        let mut counts = self.counts.borrow_mut();
        counts.sent += sent;
        counts.received += received;
    }

    /// Counts a connection that has ended.
    pub(crate) fn close(&self, flags: Flags) {
        let mut counts = self.counts.borrow_mut();
        counts.closed += 1;
        for position in flags.positions() {
            counts.flags[position] += 1;
        }
    }

    /// Counts a connection that could not be made.
    pub(crate) fn fail(&self, reason: Reason) {
        let failures = &mut self.counts.borrow_mut().failures;
        match failures.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => failures.push((reason, 1)),
        }
    }

    /// Counts a request that has ended.
    pub(crate) fn count(&self, ended: &Ended) {
        let mut counts = self.counts.borrow_mut();
        counts.requests += 1;
        let micros = u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX >> 1);
        counts.answer(ended.status, ended.flags).record(micros, ended.sent, ended.received);
        // It grows as it needs to, so there is no value that it cannot take.
        let _ = counts.latency.record(micros);
        counts.sent += ended.sent;
        counts.received += ended.received;
        counts.retries += u64::from(ended.retries);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            requests: 0,
            answers: Vec::new(),
            flags: [0; Flags::COUNT],
            latency: latencies(),
            sent: 0,
            received: 0,
            retries: 0,
            failures: Vec::new(),
            closed: 0,
        }
    }
}

impl Counts {
    fn answer(&mut self, status: u16, flags: Flags) -> &mut Answered {
        let position = |all: &[(u16, Flags, Answered)], status, flags| {
            all.iter().position(|one| one.0 == status && one.1 == flags)
        };
        let (mut status, mut flags) = (status, flags);
        let mut known = position(&self.answers, status, flags);
        if known.is_none() && self.answers.len() >= Answers::MOST {
            for position in flags.positions() {
                self.flags[position] += 1;
            }
            (status, flags) = (class(status), Flags::ANY);
            known = position(&self.answers, status, flags);
        }
        let at = known.unwrap_or_else(|| {
            self.answers.push((status, flags, Answered::default()));
            self.answers.len() - 1
        });
        &mut self.answers[at].2
    }

    fn is_empty(&self) -> bool {
        self.requests + self.closed + self.sent + self.received == 0 && self.failures.is_empty()
    }
}

impl From<Counts> for Stats {
    fn from(counts: Counts) -> Self {
        let mut stats = Self {
            chosen: 0,
            connections_opened: 0,
            connections_closed: counts.closed,
            requests: counts.requests,
            latency: counts.latency,
            bytes_sent: counts.sent,
            bytes_received: counts.received,
            retries: counts.retries,
            failures: counts.failures.into_iter().collect(),
            ..Self::default()
        };
        for (status, flags, answered) in counts.answers {
            let count = answered.requests;
            *stats.codes.entry(status).or_default() += count;
            stats.answers.entry(status, &flags.to_string()).merge(&answered);
            for position in flags.positions() {
                *stats.flags.entry(Flags::name(position)).or_default() += count;
            }
        }
        for (position, count) in counts.flags.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            *stats.flags.entry(Flags::name(position)).or_default() += count;
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mesh::Source;

    use super::*;
    use crate::reporting::names::Name;

    fn key() -> ObservationKey {
        let source = Source::Workload { namespace: "default".to_owned(), name: "w".to_owned() };
        ObservationKey {
            source: Arc::new(source),
            revision: 1,
            route: None,
            host: Name::of_mesh("reviews"),
            subset: None,
            version: String::new(),
        }
    }

    #[test]
    fn counters_of_one_key_are_merged_and_forgotten() {
        let table = Table::default();
        let (one, two) = (table.counter(key()), table.counter(key()));
        let mut flags = Flags::DELAY;
        flags |= Flags::ABORT;
        one.count(&Ended { status: 503, flags, took: Duration::from_millis(10), ..Ended::default() });
        two.count(&Ended { status: 200, sent: 5, received: 7, retries: 1, ..Ended::default() });
        one.choose();
        drop((one, two));
        let taken = table.take();
        let stats = &taken[&key()];
        assert_eq!(stats.chosen, 1);
        assert_eq!((stats.requests, stats.bytes_sent, stats.bytes_received, stats.retries), (2, 5, 7, 1));
        assert_eq!(stats.codes, HashMap::from([(503, 1), (200, 1)]));
        assert_eq!(stats.flags, HashMap::from([("DI", 1), ("FI", 1)]));
        assert!(stats.latency.max().abs_diff(10_000) < 100);
        assert!(table.take().is_empty());
        assert!(table.counters.borrow().is_empty());
    }

    #[test]
    fn answers_that_nobody_expects_are_counted_together() {
        let table = Table::default();
        let counter = table.counter(key());
        for status in 400..500 {
            counter.count(&Ended { status, flags: Flags::CLIENT_GONE, ..Ended::default() });
        }
        let stats = &table.take()[&key()];
        assert_eq!((stats.requests, stats.flags["DC"]), (100, 100));
        assert_eq!((stats.codes.len(), stats.codes.values().sum::<u64>()), (Answers::MOST, 100));
        let rest = stats.answers.iter().find(|(.., answered)| answered.requests > 1).unwrap();
        assert_eq!((rest.0, rest.1, rest.2.requests), (400, "other", 68));
    }
}
