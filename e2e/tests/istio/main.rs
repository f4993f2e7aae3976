//! The same requests at Istio and here: istiod reads the mesh from a folder and configures upstream Envoys, a gateway and a sidecar;
//! beside them the built-in proxy serves the very same files. What a client gets, and what reaches the backend, is the same, or the
//! case says why it is not.
//!
//! `MESHWRIGHT_ISTIOD` and `MESHWRIGHT_ENVOY` are the programs (`cargo xtask test` sets them up); `MESHWRIGHT_BIN` is ours. With
//! `MESHWRIGHT_SHOW=1` the whole table is printed, so that two builds can be compared.

mod backend;
mod cases;
mod lab;

use anyhow::{Context, Result, bail};
use e2e::wire;
use testkit::skipped;

use self::backend::Backend;
use self::cases::{Case, Place, cases};
use self::lab::{Lab, Ours};

#[test]
fn the_same_as_istio() -> Result<()> {
    let variables = ["MESHWRIGHT_ISTIOD", "MESHWRIGHT_ENVOY"].map(std::env::var_os);
    let [Some(istiod), Some(envoy)] = variables else {
        skipped("no istiod, or no Envoy; `cargo xtask test` says why");
        return Ok(());
    };
    let backend = Backend::start()?;
    let ports = lab::Ports::free();
    let mesh = cases::mesh(&ports, backend.port());
    let lab = Lab::start(istiod.as_ref(), envoy.as_ref(), &mesh, &ports)?;
    let ours = Ours::start(&mesh, &ports)?;
    let all = std::env::var_os("MESHWRIGHT_SHOW").is_some();
    let (mut same, mut explained, mut wrong) = (0, 0, Vec::new());
    for case in cases(&ports) {
        let (theirs, own) = match case.place {
            Place::Gateway => (lab.gateway, ours.gateway),
            Place::Sidecar => (lab.sidecar, ours.sidecar),
        };
        let of_istio = ask(&case, theirs, &backend).with_context(|| format!("{} at Istio", case.name))?;
        let here = ask(&case, own, &backend).with_context(|| format!("{} here", case.name))?;
        let verdict = match (of_istio == here, case.differs) {
            (true, None) => {
                same += 1;
                "same"
            }
            (true, Some(_)) => {
                wrong.push(format!("{}: no difference any more; take its reason away", case.name));
                "same, unexpected"
            }
            (false, Some(_)) => {
                explained += 1;
                "differs, with a reason"
            }
            (false, None) => {
                wrong.push(format!("{}\n  Istio: {of_istio}\n  here:  {here}", case.name));
                "DIFFERS"
            }
        };
        if all {
            println!("| {} | {of_istio} | {here} | {verdict} |", case.name);
        }
    }
    eprintln!("the same as Istio: {same}, with a reason not: {explained}, unexplained: {}", wrong.len());
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// What a client gets, then what reached the backend meanwhile.
fn ask(case: &Case, address: std::net::SocketAddr, backend: &Backend) -> Result<String> {
    backend.take();
    let answer = wire::exchange(address, &case.request)?;
    let mut seen = backend.settled(case.copies);
    let upstream: Vec<String> = seen.drain(..).map(|request| case.shown(&request)).collect();
    Ok(format!("{} ⇒ [{}]", answer.shown(case.headers), upstream.join(" · ")))
}
