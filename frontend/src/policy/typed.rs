//! What was typed into a field, as YAML has it.

use mesh::resource::DurationString;
use serde_json::{Value, json};

use super::{Unit, places};

/// The value; nothing for an empty field. An error says what is wrong.
pub fn value(unit: Unit, text: &str) -> Result<Option<Value>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let number = || {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.filter(|number| *number >= 0.0).ok_or("it takes a number, 0 or more")
    };
    let count = || text.parse::<u32>().map_err(|_| "it takes a whole number, 0 or more");
    Ok(Some(match unit {
        Unit::Switch => json!({}),
        Unit::Choice(_) => match text {
            "true" | "false" => Value::Bool(text == "true"),
            text => Value::from(text),
        },
        Unit::Text => Value::from(text),
        Unit::List => text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect(),
        Unit::Regions => places::read(text, false)?,
        Unit::Shares => places::read(text, true)?,
        Unit::Count => Value::from(count()?),
        Unit::Percent => match count()? {
            percent @ 0..=100 => Value::from(percent),
            _ => return Err("it takes 0 to 100".to_owned()),
        },
        Unit::Number => Value::from(number()?),
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "it is not negative, and saturates"
        )]
        Unit::Seconds | Unit::Life => {
            Value::from(DurationString::from_millis((number()? * 1000.0).round() as u64).0)
        }
    }))
}
