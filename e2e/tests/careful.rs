//! What a person does stays in her hands: undo stops at the draft, taking back what was applied asks, a canary is the version that
//! was named, and nothing that was typed is lost.

use anyhow::{Context, Result, ensure};
use api::Snapshot;
use api::request::{NewRevision, PostRevision};
use e2e::designer::SOON;
use e2e::{Browser, Server, http, wait};
use mesh::edit::{AbortSpec, FaultSpec, RouteTarget, Share};
use mesh::{Edit, RouteKey};
use testkit::{Instance, service};
use thirtyfour::Key;
use thirtyfour::prelude::*;

const RATE: &[&str] = &["--rate", "20"];

async fn head(server: &Server) -> Result<Snapshot> {
    http::get_json(&server.address, "/api/v1/mesh").await
}

/// Another person applies an edit.
async fn bob(server: &Server, edit: Edit) -> Result<u64> {
    let base = head(server).await?.revision.number;
    let body = PostRevision { base, author: Some("bob".into()), edits: vec![edit], resources: None };
    let new: NewRevision = http::post_json(&server.address, "/api/v1/revisions", &body).await?;
    Ok(new.revision.number)
}

fn route(name: &str) -> RouteTarget {
    RouteTarget::Route(RouteKey { namespace: "default".into(), name: name.into(), index: 0 })
}

fn abort(percent: f64) -> Edit {
    let abort = Some(AbortSpec { percent, status: 500 });
    let fault = (percent > 0.0).then_some(FaultSpec { delay: None, abort });
    Edit::InjectFault { target: route("reviews"), only: None, fault, expires_at: None }
}

fn weights(weights: &[(&str, u32)]) -> Edit {
    let share = |(subset, weight): &(&str, u32)| Share {
        host: "reviews".into(),
        subset: Some((*subset).to_owned()),
        port: None,
        weight: *weight,
    };
    Edit::SetWeights { target: route("reviews"), shares: weights.iter().map(share).collect() }
}

async fn chord(browser: &Browser, key: &str) -> Result<()> {
    let keys = browser.driver.action_chain().key_down(Key::Control).send_keys(key).key_up(Key::Control);
    Ok(keys.perform().await?)
}

async fn gone(browser: &Browser, css: &str) -> Result<()> {
    wait::until(&format!("nothing at {css}"), SOON, async || {
        Ok(browser.driver.find_all(By::Css(css)).await?.is_empty().then_some(()))
    })
    .await
}

async fn revision(server: &Server, number: u64) -> Result<Snapshot> {
    wait::until(&format!("revision {number}"), SOON, async || {
        let head = head(server).await?;
        Ok((head.revision.number == number).then_some(head))
    })
    .await
}

#[tokio::test]
async fn undo_stops_at_the_draft_and_taking_back_asks() -> Result<()> {
    let server = Server::start(RATE).await?;
    bob(&server, abort(100.0)).await?;
    ensure!(bob(&server, abort(0.0)).await? == 3, "bob stopped his abort");
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        browser.press("Even").await?;
        browser.find(".draft-chip").await?;
        // One edit, and one step too many.
        chord(browser, "z").await?;
        gone(browser, ".draft-chip").await?;
        chord(browser, "z").await?;
        browser.text_with(".toasts", "Nothing more to undo in the draft", SOON).await?;
        browser.shots("20-nothing-to-undo").await?;
        ensure!(head(&server).await?.revision.number == 3, "undo reached what runs");

        // What he stopped would come back: that is shown, and asked.
        browser.press("Revert revision 3…").await?;
        let said = browser.text_with("dialog[open] .question", "brings back a fault", SOON).await?;
        ensure!(said.contains("reviews: 500 abort · 100%") && said.contains("bob made it"), "{said}");
        ensure!(browser.find("dialog[open] .diff").await?.text().await?.contains("httpStatus"), "no diff");
        let button = browser.find("dialog[open] footer .btn.danger").await?;
        ensure!(!button.is_enabled().await?, "it is not asked");
        browser.shots("21-take-back-asks").await?;
        browser.resize(1280, 800).await?;
        browser.shots("21-take-back-asks-small").await?;
        browser.resize(1600, 1000).await?;
        browser.driver.action_chain().send_keys(Key::Escape).perform().await?;
        gone(browser, "dialog[open]").await?;
        ensure!(head(&server).await?.revision.number == 3, "it was not confirmed");

        // By the keyboard, all the same.
        browser.press("Revert revision 3…").await?;
        let agree = browser.find("dialog[open] .question input").await?;
        agree.send_keys(" ").await?;
        wait::until("a button that can be pressed", SOON, async || {
            Ok(browser.find("dialog[open] footer .btn.danger").await?.is_enabled().await?.then_some(()))
        })
        .await?;
        browser.find("dialog[open] footer .btn.danger").await?.send_keys(Key::Enter).await?;
        let back = revision(&server, 4).await?;
        ensure!(back.revision.reverts == Some(3), "{:?}", back.revision);
        ensure!(back.sources.0["reviews.yaml"].contains("httpStatus: 500"), "the abort is back");

        // One's own, which takes a fault away: shown, not asked.
        browser.press("Revert revision 4…").await?;
        browser.find("dialog[open] .diff").await?;
        browser.shots("22-take-back-own").await?;
        ensure!(
            browser.driver.find_all(By::Css("dialog[open] .question")).await?.is_empty(),
            "asked for nothing"
        );
        browser.press("Revert revision 4").await?;
        let last = revision(&server, 5).await?;
        ensure!(!last.sources.0["reviews.yaml"].contains("httpStatus"), "the abort is gone");
        Ok(())
    })
    .await
}

/// A service whose versions say when they were created: blue is the newer one, though green is the later name.
fn colours(blue: u16, green: u16) -> String {
    let entry = |version: &str, created: &str, port: u16| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: paint-{version}, creationTimestamp: '{created}'}}\n\
             spec: {{address: 127.0.0.1, ports: {{http: {port}}}, labels: {{app: paint, version: {version}}}}}\n"
        )
    };
    let rules = "\
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: paint}
spec:
  hosts: [paint.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: paint}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: paint}
spec: {host: paint, subsets: [{name: blue, labels: {version: blue}}, {name: green, labels: {version: green}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: paint}
spec:
  hosts: [paint]
  http: [{route: [{destination: {host: paint, subset: blue}, weight: 0}, {destination: {host: paint, subset: green}, weight: 100}]}]
";
    rules.to_owned()
        + entry("blue", "2026-11-03T14:02:07Z", blue).as_str()
        + entry("green", "2026-05-01T08:00:00Z", green).as_str()
}

#[tokio::test]
async fn a_canary_is_the_version_that_is_named() -> Result<()> {
    let (blue, green, shop) = (Instance::start().await, Instance::start().await, Instance::start().await);
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("mesh.yaml"),
        service("shop", &[shop.port]) + colours(blue.port, green.port).as_str(),
    )?;
    let server = Server::start(&["--mesh", &folder.path().to_string_lossy()]).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("paint").await?;
        menu(browser, "Canary 5%…").await?;
        let offered =
            browser.text_with(".version-menu", "Newest first, by when each was created", SOON).await?;
        ensure!(offered.contains("newest: created 2026-11-03 14:02 UTC"), "{offered}");
        ensure!(offered.find("blue") < offered.find("green"), "{offered}");
        browser.shots("23-canary-created").await?;
        // The focus is on the first.
        browser.driver.action_chain().send_keys(Key::Enter).perform().await?;
        share(browser, "blue", "5").await?;
        browser.apply().await?;
        let text = head(&server).await?.sources.0["mesh.yaml"].clone();
        ensure!(
            text.contains("subset: blue}, weight: 5}") && text.contains("subset: green}, weight: 95}"),
            "{text}"
        );
        Ok(())
    })
    .await?;

    // The order in the file says nothing: v2 stands before v1, and v2 it is.
    let server = Server::start(RATE).await?;
    bob(&server, weights(&[("v2", 5), ("v1", 95)])).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        menu(browser, "Canary 5%…").await?;
        let offered = browser.text_with(".version-menu", "By name", SOON).await?;
        let at = ["v3", "v2", "v1"].map(|version| offered.find(version));
        ensure!(at.is_sorted(), "{offered}");
        // The second, by the keyboard alone.
        browser.driver.action_chain().send_keys(Key::Tab).send_keys(Key::Enter).perform().await?;
        gone(browser, ".buttons details[open]").await?;
        menu(browser, "Promote…").await?;
        browser.text_with("details[open] .version-item.before", "v2", SOON).await?;
        browser.shots("24-promote").await?;
        browser.driver.action_chain().send_keys(Key::Enter).perform().await?;
        share(browser, "v2", "100").await?;
        browser.shots("25-promoted").await?;

        // The choice is remembered, beyond a reload.
        browser.driver.refresh().await?;
        browser.find(".item-row").await?;
        browser.select("reviews").await?;
        browser.resize(1280, 800).await?;
        menu(browser, "Canary 5%…").await?;
        browser.text_with("details[open] .version-item.before", "chosen last time", SOON).await?;
        browser.shots("26-canary-small").await
    })
    .await
}

/// Opens a menu of the inspector by the keyboard.
async fn menu(browser: &Browser, text: &str) -> Result<()> {
    let xpath = format!("//summary[contains(normalize-space(.), \"{text}\")]");
    let summary =
        wait::until(text, SOON, async || Ok(browser.driver.find(By::XPath(&xpath)).await.ok())).await?;
    summary.scroll_into_view().await?;
    summary.focus().await?;
    summary.send_keys(Key::Enter).await?;
    browser.find(".buttons details[open] .version-item:focus").await?;
    Ok(())
}

async fn share(browser: &Browser, version: &str, percent: &str) -> Result<()> {
    let css = format!("input[type=range][aria-label=\"Share of {version}\"]");
    wait::until(&format!("{percent} percent for {version}"), SOON, async || {
        Ok((browser.find(&css).await?.prop("value").await?.as_deref() == Some(percent)).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_draft_and_typed_yaml_survive() -> Result<()> {
    let server = Server::start(RATE).await?;
    Browser::with(1600, 1000, async |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        browser.press("Even").await?;
        browser.tab("yaml").await?;
        type_at_the_end(browser, "# typed by hand").await?;
        browser.text_with(".typed-chip", "1 text", SOON).await?;
        browser.shots("27-typed").await?;

        // Another tab, another service.
        browser.tab("split").await?;
        browser.select("ratings").await?;
        typed(browser, "# typed by hand").await?;

        // The page anew.
        reload(browser).await?;
        browser.text_with(".toasts", "Restored what you had not applied: 1 change and 1 text", SOON).await?;
        browser.shots("28-back").await?;
        typed(browser, "# typed by hand").await?;

        // Somebody applies something else meanwhile: it is on top of that after a reload.
        bob(&server, Edit::SetTimeout { target: route("productpage"), millis: Some(9000) }).await?;
        browser.text_with(".banners", "bob applied rev 2", SOON).await?;
        reload(browser).await?;
        browser.text_with(".draft-chip", "1 change", SOON).await?;
        gone(browser, ".banners .banner").await?;

        // The same: that is said, and asked.
        bob(&server, weights(&[("v1", 60), ("v2", 40), ("v3", 0)])).await?;
        reload(browser).await?;
        browser.text_with(".banners", "someone else changed that too", SOON).await?;
        browser.shots("29-conflict").await?;
        browser.resize(1280, 800).await?;
        browser.shots("29-conflict-small").await?;
        browser.resize(1600, 1000).await?;
        browser.press("Rebase my 1 change").await?;
        browser.apply().await?;
        let text = head(&server).await?.sources.0["reviews.yaml"].clone();
        ensure!(text.contains("weight: 34") && !text.contains("typed by hand"), "{text}");

        // The text is where it was, and together with what came meanwhile.
        typed(browser, "# typed by hand").await?;
        typed(browser, "weight: 34").await?;
        browser.press("Add to draft").await?;
        gone(browser, ".typed-chip").await?;
        browser.apply().await?;
        let text = head(&server).await?.sources.0["reviews.yaml"].clone();
        ensure!(text.contains("# typed by hand") && text.contains("weight: 34"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_not_applied_survives_tabs_restarts_and_a_full_storage() -> Result<()> {
    let server = Server::start(RATE).await?;
    Browser::with(1280, 800, async move |browser| {
        browser.designer(&server.url()).await?;
        browser.select("reviews").await?;
        browser.press("Even").await?;
        browser.tab("yaml").await?;
        type_at_the_end(browser, "# first tab").await?;
        let first = browser.driver.window().await?;

        // A second tab of the same mesh has a draft of its own.
        let second = browser.driver.new_tab().await?;
        browser.driver.switch_to_window(second.clone()).await?;
        browser.designer(&server.url()).await?;
        browser.select("ratings").await?;
        browser.tab("faults").await?;
        browser.find("fieldset:nth-of-type(1) input[role=switch]").await?.click().await?;
        browser.text_with(".draft-chip", "1 change", SOON).await?;
        reload(browser).await?;
        browser.text_with(".toasts", "Restored what you had not applied: 1 change", SOON).await?;
        ensure!(browser.driver.find_all(By::Css(".banners .banner")).await?.is_empty(), "the first is open");

        // Closed, what waited in it is offered.
        browser.driver.switch_to_window(first).await?;
        browser.driver.close_window().await?;
        browser.driver.switch_to_window(second).await?;
        reload(browser).await?;
        browser.text_with(".banners", "1 change and 1 text from a closed tab, not applied", SOON).await?;
        browser.shots("30-offer").await?;
        browser.press("Restore").await?;
        browser.text_with(".draft-chip", "2 changes", SOON).await?;
        typed(browser, "# first tab").await?;
        gone(browser, ".banners .banner").await?;

        // The server is killed and started again.
        let _again = server.restart(RATE).await?;
        gone(browser, ".app.stale").await?;
        reload(browser).await?;
        browser.text_with(".draft-chip", "2 changes", SOON).await?;
        typed(browser, "# first tab").await?;

        // The browser keeps no more: that is said while it is so.
        let fill = "let size = 1 << 20; for (let at = 0; size > 0; at++) { try { localStorage.setItem('full' + at, 'x'.repeat(size)) } catch { size >>= 1 } }";
        browser.eval(fill).await?;
        type_at_the_end(browser, "# and more that has no room any more, since everything is full").await?;
        browser.text_with(".banners", "This browser cannot save your 2 changes and 1 text", SOON).await?;
        browser.shots("31-full").await?;
        browser.eval("Object.keys(localStorage).filter(key => key.startsWith('full')).forEach(key => localStorage.removeItem(key))").await?;
        type_at_the_end(browser, "# room again").await?;
        gone(browser, ".banners .banner").await?;
        reload(browser).await?;
        typed(browser, "# room again").await
    })
    .await
}

async fn reload(browser: &Browser) -> Result<()> {
    browser.driver.refresh().await?;
    browser.find(".item-row").await?;
    Ok(())
}

/// Types a line at the end of the text that is open.
async fn type_at_the_end(browser: &Browser, line: &str) -> Result<()> {
    let field = browser.find(".editor textarea").await?;
    field.scroll_into_view().await?;
    let to_end = "arguments[0].focus(); arguments[0].setSelectionRange(arguments[0].value.length, arguments[0].value.length)";
    browser.driver.execute(to_end, vec![field.to_json()?]).await?;
    browser.driver.action_chain().send_keys(format!("{line}\n")).perform().await?;
    Ok(())
}

/// The text of reviews' VirtualService holds this, wherever the page has been meanwhile.
async fn typed(browser: &Browser, part: &str) -> Result<()> {
    browser.select("reviews").await?;
    browser.tab("yaml").await?;
    let field = browser.find(".editor textarea").await?;
    let last = std::cell::RefCell::new(String::new());
    let what = format!("«{part}» in the editor");
    let found = wait::until(&what, SOON, async || {
        last.replace(field.prop("value").await?.unwrap_or_default());
        Ok(last.borrow().contains(part).then_some(()))
    });
    found.await.with_context(|| last.borrow().clone())
}
