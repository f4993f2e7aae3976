//! What the tests of several crates are made of. Tests alone depend on it.

#![expect(clippy::unwrap_used, reason = "tests end where they cannot go on")]

#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
mod instance;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod ports;
#[cfg(feature = "http")]
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use self::ports::free_ports;
#[cfg(feature = "http")]
pub use self::{
    client::{Answer, Connection, ask, get, request},
    instance::Instance,
    server::{Gate, Pieces, Raw, Server, reply, streamed},
};

/// Any body.
#[cfg(feature = "http")]
pub type AnyBody = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, std::io::Error>;

/// Says why a test does nothing here: on the real standard output, which the harness does not swallow and `cargo xtask test`
/// reads.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stdout(), "\nskipped: {why}");
}

/// What is at a path of `shared`, the data of others beside the workspace or beside its parent; it is not part of the repository,
/// and without it a test says that it skips.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../../shared", "../../../shared"].map(|up| root.join(up).join(path));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        skipped(&format!("../shared/{path} is missing"));
    }
    found
}

/// All YAML in a folder and below it.
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The resources within a text, each up to the next empty line.
pub fn examples(text: &str) -> Vec<String> {
    let (mut examples, mut inside) = (Vec::<String>::new(), false);
    for line in text.lines() {
        if line.starts_with("apiVersion:") {
            examples.push(String::new());
            inside = true;
        }
        inside &= !line.trim().is_empty();
        if let (true, Some(example)) = (inside, examples.last_mut()) {
            example.push_str(line);
            example.push('\n');
        }
    }
    examples
}

/// A service with an instance at each of these ports: versions v1, v2 and so on.
pub fn service(name: &str, ports: &[u16]) -> String {
    let instance = |(version, port): (usize, &u16)| {
        format!(
            "\n  - {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{app: {name}, version: v{version}}}}}"
        )
    };
    let instances: String = (1..).zip(ports).map(instance).collect();
    format!(
        "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:{instances}
---
"
    )
}

/// Envoy's binary: what the variable says, else what the set-up has put into the cache. Without one a test says that it skips.
pub fn envoy() -> Option<PathBuf> {
    let found = std::env::var_os("MESHWRIGHT_ENVOY").map(PathBuf::from).filter(|path| path.is_file());
    let found = found.or_else(cached);
    if found.is_none() {
        skipped("no Envoy (`cargo xtask test` sets it up, or MESHWRIGHT_ENVOY names one)");
    }
    found
}

fn cached() -> Option<PathBuf> {
    tools("envoy-")
        .flat_map(|tool| std::fs::read_dir(tool.join("lib")).into_iter().flatten().flatten())
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file())
}

/// The folders of tools in the set-up's cache whose names begin so.
fn tools(name: &'static str) -> impl Iterator<Item = PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folders = cache.and_then(|cache| std::fs::read_dir(cache.join("meshwright/tools")).ok());
    let tools = folders.into_iter().flatten().flatten().map(|entry| entry.path());
    tools.filter(move |path| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(name)))
}
