//! The one place where the page calls the model's functions.

use mesh::{Diagnostic, Edit, Mesh, Settings, Sources};

/// Applies an edit.
pub fn apply(sources: &Sources, _edit: &Edit, _settings: &Settings) -> Result<Sources, String> {
    Ok(sources.clone())
}

/// What is to be said of a mesh.
pub fn validate(_mesh: &Mesh, _settings: &Settings) -> Vec<Diagnostic> {
    Vec::new()
}

/// Moves one share; the unlocked others make room.
pub fn move_share(weights: &mut [u32], _locked: &[bool], position: usize, percent: u32) {
    weights[position] = percent;
}

/// Unified diff of two meshes.
pub fn diff(_before: &Sources, _after: &Sources) -> String {
    String::new()
}

/// Unified diff of one file's text.
pub fn diff_text(file: &str, before: &str, after: &str) -> String {
    if before == after {
        String::new()
    } else {
        diff(&Sources::single(file, before), &Sources::single(file, after))
    }
}

/// Codes that say that a rule is never reached.
pub const UNREACHABLE: &[&str] = &[];
