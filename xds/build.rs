//! Compiles the descriptions of Envoy's messages, so that they can be written as JSON. The sources are in the crate that has the
//! generated types.

#![allow(clippy::disallowed_methods, reason = "a build script waits for what it needs")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// What is written as JSON, and all that it can hold in a field that takes any message.
const ROOTS: [&str; 16] = [
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // Another version of the crate that has the sources.
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let mut files = ChainFileResolver::new();
    files.add(Sources(includes(&sources()?)?));
    files.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.include_imports(true).open_files(ROOTS)?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("envoy.bin");
    fs::write(out, compiler.encode_file_descriptor_set())?;
    Ok(())
}

/// Files in folders of sources.
struct Sources(Vec<PathBuf>);

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let found = self.0.iter().find_map(|folder| fs::read_to_string(folder.join(name)).ok());
        let source = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        // A short name that means something else as soon as another package is known.
        let source = source
            .replace(" common.dynamic_forward_proxy.", " .envoy.extensions.common.dynamic_forward_proxy.");
        File::from_source(name, &source)
    }
}

/// The folder of `envoy-types`, as Cargo knows it.
fn sources() -> Result<PathBuf, Box<dyn Error>> {
    // Where one package alone was built so far, those of others may not have been downloaded yet.
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let own = packages.iter().find(|package| package["name"] == "envoy-types");
    let manifest = own.and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.map(PathBuf::from).and_then(|path| Some(path.parent()?.to_owned()));
    Ok(folder.ok_or("envoy-types is no dependency")?)
}

/// What Cargo knows of the workspace.
fn metadata(options: &[&str]) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut command = Command::new(env::var("CARGO")?);
    command.args(["metadata", "--format-version=1", "--locked"]).args(options);
    // Packages of other platforms may not be there.
    command.args(["--filter-platform", &env::var("TARGET")?]);
    command.args(["--manifest-path", &format!("{}/Cargo.toml", env::var("CARGO_MANIFEST_DIR")?)]);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The folders that imports begin in: one for each project that the messages are from.
fn includes(package: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(package.join("proto"))? {
        let folder = entry?.path();
        let nested = folder.join("proto");
        folders.push(if nested.is_dir() { nested } else { folder });
    }
    Ok(folders)
}
