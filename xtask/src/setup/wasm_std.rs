//! The standard library for wasm32, three ways: there already, from rustup, or built from Debian's source.
//!
//! Built ones go into the toolchain's own folder, so that a plain `cargo build --target wasm32-unknown-unknown`
//! works too; where that folder is not ours to write, into the cache, with a flag that points there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::debian;
use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// The target that the browser runs.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const SCRATCH: &str = "wasm32-std";

/// Beside a library that we built: the compiler that it was built with. After an update of the
/// toolchain it no longer fits, and rustc's own message about that helps nobody.
const BUILT_FOR: &str = "built-for-rustc.txt";

/// Rust's compiler, as far as set-up needs to know it.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    /// Where the compiler keeps its libraries.
    sysroot: PathBuf,
    /// `1.95.0`
    release: String,
    /// The commit that the compiler was built from: libraries fit one commit only.
    commit: String,
}

impl Toolchain {
    /// Asks rustc.
    pub(crate) fn current() -> Result<Self> {
        let sysroot = PathBuf::from(shell::output(Command::new("rustc").args(["--print", "sysroot"]))?);
        let version = shell::output(Command::new("rustc").arg("-vV"))?;
        let field = |name| {
            version_field(&version, name).with_context(|| format!("`rustc -vV` names no {name}: {version}"))
        };
        Ok(Self { release: field("release")?, commit: field("commit-hash")?, sysroot })
    }

    fn library(&self) -> PathBuf {
        library_in(&self.sysroot)
    }

    fn cached_library(&self, cache: &Cache) -> PathBuf {
        cache.tool("wasm32-std", &self.release)
    }

    /// Whether the standard library is there, and the compiler flags that find it.
    pub(crate) fn find(&self, cache: &Cache) -> Option<Flags> {
        if self.fits(&self.library()) {
            return Some(Flags(None));
        }
        let cached = self.cached_library(cache);
        self.fits(&cached).then(|| Flags(Some(format!("-L{}", cached.display()))))
    }

    fn fits(&self, library: &Path) -> bool {
        let Ok(entries) = fs::read_dir(library) else { return false };
        let has_core =
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"));
        // Without a note it is rustup's, and rustup keeps it in step with the compiler.
        let built_for = fs::read_to_string(library.join(BUILT_FOR)).ok();
        has_core && built_for.is_none_or(|commit| commit.trim() == self.commit)
    }

    /// Gets the standard library, and says how.
    pub(crate) fn install(&self, cache: &Cache, progress: &Progress) -> Result<String> {
        progress.set("rustup target add");
        if self.library().join(BUILT_FOR).exists() {
            fs::remove_dir_all(self.library()).context("removing the library of an older compiler")?;
        }
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0");
        if shell::succeeds_within(&mut rustup, Duration::from_secs(180)) && self.fits(&self.library()) {
            return Ok("by rustup".to_owned());
        }
        let help = format!(
            "rustup could not download it. With access to the network: `rustup target add {TARGET}`. \
             Without rustup: your system's package, such as Debian's libstd-rust-dev-wasm32"
        );
        let built = self.build(cache, progress).context(help)?;
        let target = self.place(&built, &self.library()).or_else(|_| {
            let cached = self.cached_library(cache);
            self.place(&built, &cached).with_context(|| format!("filling {}", cached.display()))
        })?;
        fs::remove_dir_all(cache.scratch(SCRATCH)).context("removing what was only needed for the build")?;
        Ok(format!("built from Debian's rust-src, into {}", target.display()))
    }

    /// Builds the library from Debian's source, and returns the folder with the rlibs.
    fn build(&self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let scratch = fresh(cache.scratch(SCRATCH))?;
        let source = debian::rust_source(&self.release, &scratch, progress)?.join("library");
        progress.set("compiling");
        let mut cargo = super::cargo_tool::cargo();
        cargo
            .args(["build", "--locked", "--profile=dist", "--target", TARGET])
            .args(["--features", "panic-unwind compiler-builtins-mem"])
            .current_dir(source.join("sysroot"))
            // The standard library is made of features that only a nightly compiler may use.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", FORCE_UNSTABLE)
            .env("CARGO_PROFILE_DIST_DEBUG", "false")
            .env("CARGO_TARGET_DIR", scratch.join("target"));
        shell::logged(&mut cargo, &cache.log(SCRATCH), |line| progress.cargo(line))?;
        Ok(built_in(&scratch))
    }

    /// Copies the library to where it shall be found; the note of what it fits comes last.
    fn place(&self, built: &Path, target: &Path) -> Result<PathBuf> {
        fs::create_dir_all(target)?;
        let mut count = 0;
        for entry in fs::read_dir(built)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rlib") {
                fs::copy(&path, target.join(path.file_name().unwrap_or_default()))?;
                count += 1;
            }
        }
        if count == 0 {
            bail!("the build left no library in {}", built.display());
        }
        fs::write(target.join(BUILT_FOR), &self.commit)?;
        Ok(target.to_owned())
    }
}

/// Dependencies of std are not for users of std; this is how its own build system says it.
const FORCE_UNSTABLE: &str = "-Zforce-unstable-if-unmarked";

/// Where that leaves the rlibs.
fn built_in(scratch: &Path) -> PathBuf {
    scratch.join("target").join(TARGET).join("dist/deps")
}

fn library_in(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn fresh(scratch: PathBuf) -> Result<PathBuf> {
    if scratch.exists() {
        fs::remove_dir_all(&scratch).context("removing what an interrupted build left")?;
    }
    fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
    Ok(scratch)
}

/// Cargo's variable for flags of the browser's target, beside those of `.cargo/config.toml`.
const FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// What a build for the browser has to be told so that it finds its standard library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flags(Option<String>);

impl Flags {
    /// Sets them for this command and all that it starts.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some(flags) = &self.0 {
            command.env(FLAGS, flags);
        }
    }
}

fn version_field(version: &str, name: &str) -> Option<String> {
    version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_names_its_version() {
        let text = "rustc 1.95.0 (598 2026-04-14)\nbinary: rustc\ncommit-hash: 598\nrelease: 1.95.0\n";
        assert_eq!(version_field(text, "release").as_deref(), Some("1.95.0"));
        assert_eq!(version_field(text, "commit-hash").as_deref(), Some("598"));
        assert_eq!(version_field(text, "host"), None);
    }

    #[test]
    fn a_library_fits_one_compiler_only() {
        let folder = std::env::temp_dir().join(format!("xtask-std-{}", std::process::id()));
        let toolchain = Toolchain { sysroot: folder.clone(), release: "1.95.0".into(), commit: "598".into() };
        let library = toolchain.library();
        assert!(!toolchain.fits(&library));
        fs::create_dir_all(&library).unwrap();
        assert!(!toolchain.fits(&library), "an empty folder is no library");
        fs::write(library.join("libcore-1.rlib"), "").unwrap();
        assert!(toolchain.fits(&library), "without a note it is rustup's");
        fs::write(library.join(BUILT_FOR), "598\n").unwrap();
        assert!(toolchain.fits(&library));
        fs::write(library.join(BUILT_FOR), "111").unwrap();
        assert!(!toolchain.fits(&library), "built for another compiler");
        fs::remove_dir_all(folder).unwrap();
    }
}
