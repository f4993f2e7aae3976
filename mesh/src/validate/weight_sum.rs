//! Weights that are no percents.

use crate::Severity;

use super::context::Context;
use super::rule::{Check, Report, Rule};
use super::weights::each_split;

pub(super) const RULE: Rule = Rule {
    code: "MW0302",
    severity: Severity::Info,
    title: "Weights do not sum up to 100",
    explanation: "Weights need not sum up to 100: each destination gets its weight's share of the sum. Read as percentages, such weights mislead; the designer writes whole percentages.",
    corresponds_to: &[],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("weight_sum.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_split(context, &mut |at, weights| {
        let known: Vec<i64> = weights.list.iter().map(|weight| weight.unwrap_or_default().max(0)).collect();
        let sum: i64 = known.iter().fold(0, |sum, weight| sum.saturating_add(*weight));
        if known.len() < 2 || sum == 0 || sum == 100 {
            return;
        }
        let shares: Vec<String> = known.iter().map(|weight| percent(*weight, sum)).collect();
        let message = format!("The weights sum up to {sum}, not 100: the shares are {}.", shares.join(", "));
        let parts: Option<Vec<u32>> = known.iter().map(|weight| u32::try_from(*weight).ok()).collect();
        let finding = report.add(weights.resource, at, message);
        if let Some(parts) = parts {
            let field = |(index, share): (usize, u32)| {
                (at.index(index).field("weight").to_string(), Some(share.into()))
            };
            let fields = crate::split::normalize(&parts).into_iter().enumerate().map(field).collect();
            finding.set("Write percentages", fields);
        }
    });
}

/// `weight` of `sum` in percents with one decimal at most.
fn percent(weight: i64, sum: i64) -> String {
    let tenths = (i128::from(weight) * 1000 + i128::from(sum) / 2) / i128::from(sum);
    match tenths % 10 {
        0 => format!("{} %", tenths / 10),
        rest => format!("{}.{rest} %", tenths / 10),
    }
}
