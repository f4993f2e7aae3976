//! Limits of a cluster: how much of each kind is active for one source, on all threads together.
//!
//! Only what is limited is counted while a request passes; connections always are, since they are opened seldom.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mesh::plan::{Bounds, RetryBudget};

use crate::reporting::observation::Limit;

/// For how long nothing is refused before a limit counts as kept again.
const CALM: Duration = Duration::from_secs(1);

/// Counts of a cluster.
#[derive(Debug)]
pub(crate) struct Breaker {
    gauges: [Gauge; 4],
    /// What times are counted from.
    epoch: Instant,
}

/// How many there are.
#[derive(Debug, Default)]
struct Gauge {
    count: AtomicU32,
    /// One too many was refused, which somebody was told.
    open: AtomicBool,
    /// When one too many was refused last, in milliseconds.
    refused: AtomicU64,
}

/// The greatest count of each kind; what is not limited has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ceilings {
    pub(crate) connections: Option<u32>,
    pub(crate) pending: Option<u32>,
    pub(crate) requests: Option<u32>,
    pub(crate) retries: Option<u32>,
    pub(crate) budget: Option<RetryBudget>,
}

impl Ceilings {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            connections: bounds.connections,
            pending: bounds.pending,
            requests: bounds.requests,
            retries: bounds.retries,
            budget: bounds.retry_budget,
        }
    }

    /// Whether requests are counted: they are limited, or something is a share of them.
    pub(crate) fn counts(&self, limit: Limit) -> bool {
        let own = match limit {
            Limit::Connections => return true,
            Limit::Retries => return self.retries.is_some() || self.budget.is_some(),
            Limit::Pending => self.pending,
            Limit::Requests => self.requests,
        };
        own.is_some() || self.budget.is_some()
    }

    /// The greatest count.
    fn of(&self, limit: Limit, breaker: &Breaker) -> u32 {
        let own = match limit {
            Limit::Connections => self.connections,
            Limit::Pending => self.pending,
            Limit::Requests => self.requests,
            Limit::Retries => match self.budget {
                Some(budget) => Some(breaker.budget(budget)),
                None => self.retries,
            },
        };
        own.unwrap_or(u32::MAX)
    }
}

/// What came of an attempt to count one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is counted.
    Counted,
    /// It would be one too many.
    Refused,
    /// It would be one too many, the first for a while.
    Opened,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { gauges: Default::default(), epoch: Instant::now() }
    }
}

impl Breaker {
    fn gauge(&self, limit: Limit) -> &Gauge {
        &self.gauges[limit as usize]
    }

    /// Counts one more, unless that is one too many.
    pub(crate) fn enter(&self, limit: Limit, ceilings: &Ceilings) -> Entry {
        let gauge = self.gauge(limit);
        let most = ceilings.of(limit, self);
        let one_more = |count: u32| (count < most).then(|| count + 1);
        if gauge.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok() {
            return Entry::Counted;
        }
        gauge.refused.store(self.millis(Instant::now()), Ordering::Relaxed);
        if gauge.open.swap(true, Ordering::Relaxed) { Entry::Refused } else { Entry::Opened }
    }

    /// Counts one more, whatever the limit.
    pub(crate) fn force(&self, limit: Limit) {
        self.gauge(limit).count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less.
    pub(crate) fn leave(&self, limit: Limit) {
        self.gauge(limit).count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the limit was open, and none was refused for a while: it is closed now.
    pub(crate) fn closes(&self, limit: Limit, ceilings: &Ceilings, now: Instant) -> bool {
        let gauge = self.gauge(limit);
        if !gauge.open.load(Ordering::Relaxed) {
            return false;
        }
        let calm = self.millis(now).saturating_sub(gauge.refused.load(Ordering::Relaxed));
        if u128::from(calm) < CALM.as_millis() {
            return false;
        }
        // Connections that carry nothing stay open: as long as nobody wants more, none is refused.
        let below = limit == Limit::Connections
            || gauge.count.load(Ordering::Relaxed) < ceilings.of(limit, self).max(1);
        below && gauge.open.swap(false, Ordering::Relaxed)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn budget(&self, budget: RetryBudget) -> u32 {
        let count = |limit| u64::from(self.gauge(limit).count.load(Ordering::Relaxed));
        let active = count(Limit::Requests) + count(Limit::Pending);
        let share = active * u64::from(budget.parts_per_million) / 1_000_000;
        u32::try_from(share).unwrap_or(u32::MAX).max(budget.at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_and_told_once() {
        let breaker = Breaker::default();
        let ceilings = Ceilings { requests: Some(2), ..Ceilings::default() };
        let enter = || breaker.enter(Limit::Requests, &ceilings);
        assert_eq!([enter(), enter()], [Entry::Counted; 2]);
        assert_eq!([enter(), enter()], [Entry::Opened, Entry::Refused]);
        let now = Instant::now();
        let closes = |at: Instant| breaker.closes(Limit::Requests, &ceilings, at);
        assert!(!closes(now), "one was refused a moment ago");
        assert!(!closes(now + CALM * 2), "it is still full");
        breaker.leave(Limit::Requests);
        assert!(!closes(now));
        assert!(closes(now + CALM * 2));
        assert!(!closes(now + CALM * 2), "once");
        assert_eq!(enter(), Entry::Counted);
        assert!(ceilings.counts(Limit::Requests) && !ceilings.counts(Limit::Pending));
    }

    #[test]
    fn a_budget_is_a_share_of_the_requests() {
        let breaker = Breaker::default();
        let budget = RetryBudget { parts_per_million: 200_000, at_least: 1 };
        let ceilings = Ceilings { retries: Some(0), budget: Some(budget), ..Ceilings::default() };
        let enter = || breaker.enter(Limit::Retries, &ceilings);
        assert_eq!([enter(), enter()], [Entry::Counted, Entry::Opened]);
        for _ in 0..10 {
            assert_eq!(breaker.enter(Limit::Requests, &ceilings), Entry::Counted);
        }
        assert_eq!([enter(), enter()], [Entry::Counted, Entry::Refused]);
    }
}
