//! What was measured, and the table of it.

use std::time::Duration;

/// Of one contender.
pub(crate) struct Figures {
    pub(crate) name: String,
    /// From the start of the first program to the first request that is answered.
    pub(crate) start: Duration,
    /// From each edit to the first request that shows it, in milliseconds.
    pub(crate) edits: Vec<f64>,
    /// From each edit, not applied, to what is wrong with it; in milliseconds. Ours alone says that.
    pub(crate) validated: Vec<f64>,
    /// Processor time of all edits, with the requests that look for them.
    pub(crate) cpu: Duration,
    /// Memory of each program after the start and after the edits, in MiB.
    pub(crate) memory: [Vec<f64>; 2],
}

/// A value that so much of them are at most.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a few values")]
    let at = part * sorted.len().saturating_sub(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    sorted.get(at.round() as usize).copied().unwrap_or_default()
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Figures {
    fn numbers(&self) -> [f64; 6] {
        #[expect(clippy::cast_precision_loss, reason = "a few edits")]
        let count = self.edits.len().max(1) as f64;
        let [before, after] = &self.memory;
        [
            self.start.as_secs_f64(),
            quantile(&self.edits, 0.5),
            quantile(&self.edits, 0.95),
            millis(self.cpu) / count,
            before.iter().sum(),
            after.iter().sum(),
        ]
    }
}

/// Prints all of them, and each of ours divided by each of theirs.
pub(crate) fn print(all: &[Figures]) {
    println!(
        "| | start to first request, s | edit to first request, p50 ms | p95 ms | CPU per edit, ms | memory at start, MiB | after the edits, MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for figures in all {
        let cells = figures.numbers().map(|number| format!("{number:.1}"));
        println!("| {} | {} |", figures.name, cells.join(" | "));
    }
    // Ours alone say what is wrong with an edit.
    let (ours, theirs): (Vec<_>, Vec<_>) = all.iter().partition(|figures| !figures.validated.is_empty());
    for (own, other) in ours.into_iter().flat_map(|own| theirs.iter().map(move |other| (own, other))) {
        let pairs = own.numbers().into_iter().zip(other.numbers());
        let cells: Vec<_> = pairs.map(|(own, other)| format!("{:.2}", own / other)).collect();
        println!("| {} ÷ {} | {} |", own.name, other.name, cells.join(" | "));
    }
}
