//! New endpoints get their share slowly.

use std::time::{Duration, Instant};

use mesh::plan::Warmup;

/// What a whole weight is while some are less.
pub(crate) const WHOLE: u32 = 1000;
/// How often weights follow the curve within its window.
const STEPS: u32 = 100;

/// The share of its weight that an endpoint has that came at `since`, in thousandths; `None`: all of it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
pub(crate) fn share(policy: &Warmup, since: Instant, now: Instant) -> Option<u32> {
    let age = now.saturating_duration_since(since);
    if age >= policy.window {
        return None;
    }
    let passed = age.as_secs_f64() / policy.window.as_secs_f64();
    let share = passed.powf(1.0 / policy.aggression).max(policy.minimum / 100.0).min(1.0);
    Some(((share * f64::from(WHOLE)) as u32).max(1))
}

/// Until the weights are looked at again.
pub(crate) fn step(policy: &Warmup) -> Duration {
    (policy.window / STEPS).max(Duration::from_millis(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow() {
        let line = Warmup { window: Duration::from_secs(60), minimum: 10.0, aggression: 1.0 };
        let steep = Warmup { aggression: 2.0, ..line };
        let since = Instant::now();
        for (policy, seconds, expected) in [
            (&line, 0, Some(100)),
            (&line, 3, Some(100)),
            (&line, 30, Some(500)),
            (&line, 60, None),
            (&steep, 15, Some(500)),
        ] {
            assert_eq!(share(policy, since, since + Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }
}
