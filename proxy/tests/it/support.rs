//! What the tests are made of.

mod envoy;
mod rig;
pub(crate) mod tls;

pub(crate) use envoy::is_asked_for as is_envoy;
pub(crate) use rig::{ANY, Rig};
pub(crate) use testkit::{AnyBody, Connection, Raw, Server, get, reply, request, skipped, streamed};

/// Fails where counts are not as if drawn with these shares: by Pearson's χ², at a level of one in a million, so that no build
/// fails by chance.
#[track_caller]
pub(crate) fn assert_drawn(seen: &[u64], shares: &[u32]) {
    /// By degrees of freedom, from 1 on.
    const CRITICAL: [f64; 5] = [23.928, 27.631, 30.665, 33.377, 35.888];
    let number = |count: &u64| f64::from(u32::try_from(*count).unwrap());
    let (all, whole): (f64, u32) = (seen.iter().map(number).sum(), shares.iter().sum());
    assert_eq!(seen.len(), shares.len());
    let square = |(seen, share): (&u64, &u32)| {
        let expected = all * f64::from(*share) / f64::from(whole);
        assert!(expected >= 5.0, "too few to tell");
        (number(seen) - expected).powi(2) / expected
    };
    let distance: f64 = seen.iter().zip(shares).map(square).sum();
    assert!(
        distance < CRITICAL[seen.len() - 2],
        "{seen:?} are not drawn with {shares:?}: χ² is {distance:.1}"
    );
}

#[test]
fn what_is_not_drawn_so_is_told() {
    let fails =
        |seen: [u64; 2], shares: [u32; 2]| std::panic::catch_unwind(|| assert_drawn(&seen, &shares)).is_err();
    for (seen, shares, expected) in [
        ([500, 1500], [1, 3], false),
        ([410, 1590], [1, 3], false),
        ([400, 1600], [1, 3], true),
        ([0, 90], [1, 1], true),
    ] {
        assert_eq!(fails(seen, shares), expected, "{seen:?}");
    }
}
