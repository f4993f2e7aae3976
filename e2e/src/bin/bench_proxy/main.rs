//! Measures the proxy beside those that people would use instead: Envoy, nginx and HAProxy, each on one thread, in turns.
//!
//! All of them spread requests over two destinations, 75 to 25, on kept connections. What counts is the CPU time of the
//! proxy's own process for a request: unlike requests per second it hardly depends on what else the machine does. Every
//! round measures all contenders one after the other, and a figure is the median of its rounds.

mod contender;
mod failure;
mod load;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use contender::{Backends, Contender, Running};
use load::{Figures, Scenario};
use tempfile::TempDir;

/// Rounds, unless the first argument says another number.
const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "failure").is_some() {
        let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse()).context("how many rounds")?;
        return failure::run(rounds).await;
    }
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse()).context("how many rounds")?;
    // Further arguments choose scenarios by a part of their name.
    let only: Vec<String> = arguments.collect();
    let folder = TempDir::new()?;
    let backends = Backends::start(folder.path()).await?;
    let contenders = Contender::present()?;
    for scenario in Scenario::all() {
        let name = scenario.to_string();
        if !only.is_empty() && !only.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut figures: BTreeMap<usize, Vec<Figures>> = BTreeMap::new();
        for round in 0..rounds {
            for (at, contender) in contenders.iter().enumerate() {
                eprintln!("{name}, round {} of {rounds}: {}", round + 1, contender.name());
                let running = Running::start(contender, &scenario, &backends, folder.path()).await?;
                let measured = load::measure(&running, &scenario, folder.path()).await;
                figures.entry(at).or_default().push(measured.context(contender.name())?);
            }
        }
        print(&name, &contenders, figures);
    }
    Ok(())
}

fn print(name: &str, contenders: &[Contender], figures: BTreeMap<usize, Vec<Figures>>) {
    let medians: Vec<Figures> = figures.into_values().map(|rounds| Figures::median(&rounds)).collect();
    let of = |wanted: &str| {
        contenders.iter().zip(&medians).find(|(one, _)| one.name() == wanted).map(|(_, figures)| figures.cpu)
    };
    let ratio =
        |cpu: f64, to: Option<f64>| to.map_or_else(|| "–".to_owned(), |to| format!("{:.2}", cpu / to));
    println!("\n{name}\n");
    println!(
        "| proxy | CPU µs/request | ÷ HAProxy | ÷ Envoy | requests/s | p50 ms | p99 ms | p99.9 ms | MB | failed |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (contender, one) in contenders.iter().zip(&medians) {
        println!(
            "| {} | {:.1} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {} |",
            contender.name(),
            one.cpu,
            ratio(one.cpu, of("HAProxy")),
            ratio(one.cpu, of("Envoy, policies").or_else(|| of("Envoy"))),
            one.rate,
            one.p50,
            one.p99,
            one.p999,
            one.memory,
            one.failed,
        );
    }
}
