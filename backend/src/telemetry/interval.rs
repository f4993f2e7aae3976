//! Confidence intervals of a share, and what they say of the desired one.

use api::observed::{ObservedShare, Verdict};

/// Quantile of the normal distribution for the interval that is shown: 95 %.
const SHOWN: f64 = 1.959_964;
/// For calling shares diverged: 99.99 %. The verdict is asked for four times a second over a growing sample, so a
/// level of 95 % would be crossed by chance sooner or later in every split that is perfectly fine.
const DIVERGED: f64 = 3.890_592;
/// Half the width of the widest interval at which shares count as converged: 5 percentage points.
const NARROW: f64 = 0.05;
/// Rounding of floating point at the ends 0 and 1.
const ROUNDING: f64 = 1e-9;

/// Wilson's score interval of `count` of `n` at `z` standard deviations. Without a sample it is everything.
pub fn wilson(count: u64, n: u64, z: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let (count, n) = (count as f64, n as f64);
    let share = count / n;
    let square = z * z / n;
    let middle = (share + square / 2.0) / (1.0 + square);
    let half = z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// A share with its 95 % interval.
pub fn observed(subset: String, desired: f64, count: u64, n: u64) -> ObservedShare {
    let (low, high) = wilson(count, n, SHOWN);
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let share = if n == 0 { 0.0 } else { count as f64 / n as f64 };
    ObservedShare { subset, desired, count, n, observed: share, low, high }
}

/// What observed shares say of the desired ones, given what was said of them before.
///
/// - `Diverged`: a desired share lies outside its 99.99 % interval.
/// - `Converged`: every desired share lies within its 95 % interval and no interval is wider than ±5 percentage points; or
///   this was so before for the same desired shares, and nothing has diverged since. Shares of a sample that grows leave their
///   95 % interval for a while now and then, which is no news.
/// - `Converging`: too few requests to tell.
pub fn verdict(shares: &[ObservedShare], before: Verdict) -> Verdict {
    let outside = |share: &ObservedShare| {
        let (low, high) = wilson(share.count, share.n, DIVERGED);
        share.desired < low - ROUNDING || share.desired > high + ROUNDING
    };
    let settled = |share: &ObservedShare| {
        let within = share.desired >= share.low - ROUNDING && share.desired <= share.high + ROUNDING;
        within && (share.high - share.low) / 2.0 <= NARROW
    };
    if shares.iter().any(outside) {
        Verdict::Diverged
    } else if shares.iter().all(settled) || before == Verdict::Converged {
        Verdict::Converged
    } else {
        Verdict::Converging
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe (1998), table I: 81/263, 15/148, 0/20 and 1/29 by the score method without continuity correction.
        let cases = [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ];
        for (count, n, low, high) in cases {
            let (l, h) = wilson(count, n, SHOWN);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{count}/{n}: {l} {h}");
        }
        assert_eq!(wilson(0, 0, SHOWN), (0.0, 1.0));
        let (_, high) = wilson(7, 7, SHOWN);
        assert!(high > 1.0 - ROUNDING);
    }

    #[test]
    fn verdicts() {
        use Verdict::{Converged, Converging, Diverged};
        let cases: [(&[(f64, u64)], Verdict, Verdict); 12] = [
            (&[(0.5, 0), (0.5, 0)], Converging, Converging),
            (&[(0.5, 1), (0.5, 0)], Converging, Converging),
            (&[(0.5, 50), (0.5, 50)], Converging, Converging),
            // ±5 points at a half need 381 requests.
            (&[(0.5, 190), (0.5, 190)], Converging, Converging),
            (&[(0.5, 191), (0.5, 191)], Converging, Converged),
            (&[(0.5, 192), (0.25, 96), (0.25, 96)], Converging, Converged),
            (&[(0.5, 219), (0.5, 181)], Converging, Converged),
            // Outside of 95 %, within 99.99 %: by chance, perhaps.
            (&[(0.5, 225), (0.5, 175)], Converging, Converging),
            (&[(0.5, 225), (0.5, 175)], Converged, Converged),
            (&[(0.5, 400), (0.5, 200)], Converged, Diverged),
            // All to one: a few hundred show that nothing goes elsewhere, and a single stray among many that something does.
            (&[(1.0, 60), (0.0, 0)], Converging, Converged),
            (&[(1.0, 399), (0.0, 1)], Converging, Diverged),
        ];
        for (given, before, expected) in cases {
            let n = given.iter().map(|(_, count)| count).sum();
            let shares: Vec<_> =
                given.iter().map(|&(desired, count)| observed("v".to_owned(), desired, count, n)).collect();
            assert_eq!(verdict(&shares, before), expected, "{given:?} after {before:?}");
        }
    }
}
