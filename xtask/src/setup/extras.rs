//! What some tests need and other machines than Debian's may do without: those tests are skipped then, and say so.

use anyhow::Result;

use super::debian;
use super::progress::{self, Step};
use crate::cache::Cache;
use crate::shell;

/// A program and the package that it comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extra {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

/// Counts instructions.
pub(crate) const VALGRIND: Extra =
    Extra { program: "valgrind", package: "valgrind", why: "counts the proxy's instructions" };

/// Redirects connections.
pub(crate) const NFTABLES: Extra =
    Extra { program: "nft", package: "nftables", why: "a test has the kernel redirect connections" };

/// Makes addresses in a network namespace.
pub(crate) const IPROUTE: Extra =
    Extra { program: "ip", package: "iproute2", why: "a test has a network of its own" };

impl Extra {
    fn is_there(self) -> bool {
        // Tools of administrators are not on everybody's PATH.
        let system = ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| std::path::Path::new(folder).join(self.program).is_file());
        system || shell::which(self.program).is_some()
    }
}

/// Installs what is missing, where that can be done without asking; false, with a word, where it cannot be had.
pub(crate) fn ensure(extras: &[Extra]) -> Result<bool> {
    let missing: Vec<Extra> = extras.iter().copied().filter(|extra| !extra.is_there()).collect();
    if missing.is_empty() {
        return Ok(true);
    }
    let packages: Vec<&'static str> = missing.iter().map(|extra| extra.package).collect();
    if !debian::can_install() {
        eprintln!(
            "setup  {} cannot be installed from here (no apt-get, or no right to)",
            packages.join(", ")
        );
        return Ok(false);
    }
    let cache = Cache::of_user()?;
    let _lock = cache.lock()?;
    let log = cache.log("extras");
    let why = missing[0].why;
    let step = Step {
        what: packages.join(", "),
        why,
        how: "apt-get install; some seconds",
        work: Box::new(move |progress| {
            debian::install(&packages, &log, progress)?;
            Ok("installed by apt".to_owned())
        }),
    };
    // What cannot be had is skipped, as where there is no apt.
    Ok(progress::run(vec![step]).is_ok() && extras.iter().all(|extra| extra.is_there()))
}
