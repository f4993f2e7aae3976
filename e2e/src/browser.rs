//! A real Chromium, headless, driven through chromedriver.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Chromium and its driver. Both end with the value.
pub struct Browser {
    /// The session.
    pub driver: WebDriver,
    _process: Child,
    _profile: TempDir,
}

/// Switches that keep Chromium to itself: no sandbox (tests run as root in containers), no traffic of its own.
const SWITCHES: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

impl Browser {
    /// Opens a page of this size, goes on a journey with it, and closes it however the journey ended.
    pub async fn with(width: u32, height: u32, journey: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let browser = Self::open(width, height).await?;
        let ended = journey(&browser).await;
        if ended.is_err() {
            browser.shot("failed").await?;
        }
        // Chromium ends with its session. One that is dropped unclosed would wait for an answer that cannot come.
        ended.and(browser.driver.quit().await.context("close the browser"))
    }

    async fn open(width: u32, height: u32) -> Result<Self> {
        let (process, port) = chromedriver().await?;
        let profile = TempDir::new()?;
        let mut capabilities = DesiredCapabilities::chrome();
        for switch in SWITCHES {
            capabilities.add_arg(switch)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        capabilities.add_arg(&format!("--window-size={width},{height}"))?;
        if let Some(chromium) = std::env::var_os("CHROME") {
            capabilities.set_binary(&chromium.to_string_lossy())?;
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .context("open a Chromium session")?;
        driver.set_script_timeout(Duration::from_secs(60)).await?;
        // A window's size counts the bars that a headless one does not even show.
        let browser = Self { driver, _process: process, _profile: profile };
        browser.resize(width, height).await?;
        Ok(browser)
    }

    /// Gives the view another size.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let devtools = self.driver.cdp();
        let metrics = devtools.emulation();
        metrics
            .set_device_metrics_override(width, height, 1.0, false)
            .await
            .context("set the size of the view")?;
        Ok(())
    }

    /// Runs JavaScript and gives its result.
    pub async fn eval(&self, script: &str) -> Result<serde_json::Value> {
        Ok(self.driver.execute(script, vec![]).await?.json().clone())
    }

    /// The element of a CSS selector, waited for.
    pub async fn find(&self, css: &str) -> Result<WebElement> {
        crate::wait::until(&format!("an element {css}"), Duration::from_secs(20), async || {
            Ok(self.driver.find(By::Css(css)).await.ok())
        })
        .await
    }

    /// The text of an element, waited for until it holds `part`.
    pub async fn text_with(&self, css: &str, part: &str, limit: Duration) -> Result<String> {
        let last = std::cell::RefCell::new(String::new());
        let what = format!("«{part}» in {css}");
        let waited = crate::wait::until(&what, limit, async || {
            let text = async { self.driver.find(By::Css(css)).await?.text().await };
            let text = text.await.unwrap_or_else(|error| error.to_string());
            last.replace(text.clone());
            Ok(text.contains(part).then_some(text))
        });
        waited.await.with_context(|| format!("it says «{}»", last.borrow()))
    }

    /// Saves a picture where `MESHWRIGHT_SHOTS` names a folder.
    pub async fn shot(&self, name: &str) -> Result<()> {
        if let Some(folder) = std::env::var_os("MESHWRIGHT_SHOTS") {
            let folder = std::path::PathBuf::from(folder);
            std::fs::create_dir_all(&folder)?;
            self.driver.screenshot(&folder.join(format!("{name}.png"))).await?;
        }
        Ok(())
    }
}

/// Starts chromedriver on a port that it chooses.
async fn chromedriver() -> Result<(Child, u16)> {
    let program = std::env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
    let mut child = Command::new(&program)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}: `cargo xtask test` installs it", program.display()))?;
    let stdout = child.stdout.take().context("chromedriver has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let port = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, rest)) = line.split_once("successfully on port ") {
                return Ok(rest.trim_end_matches('.').parse::<u16>()?);
            }
        }
        bail!("chromedriver ended before it said its port")
    })
    .await
    .context("chromedriver did not say its port")??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, port))
}
