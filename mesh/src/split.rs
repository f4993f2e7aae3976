//! Linked sliders: moving one share of a split moves the others, so that the sum stays 100.
//!
//! All in whole percents and deterministic: what does not divide evenly goes to the largest remainders, of equal ones to
//! the first.

/// The sum of all shares.
pub const WHOLE: u32 = 100;

/// The shares after the one at `index` was moved to `to`. The unlocked others share what is left in proportion to what
/// they had (evenly, where they had nothing); locked ones stay, and bound how far the move can go. Nothing moves when the
/// share is locked itself, or when no other can give way. Shares that do not sum to 100 are brought to it first.
///
/// ```
/// use mesh::split::move_share;
///
/// assert_eq!(move_share(&[50, 50, 0], &[false, true, false], 0, 30), [30, 50, 20]);
/// ```
pub fn move_share(shares: &[u32], locked: &[bool], index: usize, to: u32) -> Vec<u32> {
    let mut moved = normalize(shares);
    let is_locked = |at: usize| locked.get(at).copied().unwrap_or(false);
    let others: Vec<usize> = (0..moved.len()).filter(|at| *at != index && !is_locked(*at)).collect();
    if index >= moved.len() || is_locked(index) || others.is_empty() {
        return moved;
    }
    let free = others.iter().map(|at| moved[*at]).sum::<u32>() + moved[index];
    moved[index] = to.min(free);
    let parts: Vec<u32> = others.iter().map(|at| moved[*at]).collect();
    for (at, share) in others.iter().zip(apportion(&parts, free - moved[index])) {
        moved[*at] = share;
    }
    moved
}

/// Weights of any sum as percents. Where all are 0, evenly.
pub fn normalize(weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == u64::from(WHOLE) { weights.to_vec() } else { apportion(weights, WHOLE) }
}

/// Even shares.
pub fn even(count: usize) -> Vec<u32> {
    apportion(&vec![1; count], WHOLE)
}

/// A canary: the share at `index` is `percent`, and the others share the rest in proportion to what they had.
pub fn canary(shares: &[u32], index: usize, percent: u32) -> Vec<u32> {
    move_share(shares, &[], index, percent)
}

/// All to one.
pub fn promote(count: usize, index: usize) -> Vec<u32> {
    (0..count).map(|at| if at == index { WHOLE } else { 0 }).collect()
}

/// `total` in whole parts that are in proportion to `weights`, by the method of the largest remainder. Where all weights
/// are 0, evenly.
fn apportion(weights: &[u32], total: u32) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        return if weights.is_empty() { Vec::new() } else { apportion(&vec![1; weights.len()], total) };
    }
    let products = weights.iter().map(|weight| u64::from(*weight) * u64::from(total));
    let (mut parts, remainders): (Vec<u64>, Vec<u64>) =
        products.map(|product| (product / sum, product % sum)).unzip();
    let left = u64::from(total) - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(remainders[*at]));
    // Fewer are left than there are parts.
    for at in order.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[at] += 1;
    }
    // No part is larger than the total.
    parts.into_iter().map(|part| u32::try_from(part).unwrap_or(total)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{WHOLE, canary, even, move_share, normalize, promote};

    #[test]
    fn moves() {
        let table: &[(&[u32], &[bool], usize, u32, &[u32])] = &[
            (&[90, 10], &[], 1, 50, &[50, 50]),
            (&[50, 25, 25], &[], 0, 100, &[100, 0, 0]),
            (&[100, 0, 0], &[], 0, 50, &[50, 25, 25]),
            (&[100, 0, 0], &[], 0, 49, &[49, 26, 25]),
            (&[60, 30, 10], &[], 0, 0, &[0, 75, 25]),
            (&[60, 30, 10], &[false, false, true], 0, 100, &[90, 0, 10]),
            (&[60, 30, 10], &[false, true, false], 0, 10, &[10, 30, 60]),
            (&[60, 30, 10], &[true, false, false], 0, 10, &[60, 30, 10]),
            (&[60, 30, 10], &[false, true, true], 0, 10, &[60, 30, 10]),
            (&[1, 1], &[], 0, 75, &[75, 25]),
            (&[100], &[], 0, 10, &[100]),
            (&[100], &[], 5, 10, &[100]),
            (&[], &[], 0, 10, &[]),
        ];
        for (shares, locked, index, to, expected) in table {
            assert_eq!(
                move_share(shares, locked, *index, *to),
                *expected,
                "{shares:?} {locked:?} {index} {to}"
            );
        }
    }

    #[test]
    fn presets() {
        assert_eq!(even(3), [34, 33, 33]);
        assert_eq!(even(0), Vec::<u32>::new());
        assert_eq!(canary(&[100, 0, 0], 2, 5), [95, 0, 5]);
        assert_eq!(canary(&[0, 0, 100], 2, 5), [48, 47, 5]);
        assert_eq!(promote(3, 1), [0, 100, 0]);
        assert_eq!(normalize(&[1, 1, 1]), [34, 33, 33]);
        assert_eq!(normalize(&[0, 0]), [50, 50]);
        assert_eq!(normalize(&[u32::MAX, u32::MAX]), [50, 50]);
        assert_eq!(normalize(&[33, 33, 34]), [33, 33, 34]);
    }

    proptest! {
        #[test]
        fn laws(
            weights in prop::collection::vec(0_u32..1000, 1..8),
            locks in prop::collection::vec(any::<bool>(), 8),
            index in 0_usize..8,
            to in 0_u32..200,
        ) {
            let shares = normalize(&weights);
            let index = index % shares.len();
            let moved = move_share(&shares, &locks, index, to);
            prop_assert_eq!(moved.iter().sum::<u32>(), WHOLE);
            for at in 0..shares.len() {
                if locks[at] {
                    prop_assert_eq!(moved[at], shares[at]);
                }
            }
            // No further than asked, and not at all where it is there already.
            prop_assert!(moved[index] <= to.max(shares[index]));
            prop_assert_eq!(&move_share(&shares, &locks, index, shares[index]), &shares);
            // Of two others the one that had more does not get less.
            for a in 0..shares.len() {
                for b in 0..shares.len() {
                    if a != index && b != index && !locks[a] && !locks[b] && shares[a] > shares[b] {
                        prop_assert!(moved[a] >= moved[b]);
                    }
                }
            }
        }
    }
}
