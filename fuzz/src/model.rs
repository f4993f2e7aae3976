//! What the model takes, by its own functions for fuzzers: `mesh::fuzz` and `api::fuzz`.

use std::sync::LazyLock;

use meshwright::sample;

/// Reads a mesh, validates, compiles, routes and explains it, and makes the edits that mend it.
///
/// # Panics
/// Where a law does not hold.
pub fn mesh(data: &[u8]) {
    mesh::fuzz::mesh(&String::from_utf8_lossy(data));
}

/// Takes the body of a request to change the sample mesh, or to ask something.
///
/// # Panics
/// Where the inverse of what was done does not bring back the text as it was, among other laws.
pub fn edits(data: &[u8]) {
    static SAMPLE: LazyLock<mesh::Sources> = LazyLock::new(sample::mesh);
    api::fuzz::edits(&SAMPLE, data);
    api::fuzz::bodies(data);
}
