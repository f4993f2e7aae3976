//! The last minute of one edge: fine slots of a tick for rates and recent percentiles, coarse ones of a second for the minute.

use std::collections::{BTreeMap, VecDeque};

use api::observed::Totals;
use api::{Classes, EdgeStats};
use hdrhistogram::Histogram;
use proxy::Stats;

/// Ticks a second.
pub const TICKS_PER_SECOND: usize = 4;
/// Ticks of the window of rates: 2 s.
const RATE: usize = 2 * TICKS_PER_SECOND;
/// Ticks of the window of recent percentiles: 10 s.
const RECENT: usize = 10 * TICKS_PER_SECOND;
/// Latencies beyond an hour count as an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;
/// Seconds of the minute.
const MINUTE: usize = 60;

/// What one edge did in a stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests that ended, and connections that were opened to pass bytes on.
    pub requests: u64,
    /// Of these, failed: status 500 or more, or none; connections that led nowhere or broke.
    pub errors: u64,
    /// Of these, with a status of 400 to 499.
    pub client_errors: u64,
    /// Requests by class.
    pub classes: Classes,
    /// Requests that a delay was injected into.
    pub delays: u64,
    /// Requests that were aborted by a fault.
    pub aborts: u64,
    codes: BTreeMap<u16, u64>,
    flags: BTreeMap<&'static str, u64>,
    bytes_sent: u64,
    bytes_received: u64,
    /// Latencies in microseconds with their counts; sparse, since a slot has few.
    latencies: Vec<(u64, u32)>,
}

impl Counts {
    /// Adds what a proxy thread counted.
    pub fn add(&mut self, stats: &Stats) {
        // A connection may last: it counts from its beginning, and its bytes as they pass.
        self.requests += stats.requests + stats.connections_opened;
        let connections = stats.requests == 0 && stats.connections_closed > 0;
        for (&code, &count) in &stats.codes {
            *self.codes.entry(code).or_default() += count;
            self.class(code, count);
        }
        // A connection has no status; that it led nowhere or broke is known when it ends.
        self.classes.success += float(stats.connections_opened);
        for (&flag, &count) in &stats.flags {
            *self.flags.entry(flag).or_default() += count;
            match flag {
                "DI" => self.delays += count,
                "FI" => self.aborts += count,
                "UH" | "UF" | "UO" | "UC" | "NC" | "NR" if connections => {
                    *self.codes.entry(0).or_default() += count;
                    self.class(0, count);
                    // It was taken for one that went well when it began, in this slot or in one before.
                    self.classes.success = (self.classes.success - float(count)).max(0.0);
                }
                _ => {}
            }
        }
        self.bytes_sent += stats.bytes_sent;
        self.bytes_received += stats.bytes_received;
        self.latencies.extend(
            stats.latency.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())),
        );
    }

    fn class(&mut self, code: u16, count: u64) {
        self.classes.add(code, float(count));
        match code {
            0 | 500.. => self.errors += count,
            400..500 => self.client_errors += count,
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.requests + self.bytes_sent + self.bytes_received == 0
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.client_errors += other.client_errors;
        self.classes += other.classes;
        self.delays += other.delays;
        self.aborts += other.aborts;
        for (&code, &count) in &other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        for (&flag, &count) in &other.flags {
            *self.flags.entry(flag).or_default() += count;
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.latencies.extend_from_slice(&other.latencies);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

/// Room to merge latencies in, used again and again.
#[derive(Debug)]
pub struct Scratch(Histogram<u64>);

impl Default for Scratch {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "two digits and an hour are within the bounds that hdrhistogram has"
        )]
        Self(Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are allowed"))
    }
}

/// 50th, 95th and 99th percentile in milliseconds.
type Percentiles = (Option<f64>, Option<f64>, Option<f64>);

impl Scratch {
    fn percentiles<'c>(&mut self, slots: impl Iterator<Item = &'c Counts>) -> Percentiles {
        self.0.reset();
        for &(micros, count) in slots.flat_map(|slot| &slot.latencies) {
            self.0.saturating_record_n(micros, count.into());
        }
        #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 µs")]
        let at = |quantile| (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile) as f64 / 1000.0);
        (at(0.5), at(0.95), at(0.99))
    }
}

/// The window of one edge.
#[derive(Debug, Default)]
pub struct Window {
    current: Counts,
    /// Newest last; at most [`RECENT`].
    ticks: VecDeque<Counts>,
    /// Newest last; at most [`MINUTE`]. Holds whole seconds only.
    seconds: VecDeque<Counts>,
    second: Counts,
    minute: Totals,
}

impl Window {
    /// Adds what a proxy thread counted in the tick that runs.
    pub fn add(&mut self, stats: &Stats) {
        self.current.add(stats);
    }

    /// What the tick that runs has so far.
    pub fn current(&self) -> &Counts {
        &self.current
    }

    /// Ends a tick. `second` tells that a second ends with it.
    pub fn roll(&mut self, second: bool, scratch: &mut Scratch) {
        let tick = std::mem::take(&mut self.current);
        self.second.merge(&tick);
        push(&mut self.ticks, tick, RECENT);
        if second {
            push(&mut self.seconds, std::mem::take(&mut self.second), MINUTE);
            self.minute = totals(&self.seconds, scratch);
        }
    }

    /// Whether nothing happened in the last minute, so that the window can go.
    pub fn idle(&self) -> bool {
        let Totals { requests, bytes_sent, bytes_received, .. } = self.minute;
        requests + bytes_sent + bytes_received == 0
            && self.second.is_empty()
            && self.current.is_empty()
            && self.ticks.iter().all(Counts::is_empty)
    }

    /// The figures at the end of the last tick.
    pub fn stats(&self, scratch: &mut Scratch) -> EdgeStats {
        let last = self.ticks.back();
        let rate = |of: fn(&Counts) -> u64| {
            let sum: u64 = self.ticks.iter().rev().take(RATE).map(of).sum();
            float(sum) * TICKS_PER_SECOND as f64 / RATE as f64
        };
        let mut rates = Classes::default();
        self.ticks.iter().rev().take(RATE).for_each(|tick| rates += tick.classes);
        let mut recent = Classes::default();
        self.ticks.iter().for_each(|tick| recent += tick.classes);
        let (p50, p95, p99) = scratch.percentiles(self.ticks.iter());
        EdgeStats {
            requests: last.map_or(0, |tick| tick.requests),
            errors: last.map_or(0, |tick| tick.errors),
            client_errors: last.map_or(0, |tick| tick.client_errors),
            rps: rate(|tick| tick.requests),
            error_rps: rate(|tick| tick.errors),
            rates: rates.over(RATE as f64 / TICKS_PER_SECOND as f64),
            recent,
            // There was traffic in the last minute, or there were no window.
            health: recent.health(true),
            p50,
            p95,
            p99,
            minute: self.minute.clone(),
            delay_rps: rate(|tick| tick.delays),
            abort_rps: rate(|tick| tick.aborts),
        }
    }
}

fn push(slots: &mut VecDeque<Counts>, slot: Counts, keep: usize) {
    if slots.len() == keep {
        slots.pop_front();
    }
    slots.push_back(slot);
}

fn totals(seconds: &VecDeque<Counts>, scratch: &mut Scratch) -> Totals {
    let (p50, p95, p99) = scratch.percentiles(seconds.iter());
    let mut sum = Counts::default();
    for second in seconds {
        sum.requests += second.requests;
        sum.classes += second.classes;
        sum.bytes_sent += second.bytes_sent;
        sum.bytes_received += second.bytes_received;
        for (&code, &count) in &second.codes {
            *sum.codes.entry(code).or_default() += count;
        }
        for (&flag, &count) in &second.flags {
            *sum.flags.entry(flag).or_default() += count;
        }
    }
    Totals {
        requests: sum.requests,
        codes: sum.codes.into_iter().collect(),
        classes: sum.classes,
        flags: sum.flags.into_iter().map(|(flag, count)| (flag.to_owned(), count)).collect(),
        bytes_sent: sum.bytes_sent,
        bytes_received: sum.bytes_received,
        p50,
        p95,
        p99,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use api::Health;

    use super::*;

    fn stats(codes: &[(u16, u64)], flags: &[(&'static str, u64)], millis: &[u64]) -> Stats {
        let mut latency = Histogram::new(3).unwrap();
        for &value in millis {
            latency.record(value * 1000).unwrap();
        }
        Stats {
            chosen: 0,
            requests: codes.iter().map(|(_, count)| count).sum(),
            codes: codes.iter().copied().collect(),
            flags: flags.iter().copied().collect::<HashMap<_, _>>(),
            latency,
            bytes_sent: 1,
            bytes_received: 10,
            retries: 0,
            ..Stats::default()
        }
    }

    fn after(ticks: usize, mut add: impl FnMut(usize, &mut Window)) -> (Window, EdgeStats) {
        let (mut window, mut scratch) = (Window::default(), Scratch::default());
        for tick in 0..ticks {
            add(tick, &mut window);
            window.roll(tick % TICKS_PER_SECOND == TICKS_PER_SECOND - 1, &mut scratch);
        }
        let stats = window.stats(&mut scratch);
        (window, stats)
    }

    #[test]
    fn rates_are_over_two_seconds() {
        let (_, got) = after(8, |_, window| window.add(&stats(&[(200, 4), (503, 1)], &[("FI", 1)], &[])));
        assert_eq!((got.requests, got.errors), (5, 1));
        assert_eq!((got.rps, got.error_rps, got.abort_rps, got.delay_rps), (20.0, 4.0, 4.0, 0.0));
        // Only the first of two seconds had traffic.
        let (_, got) = after(8, |tick, window| {
            if tick < 4 {
                window.add(&stats(&[(200, 5)], &[], &[]));
            }
        });
        assert_eq!((got.requests, got.rps), (0, 10.0));
    }

    #[test]
    fn requests_are_told_by_class() {
        let codes = [(200, 5), (101, 1), (302, 2), (404, 3), (503, 4), (0, 1)];
        let (_, got) = after(8, |_, window| window.add(&stats(&codes, &[], &[])));
        let classes = |times: f64| {
            let [success, redirect, client, server, none] = [6.0, 2.0, 3.0, 4.0, 1.0].map(|it| it * times);
            Classes { success, redirect, client, server, none }
        };
        assert_eq!((got.rates, got.recent, got.minute.classes), (classes(4.0), classes(8.0), classes(8.0)));
        assert_eq!((got.errors, got.client_errors, got.health), (5, 3, Health::Failing));
        // No route is no success.
        let (_, got) = after(8, |_, window| window.add(&stats(&[(404, 1)], &[("NR", 1)], &[])));
        assert_eq!((got.health, got.error_rps), (Health::Failing, 0.0));
        let once = |tick: usize, window: &mut Window| {
            if tick == 0 {
                window.add(&stats(&[(200, 1)], &[], &[]));
            }
        };
        assert_eq!(after(4, once).1.health, Health::Healthy);
        assert_eq!(after(RECENT + 1, once).1.health, Health::Idle);
    }

    #[test]
    fn connections_count_when_they_begin_and_stay_while_bytes_pass() {
        let begun = Stats { connections_opened: 3, ..Stats::default() };
        let ended =
            Stats { connections_closed: 2, flags: HashMap::from([("UF", 1), ("DC", 1)]), ..Stats::default() };
        let bytes = Stats { bytes_received: 100, ..Stats::default() };
        let (window, got) = after(4 * 70, |tick, window| match tick {
            240 => window.add(&begun),
            241 => window.add(&ended),
            tick => window.add(if tick < 240 { &begun } else { &bytes }),
        });
        assert_eq!(got.minute.codes, [(0, 1)]);
        assert_eq!(got.minute.bytes_received, 38 * 100);
        assert!(!window.idle());
        let (window, got) = after(4 * 70, |tick, window| window.add(if tick < 4 { &begun } else { &bytes }));
        assert_eq!((got.rps, got.minute.requests), (0.0, 0));
        assert!(!window.idle(), "bytes still pass");
    }

    #[test]
    fn percentiles_forget_after_ten_seconds_and_the_minute_after_sixty() {
        let slow_first = |tick: usize, window: &mut Window| {
            window.add(&stats(&[(200, 1)], &[], &[if tick < 4 { 7000 } else { 5 }]));
        };
        let close = |got: Option<f64>, expected: f64| {
            let got = got.unwrap();
            assert!((got - expected).abs() <= expected * 0.02, "{got} is not {expected}");
        };
        let (_, got) = after(8, slow_first);
        close(got.p99, 7000.0);
        close(got.minute.p99, 7000.0);
        let (_, got) = after(44, slow_first);
        close(got.p99, 5.0);
        close(got.minute.p99, 7000.0);
        let (_, got) = after(4 * 61, slow_first);
        close(got.minute.p99, 5.0);
        assert_eq!(got.minute.requests, 240);
        assert_eq!(got.minute.codes, [(200, 240)]);
        assert_eq!((got.minute.bytes_sent, got.minute.bytes_received), (240, 2400));
    }

    #[test]
    fn a_window_without_traffic_for_a_minute_is_idle() {
        for (ticks, idle) in [(4, false), (4 * 60, false), (4 * 61, true)] {
            let (window, _) = after(ticks, |tick, window| {
                if tick == 0 {
                    window.add(&stats(&[(0, 1)], &[], &[]));
                }
            });
            assert_eq!(window.idle(), idle, "after {ticks} ticks");
        }
    }
}
