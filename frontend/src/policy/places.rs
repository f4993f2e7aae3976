//! Regions and places of locality settings, as they are typed: `a → b, c → d`, and with shares `a/* → a/*=80 b/*=20`.

use serde_json::{Map, Value, json};

use super::{at, list};

/// Entries of `failover` or `distribute` as they are typed.
pub(super) fn written(value: &Value) -> String {
    let entry = |entry: &Value| {
        let to = match at(entry, "to") {
            Some(Value::Object(to)) => {
                let shares = to.iter().map(|(place, share)| format!("{place}={share}"));
                shares.collect::<Vec<_>>().join(" ")
            }
            to => to.and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        format!("{} → {to}", at(entry, "from").and_then(Value::as_str).unwrap_or_default())
    };
    list(Some(value)).iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// What was typed as entries; an error says what is wrong. `->` is as good as an arrow.
pub(super) fn read(text: &str, shares: bool) -> Result<Value, String> {
    let text = text.replace("->", "→");
    let entry = |entry: &str| {
        let form = if shares { "a/* → a/*=80 b/*=20" } else { "a → b" };
        let wrong = || format!("“{}” is not of the form {form}", entry.trim());
        let (from, to) = entry.split_once('→').ok_or_else(wrong)?;
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() {
            return Err(wrong());
        }
        if !shares {
            return Ok(json!({ "from": from, "to": to }));
        }
        let (mut places, mut sum) = (Map::new(), 0);
        for share in to.split_whitespace() {
            let (place, share) = share.split_once('=').ok_or_else(wrong)?;
            let share: u32 = share.trim_end_matches('%').parse().map_err(|_| wrong())?;
            sum += share.min(1000);
            places.insert(place.to_owned(), Value::from(share));
        }
        match sum {
            100 => Ok(json!({ "from": from, "to": places })),
            _ => Err(format!("the shares of “{from}” sum up to {sum}, not to 100")),
        }
    };
    text.split(',').map(entry).collect()
}
