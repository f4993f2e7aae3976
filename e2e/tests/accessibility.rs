//! axe-core in the page: every view, dark and light.

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Server};
use serde_json::Value;
use thirtyfour::Key;

/// Runs all of axe's rules for WCAG A and AA.
const RUN: &str = r#"
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(
  found => done(found.violations.map(rule => ({
    rule: rule.id, help: rule.help, nodes: rule.nodes.slice(0, 5).map(node => node.html.slice(0, 200))
  }))),
  error => done([{rule: 'axe failed', help: String(error)}]));
"#;

#[tokio::test]
async fn every_view_is_accessible() -> Result<()> {
    let script = std::env::var_os("MESHWRIGHT_AXE")
        .context("MESHWRIGHT_AXE names axe-core's script: `cargo xtask test` sets it")?;
    let script = std::fs::read_to_string(script)?;
    let server = Server::start(&["--rate", "20"]).await?;
    Browser::with(1280, 800, async |browser| {
        browser.designer(&server.url()).await?;
        browser.driver.execute(script.as_str(), vec![]).await?;
        let mut findings = Vec::new();
        for theme in ["dark", "light"] {
            browser.theme(theme).await?;
            browser.select("reviews").await?;
            for tab in ["split", "rules", "faults", "resilience", "yaml"] {
                browser.tab(tab).await?;
                look(browser, &format!("{theme}, tab {tab}"), &mut findings).await?;
            }
            browser.select("ingress").await?;
            look(browser, &format!("{theme}, gateway"), &mut findings).await?;
            for (button, name) in [(".explain-box", "explain"), ("button[aria-label=History]", "history")] {
                browser.find(button).await?.click().await?;
                browser.find("dialog[open]").await?;
                look(browser, &format!("{theme}, {name}"), &mut findings).await?;
                browser.driver.action_chain().send_keys(Key::Escape).perform().await?;
            }
        }
        ensure!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
        Ok(())
    })
    .await
}

async fn look(browser: &Browser, view: &str, findings: &mut Vec<String>) -> Result<()> {
    let answer = browser.driver.execute_async(RUN, vec![]).await?;
    let violations = answer.json().as_array().cloned().unwrap_or_default();
    findings.extend(violations.iter().map(|found: &Value| format!("{view}: {found:#}")));
    Ok(())
}
