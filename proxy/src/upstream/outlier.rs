//! Outlier detection: an endpoint that keeps failing is ejected for a while, for one source on all threads together.
//!
//! Errors in a row are counted without a lock; only ejecting and returning take one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mesh::plan::Outlier;

use crate::reporting::observation::EjectedFor;

/// The longest ejection, unless the first is longer.
const LONGEST: Duration = Duration::from_secs(300);

/// How a try ended, as far as its endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TryResult {
    /// A response came.
    Status(u16),
    /// No connection, or it broke.
    Failure,
    /// It took too long.
    Timeout,
}

/// Errors of an endpoint in a row.
#[derive(Debug, Default)]
pub(crate) struct Record {
    errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_failures: AtomicU32,
    ejected: AtomicBool,
}

/// Ejections of an endpoint, under the cluster's lock.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    /// How often it was ejected, less the intervals that it has been in since.
    times: u32,
    since: Option<Instant>,
}

impl Record {
    /// It is not used.
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Counts the end of a try; says what the endpoint is to be ejected for.
    pub(crate) fn count(&self, seen: TryResult, policy: &Outlier) -> Option<EjectedFor> {
        let status = match (seen, policy.local_failures) {
            (TryResult::Status(status), _) => status,
            // Counted apart.
            (_, Some(most)) => {
                return reaches(&self.local_failures, most).then_some(EjectedFor::LocalFailures);
            }
            (TryResult::Failure, None) => 503,
            (TryResult::Timeout, None) => 504,
        };
        if policy.local_failures.is_some() {
            clear(&self.local_failures);
        }
        let response = matches!(seen, TryResult::Status(_));
        let (error, gateway) = if response && !policy.codes.is_empty() {
            (policy.codes.contains(&status), policy.codes.contains(&status) && matches!(status, 502..=504))
        } else {
            (status >= 500, matches!(status, 502..=504))
        };
        let mut ejected_for = None;
        match policy.gateway_errors.filter(|_| gateway) {
            Some(most) if reaches(&self.gateway_errors, most) => {
                ejected_for = Some(EjectedFor::GatewayErrors);
            }
            None if !gateway => clear(&self.gateway_errors),
            _ => {}
        }
        match policy.errors.filter(|_| error) {
            Some(most) if reaches(&self.errors, most) => ejected_for = Some(EjectedFor::Errors),
            None if !error => clear(&self.errors),
            _ => {}
        }
        ejected_for
    }

    /// Ejects it, if that is not too many of `all` when `out` are out already; says how often it was, and for how long.
    pub(crate) fn eject(
        &self,
        ejections: &mut Ejections,
        policy: &Outlier,
        (out, all): (usize, usize),
        now: Instant,
    ) -> Option<(u32, Duration)> {
        let most = policy.max_ejected as usize;
        if self.is_ejected() || all == 0 || (out + 1) * 100 > most * all {
            return None;
        }
        // Longer than the longest it need not grow.
        if length(policy, ejections.times) < longest(policy) {
            ejections.times += 1;
        }
        ejections.since = Some(now);
        self.ejected.store(true, Ordering::Relaxed);
        Some((ejections.times, length(policy, ejections.times)))
    }

    /// An interval has passed: true when the endpoint returns.
    pub(crate) fn look(&self, ejections: &mut Ejections, policy: &Outlier, now: Instant) -> bool {
        let Some(since) = ejections.since else {
            ejections.times = ejections.times.saturating_sub(1);
            return false;
        };
        now.duration_since(since) >= length(policy, ejections.times) && self.uneject(ejections)
    }

    /// Takes it back at once; false when it was not out.
    pub(crate) fn uneject(&self, ejections: &mut Ejections) -> bool {
        if ejections.since.take().is_none() {
            return false;
        }
        for counter in [&self.errors, &self.gateway_errors, &self.local_failures] {
            counter.store(0, Ordering::Relaxed);
        }
        self.ejected.store(false, Ordering::Relaxed);
        true
    }
}

fn longest(policy: &Outlier) -> Duration {
    policy.base_ejection.max(LONGEST)
}

fn length(policy: &Outlier, times: u32) -> Duration {
    policy.base_ejection.saturating_mul(times).min(longest(policy))
}

/// Adds one; at `most` it begins anew and is true.
fn reaches(counter: &AtomicU32, most: u32) -> bool {
    let reached = counter.fetch_add(1, Ordering::Relaxed) + 1 >= most;
    if reached {
        counter.store(0, Ordering::Relaxed);
    }
    reached
}

/// Most requests are well: nothing is written for them, so threads do not wait for each other's memory.
fn clear(counter: &AtomicU32) {
    if counter.load(Ordering::Relaxed) != 0 {
        counter.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Outlier {
        Outlier {
            errors: Some(3),
            gateway_errors: Some(2),
            local_failures: None,
            codes: Vec::new(),
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejected: 50,
            min_healthy: 0,
        }
    }

    fn run(policy: &Outlier, seen: &[TryResult]) -> Option<EjectedFor> {
        let record = Record::default();
        let mut last = None;
        for &seen in seen {
            assert_eq!(last, None, "ejected before the end");
            last = record.count(seen, policy);
        }
        last
    }

    #[test]
    fn errors_in_a_row_are_counted() {
        use EjectedFor::{Errors, GatewayErrors, LocalFailures};
        let all = policy();
        let only_errors = Outlier { gateway_errors: None, ..policy() };
        let apart = Outlier { local_failures: Some(2), ..policy() };
        let none = Outlier { errors: None, gateway_errors: None, ..policy() };
        let chosen = Outlier { codes: vec![429, 503], ..policy() };
        let status = |codes: &[u16]| codes.iter().map(|code| TryResult::Status(*code)).collect::<Vec<_>>();
        for (policy, seen, expected) in [
            (&all, status(&[500, 500, 500]), Some(Errors)),
            (&all, status(&[503, 503]), Some(GatewayErrors)),
            (&all, status(&[500, 500, 404, 500, 500]), None),
            // Another error ends a row of gateway errors.
            (&all, status(&[503, 500, 503]), Some(Errors)),
            (&only_errors, status(&[503, 200, 503, 503]), None),
            (&all, vec![TryResult::Failure, TryResult::Timeout], Some(GatewayErrors)),
            (
                &only_errors,
                vec![TryResult::Failure, TryResult::Timeout, TryResult::Status(500)],
                Some(Errors),
            ),
            (&apart, vec![TryResult::Failure, TryResult::Timeout], Some(LocalFailures)),
            (&apart, vec![TryResult::Failure, TryResult::Status(503), TryResult::Failure], None),
            (&none, status(&[500; 9]), None),
            (&chosen, status(&[429, 429, 429]), Some(Errors)),
            (&chosen, status(&[500; 9]), None),
        ] {
            assert_eq!(run(policy, &seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn ejections_grow_and_shrink() {
        let (policy, record, mut ejections) = (policy(), Record::default(), Ejections::default());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seconds = Duration::from_secs;
        assert_eq!(record.eject(&mut ejections, &policy, (1, 2), start), None, "half are out already");
        assert_eq!(record.eject(&mut ejections, &policy, (0, 2), start), Some((1, seconds(30))));
        assert_eq!(record.eject(&mut ejections, &policy, (0, 2), start), None, "it is out");
        assert!(!record.look(&mut ejections, &policy, at(29)));
        assert!(record.look(&mut ejections, &policy, at(30)) && !record.is_ejected());
        assert_eq!(record.eject(&mut ejections, &policy, (0, 2), at(40)), Some((2, seconds(60))));
        assert!(record.look(&mut ejections, &policy, at(100)));
        // Each interval without an ejection takes one off.
        assert!(!record.look(&mut ejections, &policy, at(110)));
        assert_eq!(record.eject(&mut ejections, &policy, (0, 2), at(120)), Some((2, seconds(60))));
        for _ in 0..20 {
            assert!(record.uneject(&mut ejections));
            record.eject(&mut ejections, &policy, (0, 2), at(200));
        }
        assert_eq!(length(&policy, ejections.times), LONGEST);
        assert_eq!(ejections.times, 10);
    }

    #[test]
    fn one_of_a_few_is_too_many_by_default() {
        let policy = Outlier { max_ejected: 10, ..policy() };
        let eject =
            |all| Record::default().eject(&mut Ejections::default(), &policy, (0, all), Instant::now());
        assert_eq!((eject(9).is_some(), eject(10).is_some()), (false, true));
    }
}
