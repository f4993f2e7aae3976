//! Ten minutes of counts per edge and second, for the charts: what a tick does to them.

use crate::observed::{EdgeStats, Series, Tick};

/// Seconds that are kept.
const KEPT: usize = 600;
/// Length of an interval in milliseconds.
const STEP: u32 = 1000;

/// Adds a tick to the interval that it ended in. All edges share their intervals, and are in the order of their keys.
pub(crate) fn add(all: &mut Vec<Series>, tick: &Tick) {
    let step = i64::from(STEP);
    let end = tick.at.div_euclid(step) * step + step;
    if let Some(last) = all.first().map(Series::end)
        && end > last
    {
        all.iter_mut().for_each(|series| series.advance(end));
        all.retain(|series| series.requests.iter().any(|&requests| requests > 0));
    }
    let shape = all.first().map_or((end, 1), |series| (series.start, series.requests.len()));
    for (key, stats) in tick.edges.iter().filter(|(_, stats)| stats.requests > 0) {
        let at = all.binary_search_by(|series| series.key.as_ref().cmp(&Some(key))).unwrap_or_else(|at| {
            let (start, length) = shape;
            let zeros = || vec![0; length];
            let key = Some(key.clone());
            let (requests, errors, client_errors) = (zeros(), zeros(), zeros());
            all.insert(at, Series { key, start, step: STEP, requests, errors, client_errors });
            at
        });
        all[at].count(stats);
    }
}

impl Series {
    /// End of the newest interval.
    fn end(&self) -> i64 {
        let after = i64::try_from(self.requests.len()).unwrap_or(0) - 1;
        self.start + i64::from(self.step) * after
    }

    /// Silence up to an interval.
    fn advance(&mut self, end: i64) {
        let more = usize::try_from((end - self.end()) / i64::from(STEP)).unwrap_or(KEPT).min(KEPT);
        for counts in [&mut self.requests, &mut self.errors, &mut self.client_errors] {
            counts.resize(counts.len() + more, 0);
            counts.drain(..counts.len().saturating_sub(KEPT));
        }
        let after = i64::try_from(self.requests.len()).unwrap_or(0) - 1;
        self.start = end - i64::from(STEP) * after;
    }

    /// Adds to the newest interval.
    fn count(&mut self, stats: &EdgeStats) {
        for (counts, more) in [
            (&mut self.requests, stats.requests),
            (&mut self.errors, stats.errors),
            (&mut self.client_errors, stats.client_errors),
        ] {
            if let Some(last) = counts.last_mut() {
                *last = last.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EdgeKey;

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
        let mut log = Vec::new();
        for tick in ticks {
            add(&mut log, tick);
        }
        let got: Vec<_> = log
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
        let mut log = Vec::new();
        for second in 0..700 {
            add(&mut log, &tick(second * 1000, &[("v1", 1, 0)]));
        }
        assert_eq!(log[0].requests.len(), KEPT);
        assert_eq!(log[0].start, 101_000);
        add(&mut log, &tick(2_000_000, &[("v2", 1, 0)]));
        assert_eq!(log.len(), 1, "an edge without traffic for ten minutes goes");
    }
}
