//! What a browser has to fetch before the page runs does not grow unseen.
#![allow(clippy::disallowed_methods, reason = "a test may wait and read as it likes")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::io::Write as _;
use std::path::Path;
use std::{env, fs};

use testkit::skipped;

/// The goal.
const MOST: usize = 1_000_000;

/// `trunk build` alone makes a page for development, many times as large.
const UNOPTIMIZED: u64 = 8 << 20;

/// Brotli's best, and its largest window.
const QUALITY: u32 = 11;
const WINDOW: u32 = 24;

/// WebAssembly and JavaScript of the page that was built last, each file as brotli makes it.
#[test]
fn the_page_is_light() {
    let folder = env::var("MESHWRIGHT_DIST")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../frontend/dist").to_owned());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wasm" || extension == "js") {
            if fs::metadata(&path).unwrap().len() > UNOPTIMIZED {
                skipped(&format!(
                    "the page in {folder} is one for development; `cargo xtask build` makes another"
                ));
                return;
            }
            files.push((path.file_name().unwrap().to_string_lossy().into_owned(), compressed(&path)));
        }
    }
    if !files.iter().any(|(name, _)| name.ends_with(".wasm")) {
        skipped(&format!("there is no page in {folder}; `cargo xtask build` makes one"));
        return;
    }
    let weight: usize = files.iter().map(|(_, size)| size).sum();
    say(&format!("the page weighs {weight} bytes with brotli, of {MOST} at most"));
    assert!(weight <= MOST, "the page weighs {weight} bytes, and {MOST} is the most: {files:#?}");
}

/// Past the harness, which keeps to itself what a test prints that passes.
fn say(words: &str) {
    std::io::stderr().write_all(format!("{words}\n").as_bytes()).unwrap();
}

fn compressed(path: &Path) -> usize {
    let mut compressor = brotli::CompressorWriter::new(Vec::new(), 4096, QUALITY, WINDOW);
    compressor.write_all(&fs::read(path).unwrap()).unwrap();
    compressor.into_inner().len()
}
