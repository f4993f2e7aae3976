//! What a chart of traffic shows: a window of the history, binned, with marks for revisions. Pure.

use api::RevisionInfo;

use crate::observed::History;

/// How far back a chart looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// 60 seconds, a point for each.
    #[default]
    Minute,
    /// 5 minutes, a point for every 3 seconds.
    FiveMinutes,
    /// 10 minutes, a point for every 5 seconds.
    TenMinutes,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::TenMinutes];

    /// Its length and that of a bin, in seconds.
    pub fn seconds(self) -> (i64, i64) {
        match self {
            Self::Minute => (60, 1),
            Self::FiveMinutes => (300, 3),
            Self::TenMinutes => (600, 5),
        }
    }

    /// What its button says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Minute => "60 s",
            Self::FiveMinutes => "5 min",
            Self::TenMinutes => "10 min",
        }
    }
}

/// The traffic of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// The version.
    pub version: String,
    /// Position of its colour, for [`crate::topology::version_color`].
    pub color: usize,
    /// Requests per second in each bin.
    pub rps: Vec<f64>,
}

/// A revision within the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Seconds before the end of the window, negative.
    pub at: f64,
    /// `rev 42 · split 50/25/25`.
    pub label: String,
}

/// What a chart shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartData {
    /// Length of the window in seconds.
    pub seconds: f64,
    /// Middle of each bin, in seconds before the end of the window, negative.
    pub at: Vec<f64>,
    /// Versions, from the lowest area up.
    pub areas: Vec<Area>,
    /// Revisions, oldest first.
    pub marks: Vec<Mark>,
}

impl ChartData {
    /// Cuts a window out of a history. `colors` are the versions whose position is their colour; the newest second still
    /// fills, so it is left out.
    pub fn new(history: &History, revisions: &[RevisionInfo], colors: &[String], window: Window) -> Self {
        let (seconds, step) = window.seconds();
        let length = i64::try_from(history.len()).unwrap_or(0);
        let end = history.start + length - 1;
        // Bins begin at whole multiples of their length, so that a bin keeps its value while the window moves on.
        let first = (end - seconds).max(history.start).div_euclid(step);
        let bins = (first..end.div_euclid(step)).collect::<Vec<_>>();
        let mean = |counts: &[crate::observed::Bin], bin: i64| {
            let from = usize::try_from((bin * step).max(history.start) - history.start).unwrap_or(0);
            let to = usize::try_from((bin + 1) * step - history.start).unwrap_or(0).min(counts.len());
            let sum =
                counts.get(from..to).unwrap_or(&[]).iter().map(|bin| f64::from(bin.requests)).sum::<f64>();
            sum / real(i64::try_from(to.saturating_sub(from)).unwrap_or(1).max(1))
        };
        let unknown = history.versions.keys().filter(|version| !colors.contains(version)).collect::<Vec<_>>();
        let color = |version: &String| {
            let strange = || colors.len() + unknown.iter().position(|other| *other == version).unwrap_or(0);
            colors.iter().position(|other| other == version).unwrap_or_else(strange)
        };
        let mut areas = history
            .versions
            .iter()
            .map(|(version, counts)| Area {
                version: version.clone(),
                color: color(version),
                rps: bins.iter().map(|bin| mean(counts, *bin)).collect(),
            })
            .collect::<Vec<_>>();
        areas.sort_by_key(|area| area.color);
        let before_end = |millis: i64| real(millis - end * 1000) / 1000.0;
        let mut marks = revisions
            .iter()
            .map(|revision| Mark { at: before_end(revision.at), label: mark_label(revision) })
            .filter(|mark| mark.at > -real(seconds) && mark.at <= 0.0)
            .collect::<Vec<_>>();
        marks.sort_by(|a, b| a.at.total_cmp(&b.at));
        Self {
            seconds: real(seconds),
            at: bins.iter().map(|bin| real(bin * step - end) + real(step) / 2.0).collect(),
            areas,
            marks,
        }
    }

    /// The largest sum of all versions.
    pub fn peak(&self) -> f64 {
        let sum = |bin: usize| self.areas.iter().map(|area| area.rps[bin]).sum::<f64>();
        (0..self.at.len()).map(sum).fold(0.0, f64::max)
    }

    /// The bin nearest to a place in the window, 0 (left) to 1 (right).
    pub fn bin_at(&self, place: f64) -> Option<usize> {
        let wanted = (place - 1.0) * self.seconds;
        let distance = |bin: &usize| (self.at[*bin] - wanted).abs();
        (0..self.at.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The chart in a sentence.
    pub fn summary(&self) -> String {
        if self.peak() <= 0.0 {
            return format!("No traffic in the last {}", span(self.seconds));
        }
        let versions = self.areas.iter().map(|area| {
            let now = area.rps.last().copied().unwrap_or(0.0);
            format!("{} {} requests per second now, {} at the start", name(&area.version), round(now), {
                round(area.rps.first().copied().unwrap_or(0.0))
            })
        });
        let mut words = vec![format!("Traffic by version over the last {}", span(self.seconds))];
        words.extend(versions);
        words.extend(self.marks.iter().map(|mark| format!("{} {:.0} seconds ago", mark.label, -mark.at)));
        words.join("; ")
    }
}

/// What to call a version; instances without the label have none.
pub fn name(version: &str) -> &str {
    if version.is_empty() { "all" } else { version }
}

/// `60`, `0.4`.
pub fn round(rps: f64) -> String {
    if rps < 9.95 { format!("{rps:.1}") } else { format!("{rps:.0}") }
}

/// `60 s`, `5 min`.
pub fn span(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// `rev 42 · split 50/25/25` of `reviews: split 100/0/0 → 50/25/25`.
fn mark_label(revision: &RevisionInfo) -> String {
    let what = revision.summary.split_once(": ").map_or(revision.summary.as_str(), |(_, what)| what);
    let what = match (what.split_once(' '), what.rsplit_once("→ ")) {
        (Some((verb, _)), Some((_, to))) => format!("{verb} {to}"),
        _ => what.to_owned(),
    };
    let what = if what.chars().count() > 26 { what.chars().take(25).chain(['…']).collect() } else { what };
    format!("rev {} · {what}", revision.number)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and milliseconds of our age are far below 2^52")]
fn real(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::chart) fn revision(number: u64, at: i64, summary: &str) -> RevisionInfo {
        RevisionInfo {
            number,
            author: "admin".into(),
            at,
            summary: summary.into(),
            edits: api::revision::Edits::default(),
            reverts: None,
        }
    }

    /// 100 seconds up to second 1100: 60 requests for v1; 20 for v2 in the last 30 seconds.
    pub(in crate::chart) fn history() -> History {
        let mut history = History::default();
        for second in 1000..=1100 {
            history.count("v1", second, 60, 0);
            if second > 1070 {
                history.count("v2", second, 20, 0);
            }
        }
        history
    }

    fn colors() -> [String; 2] {
        ["v1".into(), "v2".into()]
    }

    #[test]
    fn a_minute_has_sixty_bins() {
        let data = ChartData::new(&history(), &[], &colors(), Window::Minute);
        assert_eq!((data.at.len(), data.at[0], data.at[59]), (60, -59.5, -0.5));
        assert_eq!(data.areas.iter().map(|area| area.version.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
        assert_eq!((data.areas[1].rps[0], data.areas[1].rps[59], data.peak()), (0.0, 20.0, 80.0));
    }

    #[test]
    fn long_windows_have_means() {
        let data = ChartData::new(&history(), &[], &colors(), Window::FiveMinutes);
        assert!(data.areas[0].rps.iter().all(|rps| (rps - 60.0).abs() < 1e-9), "{data:?}");
        assert!(data.at.windows(2).all(|pair| (pair[1] - pair[0] - 3.0).abs() < 1e-9));
    }

    #[test]
    fn each_version_has_a_colour_of_its_own() {
        for (known, expected) in
            [(vec![], [0, 1]), (vec!["v2".to_owned()], [0, 1]), (colors().to_vec(), [0, 1])]
        {
            let data = ChartData::new(&history(), &[], &known, Window::Minute);
            assert_eq!(data.areas.iter().map(|area| area.color).collect::<Vec<_>>(), expected, "{known:?}");
        }
    }

    #[test]
    fn nothing_observed_is_an_empty_chart() {
        let data = ChartData::new(&History::default(), &[], &[], Window::Minute);
        assert_eq!((data.at.len(), data.peak(), data.bin_at(0.5)), (0, 0.0, None));
        assert_eq!(data.summary(), "No traffic in the last 60 s");
    }

    #[test]
    fn revisions_within_the_window_are_marked() {
        let revisions = [
            revision(42, 1_071_500, "reviews: split 100/0/0 → 50/25/25"),
            revision(41, 1_050_000, "ratings: delay 7 s · 10%"),
            revision(2, 1_000_000, "long ago"),
        ];
        let data = ChartData::new(&history(), &revisions, &colors(), Window::Minute);
        let marks = data.marks.iter().map(|mark| (mark.at, mark.label.as_str())).collect::<Vec<_>>();
        assert_eq!(marks, [(-50.0, "rev 41 · delay 7 s · 10%"), (-28.5, "rev 42 · split 50/25/25")]);
    }

    #[test]
    fn places_become_bins() {
        let data = ChartData::new(&history(), &[], &colors(), Window::Minute);
        assert_eq!([0.0, 0.5, 1.0].map(|place| data.bin_at(place)), [Some(0), Some(29), Some(59)]);
    }

    #[test]
    fn the_summary_says_what_one_sees() {
        let data = ChartData::new(&history(), &[], &colors(), Window::Minute);
        assert_eq!(
            data.summary(),
            "Traffic by version over the last 60 s; v1 60 requests per second now, 60 at the start; \
             v2 20 requests per second now, 0.0 at the start"
        );
    }
}
