//! Set-up and chores: `cargo xtask help`.

mod cache;
mod lockfile;
mod setup;
mod shell;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let start = Instant::now();
    let needs = match std::env::args().nth(2).as_deref() {
        Some("wasm") => setup::Needs::Wasm,
        Some("ui") => setup::Needs::Ui,
        _ => setup::Needs::Browser,
    };
    let tools = setup::ensure(root, needs)?;
    println!("{tools:?} {:?}", start.elapsed());
    Ok(())
}
