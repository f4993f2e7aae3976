//! Which entries of a list are still there in another.

use serde_json::Value;

use super::same;

/// Beyond this many pairs, entries are matched by position.
const MOST_PAIRS: usize = 10_000;

/// Pairs of positions (old, new), ascending in both, with the greatest sum of likeness.
pub(super) fn align(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let head = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut pairs: Vec<_> = (0..head).map(|at| (at, at)).collect();
    let middle = between(&old[head..old_end], &new[head..new_end]);
    pairs.extend(middle.into_iter().map(|(a, b)| (a + head, b + head)));
    pairs.extend((0..tail).map(|at| (old_end + at, new_end + at)));
    pairs
}

fn between(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    if old.len() * new.len() > MOST_PAIRS {
        return (0..old.len().min(new.len())).map(|at| (at, at)).collect();
    }
    // best[a][b] is the greatest sum for what follows old[a] and new[b].
    let width = new.len() + 1;
    let mut likeness = vec![0_u32; old.len() * new.len()];
    let mut best = vec![0_u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            let alike = alike(&old[a], &new[b]);
            likeness[a * new.len() + b] = alike;
            let paired = if alike > 0 { alike + best[(a + 1) * width + b + 1] } else { 0 };
            best[a * width + b] = paired.max(best[(a + 1) * width + b]).max(best[a * width + b + 1]);
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut pairs = Vec::new();
    while a < old.len() && b < new.len() {
        let (here, alike) = (best[a * width + b], likeness[a * new.len() + b]);
        if alike > 0 && here == alike + best[(a + 1) * width + b + 1] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if here == best[(a + 1) * width + b] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

/// From 0 (nothing in common) to 100 (the same).
fn alike(a: &Value, b: &Value) -> u32 {
    if same(a, b) {
        return 100;
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let common: u32 = a.iter().filter_map(|(key, a)| Some(alike(a, b.get(key)?))).sum();
            let most = u32::try_from(a.len().max(b.len())).unwrap_or(u32::MAX).max(1);
            (common / most).min(99)
        }
        (Value::Array(a), Value::Array(b)) => {
            let common: u32 = a.iter().zip(b).map(|(a, b)| alike(a, b)).sum();
            let most = u32::try_from(a.len().max(b.len())).unwrap_or(u32::MAX).max(1);
            (common / most).min(99)
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => 0,
        // One scalar for another, in its place.
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::align;

    #[test]
    fn pairs() {
        let split = |subset: &str, weight: u32| json!({ "destination": { "host": "a", "subset": subset }, "weight": weight });
        let table = [
            (vec![], vec![json!(1)], vec![]),
            (vec![json!(1), json!(2)], vec![json!(1), json!(2)], vec![(0, 0), (1, 1)]),
            (vec![json!("a"), json!("b")], vec![json!("x"), json!("a"), json!("b")], vec![(0, 1), (1, 2)]),
            (vec![json!("a"), json!("b"), json!("c")], vec![json!("a"), json!("c")], vec![(0, 0), (2, 1)]),
            (
                vec![split("v1", 90), split("v3", 10)],
                vec![split("v1", 50), split("v2", 25), split("v3", 25)],
                vec![(0, 0), (1, 2)],
            ),
            (vec![json!({ "a": 1 })], vec![json!([1])], vec![]),
        ];
        for (old, new, expected) in table {
            assert_eq!(align(&old, &new), expected, "{old:?} {new:?}");
        }
    }
}
