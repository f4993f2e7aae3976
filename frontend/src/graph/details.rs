//! What a tooltip tells of a node or link: codes and flags of the last minute. Pure.

use std::collections::BTreeMap;

use api::{EdgeKey, Tick};

/// Sums over the edges of a node or link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Responses by status code in the last minute, most frequent first; 0 stands for no response.
    pub codes: Vec<(u16, u64)>,
    /// Response flags in the last minute, most frequent first.
    pub flags: Vec<(String, u64)>,
}

/// Sums the edges for which `about` holds.
pub fn details(tick: &Tick, about: impl Fn(&EdgeKey) -> bool) -> Details {
    let (mut codes, mut flags) = (BTreeMap::<u16, u64>::new(), BTreeMap::<&str, u64>::new());
    for (_, edge) in tick.edges.iter().filter(|(key, _)| about(key)) {
        for (code, count) in &edge.minute.codes {
            *codes.entry(*code).or_default() += count;
        }
        for (flag, count) in &edge.minute.flags {
            *flags.entry(flag).or_default() += count;
        }
    }
    let mut details = Details {
        codes: codes.into_iter().collect(),
        flags: flags.into_iter().map(|(flag, count)| (flag.to_owned(), count)).collect(),
    };
    details.codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    details.flags.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    details
}

/// What Envoy's response flags mean.
pub fn flag(flag: &str) -> &'static str {
    match flag {
        "DI" => "delay injected",
        "FI" => "abort injected",
        "UH" => "no healthy upstream",
        "UF" => "upstream connection failed",
        "UO" => "circuit breaker limit reached",
        "UC" => "upstream closed the connection",
        "UPE" => "upstream protocol error",
        "UT" => "upstream timed out",
        "UR" => "upstream reset",
        "URX" => "retries exhausted",
        "NR" => "no route",
        "NC" => "no such subset or cluster",
        "DC" => "client disconnected",
        "RL" => "rate limited",
        "LR" => "local reset",
        "SI" => "idle timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use api::EdgeStats;
    use api::observed::Totals;

    use super::*;

    #[test]
    fn the_most_frequent_come_first() {
        let edge = |host: &str, codes: &[(u16, u64)], flags: &[(&str, u64)]| {
            let source = mesh::Source::Workload { namespace: "d".into(), name: "w".into() };
            let flags = flags.iter().map(|(flag, count)| ((*flag).to_owned(), *count)).collect();
            let minute = Totals { codes: codes.to_vec(), flags, ..Totals::default() };
            let key = EdgeKey { source, host: host.into(), version: String::new() };
            (key, EdgeStats { minute, ..EdgeStats::default() })
        };
        let tick = Tick {
            edges: vec![
                edge("a", &[(200, 5), (503, 2)], &[("UF", 2)]),
                edge("a", &[(503, 9)], &[("UF", 8), ("UT", 1)]),
                edge("b", &[(404, 100)], &[]),
            ],
            ..Tick::default()
        };
        let details = details(&tick, |key| key.host == "a");
        assert_eq!(details.codes, [(503, 11), (200, 5)]);
        assert_eq!(details.flags, [("UF".to_owned(), 10), ("UT".to_owned(), 1)]);
    }
}
