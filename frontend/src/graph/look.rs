//! How figures look: widths, tones, words. Pure.

use std::f64::consts::LOG10_2;

use crate::observed::Figures;
use crate::topology::{Node, NodeId};
use crate::words;

/// What a figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Nothing flows.
    Idle,
    /// All is well.
    Ok,
    /// Some fail, or a fault is at work.
    Warn,
    /// Many fail.
    Bad,
}

impl Tone {
    /// The class that colours it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// The same for those who see no colours.
    pub fn words(self) -> &'static str {
        match self {
            Self::Idle => "no traffic",
            Self::Ok => "healthy",
            Self::Warn => "impaired",
            Self::Bad => "failing",
        }
    }
}

/// Size of the letters of hosts outside the mesh: their names are long. As in the styles.
pub const HOST_SIZE: f64 = 12.5;

/// Below this share of successes traffic is impaired.
pub const WARN_BELOW: f64 = 0.995;
/// Below this share of successes traffic is failing.
pub const BAD_BELOW: f64 = 0.95;

/// The tone of some traffic.
pub fn tone(figures: &Figures) -> Tone {
    match figures.success() {
        None => Tone::Idle,
        Some(success) if success < BAD_BELOW => Tone::Bad,
        Some(success) if success < WARN_BELOW => Tone::Warn,
        Some(_) if figures.delay_rps + figures.abort_rps > 0.0 => Tone::Warn,
        Some(_) => Tone::Ok,
    }
}

/// Width of an edge: 1.2 when idle, 2 at one request a second, 3.6 at 10, 6.8 at 1,000; steps of 0.4, so that it does not
/// tremble.
pub fn width(rps: f64) -> f64 {
    if rps <= 0.0 {
        return 1.2;
    }
    // By the logarithm that the dots need too.
    (((1.6 + 1.6 * LOG10_2 * (1.0 + rps).log2()) * 2.5).round() / 2.5).min(10.0)
}

/// How the dots on an edge move, in powers of √2 of the rate so that they do not tremble: pixels between them and pixels a
/// second. Ten times the traffic is about three times as many dots a second.
pub fn dots(rps: f64) -> Option<(f64, f64)> {
    if rps <= 0.0 {
        return None;
    }
    let power = (2.0 * rps.log2()).round() / 2.0;
    let (spacing, speed) = (84.0 - 6.0 * power, 44.0 + 7.0 * power);
    Some((spacing.clamp(22.0, 130.0), speed.clamp(20.0, 130.0)))
}

/// Requests per second: `0.4`, `62`, `1.2k`.
pub fn rate(rps: f64) -> String {
    match rps {
        r if r < 0.05 => "0".to_owned(),
        r if r < 9.95 => format!("{r:.1}").trim_end_matches(".0").to_owned(),
        r if r < 999.5 => format!("{r:.0}"),
        r => format!("{:.1}k", r / 1000.0),
    }
}

/// A share: `50%`, `0.4%`, `<0.1%`; all and nothing are said only of all and nothing.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p <= 0.0 => "0%".to_owned(),
        p if p >= 100.0 => "100%".to_owned(),
        p if p < 0.1 => "<0.1%".to_owned(),
        p if p > 99.9 => ">99.9%".to_owned(),
        p if !(9.95..99.0).contains(&p) => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

/// What an edge's label says.
pub fn label(figures: &Figures) -> String {
    match figures.p95 {
        _ if figures.rps <= 0.0 => String::new(),
        Some(p95) => format!("{} · {}", rate(figures.rps), words::latency(Some(p95))),
        None => format!("{} rps", rate(figures.rps)),
    }
}

/// Errors on an edge, if there are any: `12% fail`.
pub fn failures(figures: &Figures) -> Option<String> {
    (figures.error_rps > 0.0 && figures.rps > 0.0)
        .then(|| format!("{} fail", percent((figures.error_rps / figures.rps).min(1.0))))
}

/// What a limit refuses on an edge: `limit reached`, `limit · 12 overflow`; `12 overflow` of the last minute when it is kept again.
pub fn limit(reached: bool, overflow: u64) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "a minute's count is far below 2^52")]
    let count = rate(overflow as f64);
    match (reached, overflow) {
        (false, 0) => None,
        (true, 0) => Some("limit reached".to_owned()),
        (true, _) => Some(format!("limit · {count} overflow")),
        (false, _) => Some(format!("{count} overflow")),
    }
}

/// The second line of a node: `3 versions · 3 instances`.
pub fn subtitle(node: &Node) -> String {
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match &node.id {
        NodeId::Gateway { .. } => match node.ports.as_slice() {
            [] => "gateway".to_owned(),
            ports => format!(
                "gateway {}",
                ports.iter().map(|port| format!(":{port}")).collect::<Vec<_>>().join(" ")
            ),
        },
        NodeId::External(_) => "external host".to_owned(),
        NodeId::Workload { .. } => "workload".to_owned(),
        NodeId::Service(_) if node.versions.is_empty() => "no instances".to_owned(),
        NodeId::Service(_) => {
            format!("{} · {}", count(node.versions.len(), "version"), count(node.instances(), "instance"))
        }
    }
}

/// Shortens a text so that it takes about this many pixels at this size of letters.
pub fn shorten(text: &str, pixels: f64, size: f64) -> String {
    if bold_width(text, size) <= pixels {
        return text.to_owned();
    }
    let mut left = pixels / size - wide('…');
    let fits = |letter: &char| {
        left -= wide(*letter);
        left >= 0.0
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// How wide a bold text may be at this size of letters, in one of the wider fonts that there are.
pub fn bold_width(text: &str, size: f64) -> f64 {
    text.chars().map(wide).sum::<f64>() * size
}

/// How wide a bold letter is in one of the wider fonts that there may be, for letters of size 1.
fn wide(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '\'' => 0.37,
        'f' | 'r' | 't' | '-' | ' ' => 0.48,
        'm' | 'w' | 'M' | 'W' | '…' => 1.0,
        _ => 0.69,
    }
}

/// About how wide a text is at this size of letters.
pub fn text_width(text: &str, size: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "labels are short")]
    let letters = text.chars().count() as f64;
    letters * size * 0.57
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Version;

    #[test]
    fn numbers_in_words() {
        for (rps, words) in [
            (0.0, "0"),
            (0.4, "0.4"),
            (6.0, "6"),
            (9.96, "10"),
            (62.4, "62"),
            (999.6, "1.0k"),
            (12_345.0, "12.3k"),
        ] {
            assert_eq!(rate(rps), words);
        }
        for (share, words) in [
            (0.0, "0%"),
            (0.0004, "<0.1%"),
            (0.05, "5.0%"),
            (0.506, "51%"),
            (0.996, "99.6%"),
            (0.9999, ">99.9%"),
            (1.0, "100%"),
        ] {
            assert_eq!(percent(share), words);
        }
    }

    #[test]
    fn tones() {
        let figures = |rps, error_rps, delay_rps| Figures { rps, error_rps, delay_rps, ..Figures::default() };
        for (figures, expected) in [
            (figures(0.0, 0.0, 0.0), Tone::Idle),
            (figures(100.0, 0.0, 0.0), Tone::Ok),
            (figures(100.0, 0.4, 0.0), Tone::Ok),
            (figures(100.0, 1.0, 0.0), Tone::Warn),
            (figures(100.0, 0.0, 10.0), Tone::Warn),
            (figures(100.0, 6.0, 0.0), Tone::Bad),
        ] {
            assert_eq!(tone(&figures), expected, "{figures:?}");
        }
    }

    #[test]
    fn more_traffic_is_wider_and_faster() {
        let rates = [0.0, 1.0, 10.0, 100.0, 1000.0];
        assert!(rates.windows(2).all(|pair| width(pair[0]) < width(pair[1])));
        let flow = rates[1..].iter().filter_map(|rps| dots(*rps)).map(|(spacing, speed)| speed / spacing);
        assert!(flow.collect::<Vec<_>>().windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(dots(0.0), None);
    }

    #[test]
    fn labels() {
        let figures = Figures { rps: 62.0, error_rps: 6.2, p95: Some(7000.0), ..Figures::default() };
        assert_eq!(label(&figures), "62 · 7.0 s");
        assert_eq!(failures(&figures).as_deref(), Some("10% fail"));
        assert_eq!(label(&Figures::default()), "");
        assert_eq!(failures(&Figures { rps: 3.0, ..Figures::default() }), None);
    }

    #[test]
    fn limits() {
        for (reached, overflow, words) in [
            (false, 0, None),
            (true, 0, Some("limit reached")),
            (true, 12, Some("limit · 12 overflow")),
            (false, 2100, Some("2.1k overflow")),
        ] {
            assert_eq!(limit(reached, overflow).as_deref(), words);
        }
    }

    #[test]
    fn subtitles() {
        let node = |id, versions: &[usize], ports: &[u16]| Node {
            id,
            name: "n".into(),
            namespace: "default".into(),
            versions: versions.iter().map(|&instances| Version { name: "v".into(), instances }).collect(),
            ports: ports.to_vec(),
        };
        let gateway = || NodeId::Gateway { namespace: "d".into(), name: "g".into() };
        for (node, words) in [
            (node(NodeId::Service("a".into()), &[1, 1, 1], &[]), "3 versions · 3 instances"),
            (node(NodeId::Service("a".into()), &[1], &[]), "1 version · 1 instance"),
            (node(NodeId::Service("a".into()), &[], &[]), "no instances"),
            (node(gateway(), &[], &[8081]), "gateway :8081"),
            (node(NodeId::External("x".into()), &[], &[]), "external host"),
        ] {
            assert_eq!(subtitle(&node), words);
        }
    }

    #[test]
    fn long_names_are_shortened() {
        for (name, pixels, shown) in [
            ("productpage", 94.0, "productpage"),
            ("productpage", 80.0, "productp…"),
            ("books.example.com", 100.0, "books.exa…"),
            ("mmmmmmmm", 40.0, "mm…"),
            ("illicit", 40.0, "illicit"),
            ("a", 1.0, "…"),
        ] {
            assert_eq!(shorten(name, pixels, 13.0), shown);
        }
    }
}
