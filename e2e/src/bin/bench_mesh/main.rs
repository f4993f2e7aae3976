//! Measures a mesh of many services, here and at Istio: how long it takes to start, what an edit of one weight costs and how
//! soon the first request shows it, and what both keep in memory.
//!
//! Both get the same resources: for each service a ServiceEntry with an endpoint of two versions each, a DestinationRule and a
//! VirtualService. Here an edit is a request to the API; istiod watches what it takes for Kubernetes' API, which tells of a
//! change at once. Requests go
//! one after the other over one connection, to the built-in proxy or to a sidecar's Envoy.
//!
//! `MESHWRIGHT_BIN` is ours; without `MESHWRIGHT_ISTIOD` and `MESHWRIGHT_ENVOY` (`cargo xtask bench mesh` sets them up) ours is
//! measured alone.

mod cost;
mod figures;
mod generate;
mod istio;
mod library;
mod ours;
mod probe;

use anyhow::{Context, Result};

use self::figures::Figures;
use self::generate::{Layout, Services};

/// Services, unless the first argument says another number.
const SERVICES: usize = 1000;
/// Edits, unless the second does.
const EDITS: usize = 40;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |unless| arguments.next().map_or(Ok(unless), |text| text.parse());
    let count = number(SERVICES).context("how many services")?;
    let edits = number(EDITS).context("how many edits")?;
    let backends = probe::backends()?;
    let [port] = testkit::free_ports();
    let services = Services { count, backends, port };

    let mut all: Vec<Figures> = Vec::new();
    for layout in [Layout::FileEach, Layout::OneFile] {
        eprintln!("Meshwright, {}", layout.name());
        all.push(ours::measure(&services, layout, edits).await?);
    }
    let validated = all.iter().map(|figures| figures.validated.clone()).collect::<Vec<_>>();
    match ["MESHWRIGHT_ISTIOD", "MESHWRIGHT_ENVOY"].map(std::env::var_os) {
        [Some(istiod), Some(envoy)] => {
            for debounce in ["1ms", "100ms"] {
                eprintln!("istiod, debounce of {debounce}");
                all.push(istio::measure(istiod.as_ref(), envoy.as_ref(), &services, debounce, edits)?);
            }
        }
        _ => eprintln!("there is no istiod, or no Envoy: nothing to compare with"),
    }
    println!("{count} services of two subsets, {edits} edits of one weight\n");
    figures::print(&all);
    println!();
    for (layout, times) in [Layout::FileEach, Layout::OneFile].into_iter().zip(validated) {
        let (p50, p95) = (figures::quantile(&times, 0.5), figures::quantile(&times, 0.95));
        println!("an edit validated by the API, {}: p50 {p50:.1} ms, p95 {p95:.1} ms", layout.name());
    }
    library::print();
    Ok(())
}
