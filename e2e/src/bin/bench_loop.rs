//! Measures the control loop as a person feels it: slider released → received → proxy swapped → first request on the new
//! weights → seen in the page.
//!
//! The page's clock and the server's are this machine's, so their times can be subtracted. The server says when it received
//! an edit in whole milliseconds, so the first figures are good to half a millisecond.

use anyhow::{Context, Result, ensure};
use api::revision::Stage;
use api::{Snapshot, Timeline};
use e2e::{Browser, Server, http};
use hdrhistogram::Histogram;
use serde::Deserialize;

/// Edits that are measured, unless the first argument says another number.
const EDITS: usize = 200;
/// Edits before, which warm up.
const WARM_UP: usize = 5;

/// Lets the slider of v1 go at another value, and answers once the page shows traffic under the new revision.
const EDIT: &str = r#"
const [percent, done] = arguments;
const slider = document.querySelector('input[type=range][aria-label="Share of v1"]');
const row = slider.closest('.share-row').querySelector('.observed');
const before = Number(row.dataset.since);
slider.value = percent;
slider.dispatchEvent(new Event('input', {bubbles: true}));
const released = performance.now();
slider.dispatchEvent(new Event('change', {bubbles: true}));
const look = () => {
  const since = Number(row.dataset.since);
  if (since > before && Number(row.dataset.n) > 0) {
    done({released: performance.timeOrigin + released, revision: since, seen: performance.now() - released});
  } else {
    requestAnimationFrame(look);
  }
};
look();
"#;

/// What the page says of an edit; times in milliseconds.
#[derive(Debug, Deserialize)]
struct Seen {
    released: f64,
    revision: u64,
    seen: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let edits = std::env::args().nth(1).map_or(Ok(EDITS), |text| text.parse()).context("how many edits")?;
    let server = Server::start(&["--rate", "500"]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        browser.find("label.switch-line.chip input[role=switch]").await?.click().await?;
        browser.find(".share-row .observed[data-since]").await?;
        let mut figures = Figures::new()?;
        for edit in 0..WARM_UP + edits {
            // Every value differs from the one before.
            let percent = 5 + (edit * 37) % 90;
            let answer = browser.driver.execute_async(EDIT, vec![percent.into()]).await?;
            let seen: Seen = serde_json::from_value(answer.json().clone())?;
            let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
            let timeline = snapshot.timeline.context("the head has a timeline")?;
            ensure!(timeline.revision == seen.revision, "one revision for each edit");
            if edit >= WARM_UP {
                figures.record(&seen, &timeline)?;
            }
            if edit % 20 == 0 {
                eprintln!("{edit} of {}", WARM_UP + edits);
            }
        }
        figures.print(edits);
        Ok(())
    })
    .await
}

/// One histogram for each stretch from the release, in microseconds.
struct Figures {
    rows: Vec<(&'static str, Histogram<u64>)>,
}

impl Figures {
    fn new() -> Result<Self> {
        let names = ["received", "stored", "proxy swapped", "first request", "seen in the page"];
        let rows = names.into_iter().map(|name| Ok((name, Histogram::new(3)?))).collect::<Result<_>>()?;
        Ok(Self { rows })
    }

    fn record(&mut self, seen: &Seen, timeline: &Timeline) -> Result<()> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
        let received = (timeline.received_at as f64 - seen.released).max(0.0);
        let stage = |stage: Stage| {
            let milestone = timeline.milestones.iter().find(|milestone| milestone.stage == stage);
            milestone.map(|milestone| received + milestone.millis).with_context(|| format!("no {stage:?}"))
        };
        let values =
            [received, stage(Stage::Stored)?, stage(Stage::Swapped)?, stage(Stage::FirstRequest)?, seen.seen];
        for ((_, histogram), millis) in self.rows.iter_mut().zip(values) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
            histogram.record((millis * 1000.0) as u64)?;
        }
        Ok(())
    }

    fn print(&self, edits: usize) {
        println!("slider released, then after … ms ({edits} edits, 500 requests/s)");
        println!("{:<18} {:>8} {:>8} {:>8}", "", "p50", "p99", "max");
        for (name, histogram) in &self.rows {
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a measurement")]
            let millis = |micros: u64| micros as f64 / 1000.0;
            let (p50, p99) = (histogram.value_at_quantile(0.5), histogram.value_at_quantile(0.99));
            println!("{name:<18} {:>8.1} {:>8.1} {:>8.1}", millis(p50), millis(p99), millis(histogram.max()));
        }
    }
}
