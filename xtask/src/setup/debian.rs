//! Debian's packages: installed with apt, or only unpacked into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use crate::shell;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where Rust's source may be in the very version of the compiler: the backports, whose index is small
/// and which keep several versions, then the current releases. Indexes are only fetched as they are needed.
const SUITES: [&[(Archive, &str)]; 3] = [
    &[(Archive::Main, "trixie-backports")],
    &[(Archive::Security, "bookworm-security"), (Archive::Main, "trixie")],
    &[(Archive::Main, "forky"), (Archive::Main, "sid")],
];

/// One of Debian's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    Main,
    Security,
}

/// The mirror of an archive that this machine already uses.
fn mirror(archive: Archive, targets: &str) -> Option<&str> {
    let name = match archive {
        Archive::Main => "/debian",
        Archive::Security => "/debian-security",
    };
    targets.lines().map(|line| line.trim().trim_end_matches('/')).find(|uri| uri.ends_with(name))
}

/// The packages that carry the source: `rust-web-src` is the newer one that browsers are built with.
const PACKAGES: [&str; 2] = ["rust-src", "rust-web-src"];

/// Unpacks the source of this Rust release below `scratch`, without installing anything and without
/// touching the system's apt configuration. Returns the source's root.
pub(crate) fn rust_source(release: &str, scratch: &Path, progress: &Progress) -> Result<PathBuf> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if shell::which(program).is_none() {
            bail!("there is no {program} to get Rust's source from Debian with");
        }
    }
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} is missing (package debian-archive-keyring): Debian's packages cannot be verified");
    }
    fs::create_dir_all(scratch)?;
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let targets = shell::output(&mut targets)?;
    for suites in SUITES {
        let sources: Vec<_> =
            suites.iter().filter_map(|&(archive, suite)| Some((mirror(archive, &targets)?, suite))).collect();
        if sources.is_empty() {
            continue;
        }
        let apt = PrivateApt::new(scratch, &sources)?;
        progress.set(format!("looking for Rust {release} in {}", sources[0].1));
        shell::output(apt.command("apt-get").arg("update"))?;
        let table = shell::output(apt.command("apt-cache").arg("madison").args(PACKAGES))?;
        if let Some((package, version)) = pick(&table, release) {
            progress.set(format!("downloading {package} {version}"));
            return apt.unpack(&package, &version).context("unpacking Rust's source");
        }
    }
    bail!("Debian has no package of Rust {release}'s source")
}

/// apt with its own sources, indexes and cache.
struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    fn new(scratch: &Path, sources: &[(&str, &str)]) -> Result<Self> {
        let folder = scratch.join("apt");
        for part in ["lists/partial", "cache/archives/partial", "deb"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let lines: Vec<String> = sources
            .iter()
            .map(|(url, suite)| format!("deb [signed-by={KEYRING}] {url} {suite} main\n"))
            .collect();
        fs::write(folder.join("sources.list"), lines.concat())?;
        Ok(Self { folder })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (option, value) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            command.arg(format!("-o{option}={}", self.folder.join(value).display()));
        }
        command.args(["-oDir::Etc::sourceparts=-", "-oAcquire::Languages=none", "-oAPT::Sandbox::User=root"]);
        command.args(["-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-qq"]);
        command.env("LC_ALL", "C");
        command
    }

    fn unpack(&self, package: &str, version: &str) -> Result<PathBuf> {
        let downloads = self.folder.join("deb");
        let mut download = self.command("apt-get");
        download.arg("download").arg(format!("{package}={version}")).current_dir(&downloads);
        shell::output(&mut download)?;
        let archive = only_entry(&downloads)?;
        let unpacked = self.folder.join("unpacked");
        shell::output(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&unpacked))?;
        only_entry(&unpacked.join("usr/src"))
    }
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => bail!("{} should have exactly one entry", folder.display()),
    }
}

/// Finds package and version of this very release in the table that `apt-cache madison` prints.
fn pick(table: &str, release: &str) -> Option<(String, String)> {
    table.lines().find_map(|line| {
        let mut cells = line.split('|').map(str::trim);
        let (package, version) = (cells.next()?, cells.next()?);
        // 1.95.0+dfsg1-2~bpo13+1: the upstream version ends at the first of Debian's own signs.
        let upstream = version.split(['+', '-', '~']).next()?;
        (upstream == release).then(|| (package.to_owned(), version.to_owned()))
    })
}

/// Installs packages into the system, as root or with sudo.
pub(crate) fn install(packages: &[&str], log: &Path, progress: &Progress) -> Result<()> {
    progress.set("apt-get update");
    // A source of the user's that does not answer must not stop us: what counts is the installation.
    let _ = shell::logged(root("apt-get").args(["update", "-q"]), log, |_| ());
    let mut command = root("apt-get");
    command.args(["install", "-y", "-q", "--no-install-recommends", "-oDPkg::Lock::Timeout=300"]);
    shell::logged(command.args(packages), log, |line| {
        if let verb @ ("Unpacking" | "Setting") = line.split(' ').next().unwrap_or_default() {
            let package = line.split(' ').nth(if verb == "Setting" { 2 } else { 1 }).unwrap_or_default();
            progress
                .set(format!("{} {package}", if verb == "Setting" { "configuring" } else { "unpacking" }));
        } else if line.starts_with("Get:") {
            progress.set("downloading");
        }
    })
}

/// Whether packages can be installed without asking for a password.
pub(crate) fn can_install() -> bool {
    shell::which("apt-get").is_some()
        && (is_root() || shell::output(Command::new("sudo").args(["-n", "true"])).is_ok())
}

/// Asks for sudo's password now, on the terminal, rather than in the middle of the progress line.
pub(crate) fn ask_for_sudo() -> bool {
    Command::new("sudo")
        .args(["-v", "-p", "sudo password for apt-get: "])
        .status()
        .is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

fn root(program: &str) -> Command {
    let mut command = if is_root() {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "env"]);
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", program]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_those_of_the_machine() {
        let targets = "http://mirror/debian/\nhttp://mirror/debian-security/\nhttp://other/rust/\n";
        assert_eq!(mirror(Archive::Main, targets), Some("http://mirror/debian"));
        assert_eq!(mirror(Archive::Security, targets), Some("http://mirror/debian-security"));
        assert_eq!(mirror(Archive::Main, "http://other/rust/"), None);
    }

    const TABLE: &str = "
 rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://mirror/debian trixie-backports/main amd64 Packages
 rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror/debian trixie-backports/main amd64 Packages
rust-web-src | 1.96.0+dfsg1-1~deb12u2 | http://mirror/debian-security bookworm-security/main amd64 Packages
";

    #[test]
    fn only_the_very_same_release_will_do() {
        #[track_caller]
        fn check(release: &str, expected: Option<(&str, &str)>) {
            let expected = expected.map(|(package, version)| (package.to_owned(), version.to_owned()));
            assert_eq!(pick(TABLE, release), expected);
        }
        check("1.95.0", Some(("rust-src", "1.95.0+dfsg1-2~bpo13+1")));
        check("1.96.0", Some(("rust-web-src", "1.96.0+dfsg1-1~deb12u2")));
        check("1.95.1", None);
        check("1.9", None);
        check("1.97.0-nightly", None);
    }
}
