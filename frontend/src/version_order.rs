//! In which order versions are offered, and why: by when they were created where that is known of all, else by name. Pure.

use std::cmp::{Ordering, Reverse};

/// Why versions stand as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The newest first: the cluster says when each was created.
    Created,
    /// The highest first, numbers counted as numbers: `v10` before `v2`.
    Name,
}

/// Positions of versions in the order in which they are offered. Each has a name and, where it is known, when it was created,
/// as Kubernetes writes it: `2026-11-03T14:02:07Z`.
pub fn order(versions: &[(&str, Option<&str>)]) -> (By, Vec<usize>) {
    let mut positions: Vec<usize> = (0..versions.len()).collect();
    let created = |at: usize| versions[at].1.filter(|time| is_time(time));
    // A time beside a missing one says nothing of which is newer.
    let by = if (0..versions.len()).all(|at| created(at).is_some()) { By::Created } else { By::Name };
    positions.sort_by(|a, b| {
        let names = || natural(versions[*b].0, versions[*a].0);
        match by {
            By::Created => Reverse(created(*a)).cmp(&Reverse(created(*b))).then_with(names),
            By::Name => names(),
        }
    });
    (by, positions)
}

/// A time that sorts as text: Kubernetes writes UTC and whole seconds.
fn is_time(text: &str) -> bool {
    let shape = |(at, letter): (usize, char)| match at {
        4 | 7 => letter == '-',
        10 => letter == 'T',
        13 | 16 => letter == ':',
        19 => letter == 'Z',
        _ => letter.is_ascii_digit(),
    };
    text.len() == 20 && text.chars().enumerate().all(shape)
}

/// `2026-11-03 14:02 UTC` of a time as Kubernetes writes it.
pub fn words(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => time.to_owned(),
    }
}

/// Compares names as people do: runs of digits by their value.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (piece(&mut left), piece(&mut right)) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if is_number(a) && is_number(b) => {
                let [a, b] = [a, b].map(|number| number.trim_start_matches('0'));
                (a.len(), a).cmp(&(b.len(), b))
            }
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(piece: &str) -> bool {
    piece.starts_with(|letter: char| letter.is_ascii_digit())
}

/// Takes the first run of digits, or of what is none, from a text.
fn piece<'t>(text: &mut &'t str) -> Option<&'t str> {
    let digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|letter: char| letter.is_ascii_digit() != digit).unwrap_or(text.len());
    let (piece, rest) = text.split_at(end);
    *text = rest;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_their_natural_order() {
        let sorted =
            ["", "1", "7", "007", "canary", "v1", "v1.9", "v1.10", "v2", "v2-rc1", "v2-rc10", "v10", "ä"];
        for (at, one) in sorted.iter().enumerate() {
            for (other_at, other) in sorted.iter().enumerate() {
                // Of the same value, the longer text is the smaller one as text.
                let expected = if (*one, *other) == ("7", "007") {
                    Ordering::Greater
                } else if (*one, *other) == ("007", "7") {
                    Ordering::Less
                } else {
                    at.cmp(&other_at)
                };
                assert_eq!(natural(one, other), expected, "{one} and {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_an_order(mut names in prop::collection::vec("[v0-2a.]{0,4}", 3)) {
            names.sort_by(|a, b| natural(a, b));
            prop_assert!(natural(&names[0], &names[2]) != Ordering::Greater);
            prop_assert_eq!(natural(&names[0], &names[1]), natural(&names[1], &names[0]).reverse());
        }
    }

    #[test]
    fn creation_decides_where_it_is_known_of_all() {
        let (old, new) = (Some("2026-01-01T00:00:00Z"), Some("2026-11-03T14:02:07Z"));
        for (versions, by, expected) in [
            (vec![("v2", None), ("v10", None), ("v1", None)], By::Name, vec![1, 0, 2]),
            // The canary is the older name and the newer workload.
            (vec![("v2", old), ("v1", new)], By::Created, vec![1, 0]),
            (vec![("v2", new), ("v10", new)], By::Created, vec![1, 0]),
            (vec![("v1", new), ("v2", None)], By::Name, vec![1, 0]),
            (vec![("v1", new), ("v2", Some("2026-01-01T00:00:00+02:00"))], By::Name, vec![1, 0]),
            (vec![("v1", new), ("v2", Some("yesterday"))], By::Name, vec![1, 0]),
        ] {
            assert_eq!(order(&versions), (by, expected), "{versions:?}");
        }
        assert_eq!(words("2026-11-03T14:02:07Z"), "2026-11-03 14:02 UTC");
    }
}
