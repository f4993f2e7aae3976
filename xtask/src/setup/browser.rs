//! Chromium and its driver, for the journeys through the real thing.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::debian;
use super::progress::Progress;
use crate::cache::Cache;
use crate::shell;

/// A browser and the program that drives it.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    /// Chromium or Chrome itself.
    pub(crate) chrome: PathBuf,
    /// `chromedriver`, of the same version.
    pub(crate) driver: PathBuf,
}

impl Browser {
    /// What `CHROME` and `CHROMEDRIVER` name, or what is installed.
    pub(crate) fn find() -> Option<Self> {
        let named = |variable| env::var_os(variable).map(PathBuf::from);
        let mac = Path::new("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
        let installed =
            || ["chromium", "google-chrome", "chromium-browser"].into_iter().find_map(shell::which);
        let chrome = named("CHROME").or_else(installed).or_else(|| mac.is_file().then(|| mac.to_owned()))?;
        let driver = named("CHROMEDRIVER").or_else(|| shell::which("chromedriver"))?;
        Some(Self { chrome, driver })
    }

    /// Installs Debian's.
    pub(crate) fn install(cache: &Cache, progress: &Progress) -> Result<String> {
        if !debian::can_install() {
            bail!(
                "it cannot be installed from here. Install Chromium and chromedriver of the same version (Debian: \
                 `sudo apt-get install chromium chromium-driver`; macOS: `brew install --cask google-chrome \
                 chromedriver`), or name them in CHROME and CHROMEDRIVER"
            );
        }
        debian::install(&["chromium", "chromium-driver"], &cache.log("chromium"), progress)?;
        match Self::find() {
            Some(browser) => Ok(format!("installed by apt: {}", browser.chrome.display())),
            None => bail!("apt-get installed them, but they are not on the PATH"),
        }
    }
}
