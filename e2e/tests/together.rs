//! Two people at once, and a server that goes away.

use anyhow::{Result, ensure};
use api::Snapshot;
use e2e::designer::SOON;
use e2e::{Browser, Server, http, wait};
use thirtyfour::Key;
use thirtyfour::prelude::*;

#[tokio::test]
async fn a_second_person_sees_the_change_and_rebases() -> Result<()> {
    let server = Server::start(&["--rate", "20"]).await?;
    Browser::with(1280, 800, async |one| {
        Browser::with(1280, 800, async |two| edit_together(&server, one, two).await).await
    })
    .await
}

async fn edit_together(server: &Server, one: &Browser, two: &Browser) -> Result<()> {
    for browser in [one, two] {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
    }
    // The second person has a draft of her own, on another field of another service.
    two.select("ratings").await?;
    two.tab("faults").await?;
    two.find("fieldset:nth-of-type(1) input[role=switch]").await?.click().await?;
    two.find(".draft-chip").await?;

    one.press("Even").await?;
    one.apply().await?;

    // She is told, makes hers again on top, and both are there.
    two.text_with(".banners", "while you were editing", SOON).await?;
    two.shots("7-stale").await?;
    two.press("Rebase my 1 change").await?;
    two.apply().await?;
    let snapshot: Snapshot = http::get_json(&server.address, "/api/v1/mesh").await?;
    let text: String = snapshot.sources.0.values().cloned().collect();
    ensure!(text.contains("weight: 34") && text.contains("fixedDelay"), "both changes are there");
    ensure!(snapshot.revision.number == 3, "revision {}", snapshot.revision.number);

    // And the first person sees hers without doing anything.
    one.text_with(".sidebar", "FAULTS", SOON).await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_connection_is_said() -> Result<()> {
    let server = Server::start(&["--rate", "20"]).await?;
    Browser::with(1280, 800, async |browser| {
        browser.designer(&server.url()).await?;
        drop(server);
        browser.text_with(".banners", "Showing data from", SOON).await?;
        browser.shots("8-disconnected").await
    })
    .await
}

#[tokio::test]
async fn a_request_is_explained_by_keyboard() -> Result<()> {
    let server = Server::start(&["--rate", "20"]).await?;
    Browser::with(1280, 800, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        browser.find("body").await?.send_keys("/").await?;
        browser.find("dialog[open]").await?;
        browser.shot("9-explain").await?;
        browser.driver.action_chain().send_keys(Key::Escape).perform().await?;
        wait::until("a closed dialog", SOON, async || {
            Ok(browser.driver.find_all(By::Css("dialog[open]")).await?.is_empty().then_some(()))
        })
        .await
    })
    .await
}
