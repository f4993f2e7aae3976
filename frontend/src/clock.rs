//! Times of day, in the zone of the person who reads.

use wasm_bindgen::JsValue;

/// Milliseconds since 1970.
pub fn now() -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, far below 2^53")]
    {
        js_sys::Date::now() as i64
    }
}

/// `14:02:31`.
pub fn time(millis: i64) -> String {
    let date = date(millis);
    format!("{:02}:{:02}:{:02}", date.get_hours(), date.get_minutes(), date.get_seconds())
}

/// `14:02:31` today, `Nov 23, 14:02` before.
pub fn moment(millis: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (then, today) = (date(millis), js_sys::Date::new_0());
    let day = |date: &js_sys::Date| (date.get_full_year(), date.get_month(), date.get_date());
    if day(&then) == day(&today) {
        return time(millis);
    }
    let month = MONTHS.get(then.get_month() as usize).copied().unwrap_or_default();
    format!("{month} {}, {:02}:{:02}", then.get_date(), then.get_hours(), then.get_minutes())
}

/// Milliseconds since the page was opened, finer than those since 1970 and never set back.
pub fn page() -> Option<f64> {
    leptos::prelude::window().performance().map(|performance| performance.now())
}

fn date(millis: i64) -> js_sys::Date {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
    js_sys::Date::new(&JsValue::from_f64(millis as f64))
}
