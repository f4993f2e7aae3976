//! The load generator: up, down and off.

use crate::prelude::*;
use leptos::task::spawn_local;

use crate::browser;
use crate::client;
use crate::icons::{Icon, icon};
use crate::store::{Store, ToastKind, use_store};
use crate::topbar::menu::Menu;
use crate::words;

/// The rate to go back to from off.
const DEFAULT_RATE: f64 = 100.0;
/// What the server takes.
const MOST: f64 = 5000.0;

/// Rate and switch of the load generator; nothing where there is none.
#[component]
pub fn Load() -> impl IntoView {
    let store = use_store();
    let rate = move || store.head.load.with(|load| load.as_ref().map_or(0.0, |load| load.rate));
    let button = move || {
        view! {
            {icon(Icon::Load)}
            <span>{move || if rate() > 0.0 { format!("{} rps", words::rate(rate())) } else { "load off".to_owned() }}</span>
        }
    };
    view! {
        <Show when=move || store.head.load.with(Option::is_some)>
            <Menu label="Load generator" class="btn" button=button>
                <Panel/>
            </Menu>
        </Show>
    }
}

#[component]
fn Panel() -> impl IntoView {
    let store = use_store();
    let rate = move || store.head.load.with(|load| load.as_ref().map_or(0.0, |load| load.rate));
    let url =
        move || store.head.load.with(|load| load.as_ref().map(|load| load.url.clone()).unwrap_or_default());
    // The slider runs over square roots: fine below, coarse above.
    let at = move || rate().sqrt();
    let before = StoredValue::new(DEFAULT_RATE);
    let turn = move |next: f64| {
        let now = rate();
        if now > 0.0 {
            before.set_value(now);
        }
        set_rate(store, next);
    };
    view! {
        <div class="load-panel">
            <label class="switch-line">
                <input
                    type="checkbox"
                    role="switch"
                    class="switch"
                    prop:checked=move || { rate() > 0.0 }
                    on:change=move |event| {
                        turn(if event_target_checked(&event) { before.get_value() } else { 0.0 });
                    }
                />
                "Generate load"
            </label>
            <label class="field">
                "Requests per second"
                <input
                    type="number"
                    class="input"
                    min="0"
                    max="5000"
                    step="1"
                    prop:value=move || rate().round().to_string()
                    on:change=move |event| {
                        if let Some(next) = browser::typed_number(&event) {
                            turn(next);
                        }
                    }
                />
            </label>
            <input
                type="range"
                class="slider"
                aria-label="Requests per second"
                aria-valuetext=move || format!("{} requests per second", words::rate(rate()))
                min="0"
                max="70"
                step="0.5"
                prop:value=move || at().to_string()
                style:--at=move || format!("{}%", at() / 0.7)
                on:change=move |event| {
                    if let Some(root) = browser::typed_number(&event) {
                        turn((root * root).round());
                    }
                }
            />
            <div class="row-line">
                <button class="btn small" on:click=move |_| turn((rate() / 2.0).round())>"Half"</button>
                <button class="btn small" on:click=move |_| turn((rate() * 2.0).max(1.0))>"Double"</button>
            </div>
            <p class="note">"GET "<code>{url}</code></p>
        </div>
    }
}

fn set_rate(store: Store, rate: f64) {
    let rate = rate.clamp(0.0, MOST);
    spawn_local(async move {
        match client::put_load(rate).await {
            Ok(load) => store.head.load.set(Some(load)),
            Err(failure) => store.ui.toast(ToastKind::Error, failure.text()),
        }
    });
}
