//! Ten minutes of counts per edge and second, for the charts.

use std::collections::{BTreeMap, VecDeque};

use api::observed::Series;
use api::{EdgeKey, Tick};

/// Seconds that are kept.
const KEPT: usize = 600;
/// Length of an interval in milliseconds.
const STEP: i64 = 1000;

/// Requests, errors, and those that the client is told to have made.
type Bin = (u32, u32, u32);

/// Counts per edge and second. All edges share their intervals.
#[derive(Debug, Default)]
pub struct SeriesLog {
    /// End of the newest interval, in milliseconds since 1970; a multiple of [`STEP`].
    end: i64,
    edges: BTreeMap<EdgeKey, VecDeque<Bin>>,
}

impl SeriesLog {
    /// Adds a tick to the interval that it ended in.
    pub fn add(&mut self, tick: &Tick) {
        let end = tick.at.div_euclid(STEP) * STEP + STEP;
        if end > self.end {
            let gap = if self.end == 0 { 1 } else { (end - self.end) / STEP };
            self.advance(usize::try_from(gap).unwrap_or(KEPT));
            self.end = end;
        }
        let length = self.edges.values().map(VecDeque::len).max().unwrap_or(1);
        for (key, stats) in tick.edges.iter().filter(|(_, stats)| stats.requests > 0) {
            let counts = self
                .edges
                .entry(key.clone())
                .or_insert_with(|| std::iter::repeat_n((0, 0, 0), length).collect());
            if let Some((requests, errors, client)) = counts.back_mut() {
                let add =
                    |to: &mut u32, more| *to = to.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
                add(requests, stats.requests);
                add(errors, stats.errors);
                add(client, stats.client_errors);
            }
        }
    }

    fn advance(&mut self, intervals: usize) {
        for counts in self.edges.values_mut() {
            for _ in 0..intervals.min(KEPT) {
                if counts.len() == KEPT {
                    counts.pop_front();
                }
                counts.push_back((0, 0, 0));
            }
        }
        self.edges.retain(|_, counts| counts.iter().any(|&(requests, ..)| requests > 0));
    }

    /// What is kept, as the browser gets it.
    pub fn all(&self) -> Vec<Series> {
        self.edges
            .iter()
            .map(|(key, counts)| Series {
                key: Some(key.clone()),
                start: self.end - STEP * (i64::try_from(counts.len()).unwrap_or(0) - 1),
                step: STEP as u32,
                requests: counts.iter().map(|&(requests, ..)| requests).collect(),
                errors: counts.iter().map(|&(_, errors, _)| errors).collect(),
                client_errors: counts.iter().map(|&(.., client)| client).collect(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use api::EdgeStats;

    use super::*;

    fn tick(at: i64, edges: &[(&str, u64, u64)]) -> Tick {
        let edge = |&(version, requests, errors): &(&str, u64, u64)| {
            let key = EdgeKey {
                source: mesh::Source::Gateway { namespace: "default".to_owned(), name: "in".to_owned() },
                host: "reviews".to_owned(),
                version: version.to_owned(),
            };
            (key, EdgeStats { requests, errors, ..EdgeStats::default() })
        };
        Tick { at, millis: 250, edges: edges.iter().map(edge).collect(), ..Tick::default() }
    }

    fn check(ticks: &[Tick], expected: &[(&str, i64, &[u32], &[u32])]) {
        let mut log = SeriesLog::default();
        for tick in ticks {
            log.add(tick);
        }
        let got = log.all();
        let got: Vec<_> = got
            .iter()
            .map(|series| {
                let version = series.key.as_ref().unwrap().version.as_str();
                (version, series.start, series.requests.as_slice(), series.errors.as_slice())
            })
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn ticks_add_up_to_seconds() {
        check(
            &[tick(10_000, &[("v1", 2, 0)]), tick(10_250, &[("v1", 3, 1)]), tick(11_000, &[("v1", 5, 0)])],
            &[("v1", 11_000, &[5, 5], &[1, 0])],
        );
    }

    #[test]
    fn an_edge_that_comes_later_starts_with_zeros_and_silence_counts_as_such() {
        check(
            &[tick(10_000, &[("v1", 1, 0)]), tick(13_100, &[("v1", 1, 0), ("v2", 4, 4)])],
            &[("v1", 11_000, &[1, 0, 0, 1], &[0, 0, 0, 0]), ("v2", 11_000, &[0, 0, 0, 4], &[0, 0, 0, 4])],
        );
    }

    #[test]
    fn ten_minutes_are_kept() {
        let mut log = SeriesLog::default();
        for second in 0..700 {
            log.add(&tick(second * 1000, &[("v1", 1, 0)]));
        }
        let all = log.all();
        assert_eq!(all[0].requests.len(), KEPT);
        assert_eq!(all[0].start, 101_000);
        log.add(&tick(2_000_000, &[("v2", 1, 0)]));
        assert_eq!(log.all().len(), 1, "an edge without traffic for ten minutes goes");
    }
}
