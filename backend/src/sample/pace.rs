//! How long an instance thinks: small and uneven, so that percentiles differ, and drawn from a seed, so that two runs
//! are alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Latencies of one instance.
#[derive(Debug)]
pub(super) struct Pace {
    state: AtomicU64,
    base: Duration,
}

impl Pace {
    /// Around `base`, mostly; one request in fifty takes five times as long.
    pub(super) fn new(name: &str, base: Duration) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { state: AtomicU64::new(seed), base }
    }

    /// The next latency: 0.5 to 1.5 times the base, rarely five times it.
    pub(super) fn next(&self) -> Duration {
        let draw = self.draw();
        if draw.is_multiple_of(50) {
            return self.base * 5;
        }
        let jitter = u32::try_from(draw % 1000).unwrap_or_default();
        self.base / 2 + self.base * jitter / 1000
    }

    /// True once in `n` times, on average.
    pub(super) fn once_in(&self, n: u64) -> bool {
        self.draw().is_multiple_of(n)
    }

    /// Splitmix64: a counter that is stirred, so threads need no lock.
    fn draw(&self) -> u64 {
        let mut z = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_repeatable_and_stay_near_the_base() {
        let base = Duration::from_millis(4);
        let draws = |pace: Pace| (0..10_000).map(move |_| pace.next()).collect::<Vec<_>>();
        let first = draws(Pace::new("reviews-v1", base));
        assert_eq!(first, draws(Pace::new("reviews-v1", base)));
        assert_ne!(first, draws(Pace::new("reviews-v2", base)));
        let slow = first.iter().filter(|latency| **latency == base * 5).count();
        assert!((100..300).contains(&slow), "{slow} of 10,000 are slow");
        assert!(first.iter().all(|latency| *latency >= base / 2 && *latency <= base * 5));
    }
}
