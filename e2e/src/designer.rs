//! The designer's page as a person uses it: select a service, drag a slider, switch on a fault, read what is shown.

use std::time::Duration;

use anyhow::{Result, bail};
use thirtyfour::Key;
use thirtyfour::prelude::*;

use crate::browser::Browser;
use crate::wait;

/// How long the page may take for what a person would call «at once» on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

impl Browser {
    /// Opens the designer and waits for its first live data.
    pub async fn designer(&self, url: &str) -> Result<()> {
        self.driver.goto(url).await?;
        self.find(".item-row").await?;
        Ok(())
    }

    /// Clicks a service (or gateway) in the list.
    pub async fn select(&self, name: &str) -> Result<()> {
        let row = wait::until(&format!("{name} in the list"), SOON, async || {
            for row in self.driver.find_all(By::Css(".item-row")).await? {
                if let Ok(label) = row.find(By::Css(".name")).await
                    && label.text().await.unwrap_or_default() == name
                {
                    return Ok(Some(row));
                }
            }
            Ok(None)
        })
        .await?;
        row.click().await?;
        Ok(())
    }

    /// Opens a tab of the inspector by its element's id: `split`, `rules`, `faults`, `resilience`, `yaml`.
    pub async fn tab(&self, name: &str) -> Result<()> {
        self.find(&format!("#tab-{name}")).await?.click().await?;
        self.find(&format!("#tab-{name}[aria-selected=true]")).await?;
        Ok(())
    }

    /// Drags a slider of the inspector with the pointer: press on the knob, move, let go. What a pixel is too coarse for, the
    /// arrow keys do.
    pub async fn drag(&self, label: &str, percent: u32) -> Result<()> {
        let css = format!("input[type=range][aria-label=\"{label}\"]");
        let slider = self.find(&css).await?;
        slider.scroll_into_view().await?;
        let value = async || -> Result<u32> { Ok(slider.prop("value").await?.unwrap_or_default().parse()?) };
        let rect = slider.rect().await?;
        // Half a native knob at each end.
        let (start, length) = (rect.x + 8.0, rect.width - 16.0);
        #[expect(clippy::cast_possible_truncation, reason = "coordinates of a screen")]
        let x = |percent: u32| (length * f64::from(percent) / 100.0 + start) as i64;
        #[expect(clippy::cast_possible_truncation, reason = "coordinates of a screen")]
        let y = (rect.y + rect.height / 2.0) as i64;
        let from = value().await?;
        let chain = self.driver.action_chain().move_to(x(from), y).click_and_hold();
        // A hand passes by what lies between.
        let chain = (1..=4_i64)
            .fold(chain, |chain, step| chain.move_to(x(from) + (x(percent) - x(from)) * step / 4, y));
        chain.release().perform().await?;
        for _ in 0..8 {
            let now = value().await?;
            match now.cmp(&percent) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Less => slider.send_keys(Key::Right).await?,
                std::cmp::Ordering::Greater => slider.send_keys(Key::Left).await?,
            }
        }
        bail!("{label} stands at {} and not at {percent}", value().await?)
    }

    /// Clicks the button with this text.
    pub async fn press(&self, text: &str) -> Result<()> {
        let xpath = format!("//button[normalize-space(.)=\"{text}\" and not(@disabled)]");
        let button = wait::until(&format!("a button «{text}» that can be pressed"), SOON, async || {
            Ok(self.driver.find(By::XPath(&xpath)).await.ok())
        })
        .await?;
        button.click().await?;
        Ok(())
    }

    /// Applies the draft as a person at the keyboard does, and waits for the draft to be empty.
    pub async fn apply(&self) -> Result<()> {
        self.driver
            .action_chain()
            .key_down(Key::Control)
            .send_keys(Key::Enter)
            .key_up(Key::Control)
            .perform()
            .await?;
        wait::until("an empty draft after Ctrl+Enter", SOON, async || {
            Ok(self.driver.find_all(By::Css(".draft-chip")).await?.is_empty().then_some(()))
        })
        .await
    }

    /// Saves a picture in both themes.
    pub async fn shots(&self, name: &str) -> Result<()> {
        if std::env::var_os("MESHWRIGHT_SHOTS").is_none() {
            return Ok(());
        }
        // Not by the button: it is behind a dialog that is open.
        let wear = |theme: &str| format!("document.documentElement.dataset.theme = '{theme}'");
        for theme in ["dark", "light"] {
            self.eval(&wear(theme)).await?;
            // What changes colour does so slowly enough to be caught half way.
            self.eval("document.getAnimations().filter(it => it instanceof CSSTransition).forEach(it => it.finish())").await?;
            self.shot(&format!("{name}-{theme}")).await?;
        }
        self.eval(&wear("dark")).await.map(drop)
    }

    /// Switches to a theme with the button that a person would press.
    pub async fn theme(&self, theme: &str) -> Result<()> {
        if let Ok(button) =
            self.driver.find(By::Css(format!("button[aria-label=\"Use the {theme} theme\"]"))).await
        {
            button.click().await?;
            let other = if theme == "dark" { "light" } else { "dark" };
            self.find(&format!("button[aria-label=\"Use the {other} theme\"]")).await?;
        }
        Ok(())
    }
}
