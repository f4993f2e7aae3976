//! Puts the UI into the binary: every file of `frontend/dist`, compressed with brotli where that makes it smaller.
//!
//! Only release builds embed it; debug builds read it from disk, so that they start soon and show what Trunk built last. Without
//! `frontend/dist` the binary builds all the same and serves a page that says how to build the UI.

#![allow(clippy::disallowed_methods, reason = "a build script waits for what it needs")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Brotli's best: it costs seconds once, here.
const QUALITY: u32 = 11;
/// Brotli's largest window, 4 MiB.
const WINDOW: u32 = 22;

fn main() -> Result<(), Box<dyn Error>> {
    let frontend = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../frontend");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    let mut table = String::from("&[\n");
    if std::env::var("PROFILE")? == "release" {
        let dist = frontend.join("dist");
        // A path that is missing would run this again each time; its parent tells when it comes.
        println!("cargo::rerun-if-changed={}", if dist.is_dir() { &dist } else { &frontend }.display());
        if dist.join("index.html").is_file() {
            for path in files(&dist)? {
                let name = path.strip_prefix(&dist)?.to_string_lossy().replace('\\', "/");
                let (stored, brotli) = compress(&path, &out)?;
                writeln!(table, "    ({name:?}, include_bytes!({stored:?}), {brotli}),")?;
            }
        }
    }
    table.push_str("]\n");
    fs::write(out.join("ui.rs"), table)?;
    Ok(())
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Where the bytes to embed are, and whether they are compressed. What was compressed before is taken from there.
fn compress(path: &Path, out: &Path) -> Result<(PathBuf, bool), Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let mut hasher = DefaultHasher::new();
    (&bytes, QUALITY, WINDOW).hash(&mut hasher);
    let stored = out.join(format!("{:016x}.br", hasher.finish()));
    if !stored.is_file() {
        let mut compressed = brotli::CompressorWriter::new(Vec::new(), 4096, QUALITY, WINDOW);
        compressed.write_all(&bytes)?;
        fs::write(&stored, compressed.into_inner())?;
    }
    let smaller = fs::metadata(&stored)?.len() < bytes.len() as u64;
    Ok(if smaller { (stored, true) } else { (path.canonicalize()?, false) })
}
