//! How figures look: widths, tones, words. Pure.

use std::f64::consts::LOG10_2;

use api::{Classes, Health};

use crate::observed::Figures;
use crate::topology::{Node, NodeId};
use crate::words;

/// What a figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Nothing flowed yet.
    Unknown,
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
            Self::Unknown => "unknown",
            Self::Idle => "idle",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// The same for those who see no colours.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "no traffic yet",
            Self::Idle => "no traffic",
            Self::Ok => "healthy",
            Self::Warn => "degraded",
            Self::Bad => "failing",
        }
    }
}

/// Size of the letters of hosts outside the mesh: their names are long. As in the styles.
pub const HOST_SIZE: f64 = 12.5;

/// The tone of a state.
pub fn of_health(health: Health) -> Tone {
    match health {
        Health::Unknown => Tone::Unknown,
        Health::Idle => Tone::Idle,
        Health::Healthy => Tone::Ok,
        Health::Degraded => Tone::Warn,
        Health::Failing => Tone::Bad,
    }
}

/// The tone of some traffic. A fault at work is said also where all goes well.
pub fn tone(figures: &Figures) -> Tone {
    match of_health(figures.health()) {
        Tone::Ok if figures.delay_rps + figures.abort_rps > 0.0 => Tone::Warn,
        tone => tone,
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

/// Errors on an edge, if there are any: `12% fail`, `30% 4xx`, `12% fail · 30% 4xx`.
pub fn failures(figures: &Figures) -> Option<String> {
    failures_of(&figures.rates)
}

/// The same of some requests.
pub fn failures_of(of: &Classes) -> Option<String> {
    let total = of.total();
    let part = |requests: f64, word: &str| {
        (requests > 0.0).then(|| format!("{} {word}", percent((requests / total).min(1.0))))
    };
    let parts = [part(of.errors(), "fail"), part(of.client, "4xx")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// Requests by class, where not all succeed: `2xx 58 · 4xx 3 · none 0.5`.
pub fn classes(of: &Classes) -> Option<String> {
    let all = [
        ("2xx", of.success),
        ("3xx", of.redirect),
        ("4xx", of.client),
        ("5xx", of.server),
        ("none", of.none),
    ];
    let parts = all.iter().filter(|(_, requests)| *requests > 0.0);
    (of.total() > of.success).then(|| {
        parts.map(|(class, requests)| format!("{class} {}", rate(*requests))).collect::<Vec<_>>().join(" · ")
    })
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
        let figures = |success, client, server, delay_rps| {
            let recent = Classes { success, client, server, ..Classes::default() };
            Figures { recent, delay_rps, asked: true, ..Figures::default() }
        };
        for (figures, expected) in [
            (Figures::default(), Tone::Unknown),
            (figures(0.0, 0.0, 0.0, 0.0), Tone::Idle),
            (figures(100.0, 0.0, 0.0, 0.0), Tone::Ok),
            (figures(95.0, 5.0, 0.0, 0.0), Tone::Ok),
            (figures(90.0, 10.0, 0.0, 0.0), Tone::Warn),
            (figures(0.0, 100.0, 0.0, 0.0), Tone::Bad),
            (figures(99.0, 0.0, 1.0, 0.0), Tone::Warn),
            (figures(100.0, 0.0, 0.0, 10.0), Tone::Warn),
            (figures(90.0, 0.0, 10.0, 0.0), Tone::Bad),
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
        let rates = Classes { success: 49.6, client: 6.2, server: 3.1, none: 3.1, ..Classes::default() };
        let figures = Figures { rps: 62.0, rates, p95: Some(7000.0), ..Figures::default() };
        assert_eq!(label(&figures), "62 · 7.0 s");
        assert_eq!(failures(&figures).as_deref(), Some("10% fail · 10% 4xx"));
        assert_eq!(classes(&rates).as_deref(), Some("2xx 50 · 4xx 6.2 · 5xx 3.1 · none 3.1"));
        assert_eq!(classes(&Classes { success: 3.0, ..Classes::default() }), None);
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
