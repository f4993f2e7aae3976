//! When requests are due, at a rate that may change. Knows no clock.

use std::time::{Duration, Instant};

/// Longest stretch that is made up for; what is older is dropped, so that a pause does not end in a burst.
const MEMORY: Duration = Duration::from_millis(250);

/// Counts what is due.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    /// Part of a request that is due, 0 to 1.
    rest: f64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, rest: 0.0 }
    }

    /// How many requests are due since this was asked last.
    pub(super) fn due(&mut self, now: Instant, rate: f64) -> u32 {
        let passed = now.saturating_duration_since(self.last).min(MEMORY);
        self.last = now;
        let due = passed.as_secs_f64().mul_add(rate, self.rest);
        self.rest = due.fract();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 5,000 · 0.25 s")]
        let whole = due.trunc() as u32;
        whole
    }

    /// How long until the next one is due.
    pub(super) fn pause(&self, now: Instant, rate: f64) -> Duration {
        let due = self.last + Duration::from_secs_f64(((1.0 - self.rest) / rate).clamp(0.0, 60.0));
        // A rate that changes meanwhile is noticed soon.
        due.saturating_duration_since(now).min(MEMORY / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests within a second that is looked at every `step`.
    fn within_a_second(rate: f64, step: Duration) -> u32 {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut sum, mut passed) = (0, Duration::ZERO);
        while passed < Duration::from_secs(1) {
            passed += step;
            sum += pace.due(start + passed, rate);
        }
        sum
    }

    #[test]
    fn the_rate_is_kept_however_often_the_clock_is_asked() {
        for rate in [1.0, 99.0, 100.0, 333.0, 5000.0] {
            for step in [1, 2, 10, 40, 125] {
                let got = f64::from(within_a_second(rate, Duration::from_millis(step)));
                assert!((got - rate).abs() <= 1.0, "{got} at {rate}, every {step} ms");
            }
        }
    }

    #[test]
    fn a_pause_ends_in_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.due(start + Duration::from_secs(60), 1000.0), 250);
    }

    #[test]
    fn it_sleeps_until_the_next_is_due() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(pace.pause(start, 100.0), Duration::from_millis(10));
        assert_eq!(pace.pause(start + Duration::from_millis(4), 100.0), Duration::from_millis(6));
        assert_eq!(pace.pause(start, 0.01), MEMORY / 2);
    }
}
