//! Measures how soon the page is there: what it weighs on the wire, when something is painted first, and when the graph
//! shows live traffic. Each round is a new browser with an empty cache, on loopback.

use anyhow::{Context, Result};
use e2e::{Browser, Server};
use serde::Deserialize;

/// Browsers that are opened, unless the first argument says another number.
const ROUNDS: usize = 10;

/// Answers once an edge of the graph says a rate. It may be asked too late, never too early, so its time is the most that
/// it can have been.
const LOADED: &str = r#"
const [done] = arguments;
const look = () => {
  const live = [...document.querySelectorAll('.edge-label')].some(label => /[1-9]/.test(label.textContent));
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  if (!live || !paint) {
    requestAnimationFrame(look);
    return;
  }
  const code = performance.getEntriesByType('resource').filter(entry => /\.(js|wasm)$/.test(entry.name));
  done({paint: paint.startTime, live: performance.now(), bytes: code.reduce((sum, entry) => sum + entry.encodedBodySize, 0)});
};
look();
"#;

/// What the page says of its start; times in milliseconds since the navigation began.
#[derive(Debug, Deserialize)]
struct Loaded {
    paint: f64,
    live: f64,
    bytes: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let rounds =
        std::env::args().nth(1).map_or(Ok(ROUNDS), |text| text.parse()).context("how many rounds")?;
    let server = Server::start(&[]).await?;
    let mut loads = Vec::new();
    for _ in 0..rounds {
        Browser::with(1600, 1000, async |browser| {
            browser.driver.goto(server.url()).await?;
            let answer = browser.driver.execute_async(LOADED, vec![]).await?;
            loads.push(serde_json::from_value::<Loaded>(answer.json().clone())?);
            Ok(())
        })
        .await?;
    }
    let bytes = loads.first().context("at least one round")?.bytes;
    println!("the page's code: {bytes} bytes on the wire; ms from the navigation, {rounds} browsers");
    println!("{:<18} {:>8} {:>8}", "", "median", "max");
    print("first paint", loads.iter().map(|load| load.paint).collect());
    print("live data", loads.iter().map(|load| load.live).collect());
    Ok(())
}

fn print(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    if let Some(most) = values.last() {
        println!("{name:<18} {:>8.0} {most:>8.0}", values[values.len() / 2]);
    }
}
