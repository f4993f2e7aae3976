//! Where two texts differ, in the fewest lines where the texts are not too large for that.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Lines of both texts among which the fewest are found, whatever they are: the work may grow with the square of their number. Of
/// more lines a few too many may be found, in a time that is bounded.
const FEWEST: usize = 4000;

/// Lines of the old text that others of the new text stand in place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// The blocks in which two texts differ, from top to bottom.
pub(super) fn blocks(old: &[&str], new: &[&str]) -> Vec<Block> {
    let numbers = numbers(old, new);
    let (old_numbers, new_numbers) = numbers.split_at(old.len());
    // A line that only one text has is in no other place of the other one: the search goes without.
    let shared = |side: &[usize], other: &[usize]| -> Vec<usize> {
        let mut known = vec![false; numbers.len()];
        other.iter().for_each(|&number| known[number] = true);
        (0..side.len()).filter(|&at| known[side[at]]).collect()
    };
    let (shared_old, shared_new) = (shared(old_numbers, new_numbers), shared(new_numbers, old_numbers));
    let numbers_of = |shared: &[usize], all: &[usize]| shared.iter().map(|&at| all[at]).collect::<Vec<_>>();
    let (a, b) = (numbers_of(&shared_old, old_numbers), numbers_of(&shared_new, new_numbers));
    let algorithm = if a.len() + b.len() <= FEWEST { Algorithm::RawMyers } else { Algorithm::Myers };
    let kept = capture_diff_slices(algorithm, &a, &b).into_iter().flat_map(|op| match op {
        DiffOp::Equal { old_index, new_index, len } => {
            (old_index..old_index + len).zip(new_index..new_index + len)
        }
        _ => (0..0).zip(0..0),
    });

    let mut blocks = Vec::new();
    let mut at = (0, 0);
    let ends = std::iter::once((old.len(), new.len()));
    for (old_at, new_at) in kept.map(|(a, b)| (shared_old[a], shared_new[b])).chain(ends) {
        if at != (old_at, new_at) {
            blocks.push(Block { old: at.0..old_at, new: at.1..new_at });
        }
        at = (old_at + 1, new_at + 1);
    }
    settle(&mut blocks, old, new);
    blocks
}

/// A number for each line, the same for the same text.
fn numbers(old: &[&str], new: &[&str]) -> Vec<usize> {
    let lines = [old, new].concat();
    let mut sorted: Vec<usize> = (0..lines.len()).collect();
    sorted.sort_by(|a, b| lines[*a].cmp(lines[*b]));
    let mut numbers = vec![0; lines.len()];
    for same in sorted.chunk_by(|a, b| lines[*a] == lines[*b]) {
        same.iter().for_each(|&line| numbers[line] = same[0]);
    }
    numbers
}

/// Lines that came or went among others like them may have been earlier or later ones. They are taken to be those that
/// begin with the least space, so that an entry of a list is shown from its own first line on.
fn settle(blocks: &mut [Block], old: &[&str], new: &[&str]) {
    for index in 0..blocks.len() {
        let before = index.checked_sub(1).map_or(0, |before| blocks[before].old.end + 1);
        let after = blocks.get(index + 1).map_or(old.len(), |after| after.old.start - 1);
        let mut place = blocks[index].clone();
        if !place.old.is_empty() && !place.new.is_empty() {
            continue;
        }
        let lines = |place: &Block| {
            if place.old.is_empty() { (new, place.new.clone()) } else { (old, place.old.clone()) }
        };
        let same = |place: &Block, back: usize| {
            let (lines, at) = lines(place);
            lines[at.start - back] == lines[at.end - back]
        };
        let indent = |place: &Block| {
            let (lines, at) = lines(place);
            lines[at.start].len() - lines[at.start].trim_start_matches(' ').len()
        };
        while place.old.start > before && same(&place, 1) {
            place.old = place.old.start - 1..place.old.end - 1;
            place.new = place.new.start - 1..place.new.end - 1;
        }
        blocks[index] = place.clone();
        while place.old.end < after && same(&place, 0) {
            place.old = place.old.start + 1..place.old.end + 1;
            place.new = place.new.start + 1..place.new.end + 1;
            if indent(&place) <= indent(&blocks[index]) {
                blocks[index] = place.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use similar::{ChangeTag, TextDiff};

    use super::*;

    /// The places and texts of blocks, as `@old -removed +added`. A comma parts lines.
    #[track_caller]
    fn check(old: &str, new: &str, expected: &[&str]) {
        let (old, new): (Vec<_>, Vec<_>) = (old.split(',').collect(), new.split(',').collect());
        let show = |block: &Block| {
            let (removed, added) = (old[block.old.clone()].join(","), new[block.new.clone()].join(","));
            format!("@{} -{removed} +{added}", block.old.start)
        };
        assert_eq!(blocks(&old, &new).iter().map(show).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn blocks_are_the_fewest_lines() {
        check("a,b,c", "a,b,c", &[]);
        check("a,b,c", "a,x,c", &["@1 -b +x"]);
        check("a,b,c,d", "b,c,d,e", &["@0 -a +", "@4 - +e"]);
        check("a,b,c,a,b,b,a", "c,b,a,b,a,c", &["@0 -a,b +", "@3 -a +", "@5 - +a", "@7 - +c"]);
        check("x", "y,z", &["@0 -x +y,z"]);
        check("a,b", "a,a,c", &["@1 -b +a,c"]);
    }

    #[test]
    fn blocks_among_lines_like_theirs_begin_with_the_least_space() {
        check("a,a,a", "a,a", &["@2 -a +"]);
        check("- a, k,- c, k", "- a, k,- b, k,- c, k", &["@2 - +- b, k"]);
        check("-, a,-, c", "-, a,-, b,-, c", &["@2 - +-, b"]);
        check("-, a,-, b,-, c", "-, a,-, c", &["@2 --, b +"]);
        check("-, c", "-, b,-, c", &["@0 - +-, b"]);
        check("-, a", "-, a,-, b", &["@2 - +-, b"]);
    }

    #[test]
    fn texts_that_have_nothing_in_order_are_compared_within_bounds() {
        let lines: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let old: Vec<&str> = lines.iter().map(String::as_str).collect();
        let new: Vec<&str> = old.iter().rev().copied().collect();
        let found = blocks(&old, &new);
        // One line may stay, at most.
        assert!(found.iter().map(|block| block.old.len()).sum::<usize>() >= old.len() - 1);
    }

    proptest! {
        #[test]
        fn applied_they_make_the_new_text_with_as_few_lines_as_can_be(
            old in proptest::collection::vec(0_u8..8, 0..40), new in proptest::collection::vec(0_u8..8, 0..40)
        ) {
            let line = |number: &u8| format!("{}{number}\n", " ".repeat(usize::from(*number % 3)));
            let text = |numbers: Vec<u8>| numbers.iter().map(line).collect::<String>();
            let (old, new) = (text(old), text(new));
            let old_lines: Vec<_> = old.split_inclusive('\n').collect();
            let new_lines: Vec<_> = new.split_inclusive('\n').collect();
            let found = blocks(&old_lines, &new_lines);
            let (mut made, mut at, mut count) = (Vec::new(), 0, 0);
            for block in &found {
                made.extend_from_slice(&old_lines[at..block.old.start]);
                prop_assert_eq!(made.len(), block.new.start);
                made.extend_from_slice(&new_lines[block.new.clone()]);
                at = block.old.end;
                count += block.old.len() + block.new.len();
            }
            made.extend_from_slice(&old_lines[at..]);
            prop_assert_eq!(made, new_lines);
            let theirs = TextDiff::configure().algorithm(Algorithm::Lcs).diff_lines(&old, &new);
            let fewest = theirs.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal).count();
            prop_assert_eq!(count, fewest);
        }
    }
}
