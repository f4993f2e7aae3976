//! Retries, and substitutions in paths.

use envoy::retry_policy::{RetryBackOff, RetryHostPredicate, RetryPriority};
use envoy_types::pb::envoy::config::route::v3 as envoy;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use mesh::plan::{Pattern, Retry, RetryOn};

use super::pb;

/// Picks of a host that was not tried yet (Istio's number).
const PICKS: i64 = 5;
/// The longest back-off, in bases.
const LONGEST: u32 = 10;
/// Tries after which another priority is taken (Istio's number).
const UPDATE_FREQUENCY: i32 = 2;

pub(super) fn policy(retry: &Retry) -> envoy::RetryPolicy {
    use envoy::retry_policy::retry_host_predicate::ConfigType;
    use envoy::retry_policy::retry_priority::ConfigType as PriorityConfig;
    let named = RetryOn { status_codes: Vec::new(), ..retry.on.clone() };
    let mut on = named.to_string();
    if !retry.on.status_codes.is_empty() {
        on += if on.is_empty() { "" } else { "," };
        on += "retriable-status-codes";
    }
    let others = RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pb::any(&PreviousHostsPredicate {}))),
    };
    let priorities = PreviousPrioritiesConfig { update_frequency: UPDATE_FREQUENCY };
    let elsewhere = RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(PriorityConfig::TypedConfig(pb::any(&priorities))),
    };
    envoy::RetryPolicy {
        retry_on: on,
        num_retries: Some(pb::number(retry.attempts)),
        per_try_timeout: retry.per_try_timeout.map(pb::duration),
        retriable_status_codes: retry.on.status_codes.iter().map(|code| u32::from(*code)).collect(),
        retry_host_predicate: if retry.ignore_previous_hosts { vec![others] } else { Vec::new() },
        retry_priority: retry.remote_localities.then_some(elsewhere),
        host_selection_retry_max_attempts: PICKS,
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(pb::duration(retry.back_off)),
            max_interval: Some(pb::duration(retry.back_off.saturating_mul(LONGEST))),
        }),
        ..Default::default()
    }
}

/// `uriRegexRewrite`; the plan has the substitution in the regex crate's form.
pub(super) fn substitution(pattern: &Pattern, by: &str) -> RegexMatchAndSubstitute {
    replacing(pattern.as_str(), groups(by))
}

pub(super) fn replacing(pattern: &str, by: String) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute { pattern: Some(pb::regex(pattern)), substitution: by }
}

/// `${1}` as `\1`, `$$` as `$`, and a backslash as two.
fn groups(by: &str) -> String {
    let mut out = String::with_capacity(by.len());
    let mut chars = by.chars();
    while let Some(char) = chars.next() {
        match char {
            '$' if chars.as_str().starts_with('{') => {
                let group: String = chars.by_ref().skip(1).take_while(|it| *it != '}').collect();
                out.push('\\');
                out.push_str(&group);
            }
            '$' => {
                chars.next();
                out.push('$');
            }
            '\\' => out.push_str(r"\\"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_are_written_as_they_were() {
        for original in [r"/a/\1/b", r"\0", "$1", r"a\\b", r"/\2\1$", ""] {
            let planned = mesh::plan::substitution(original).unwrap();
            assert_eq!(groups(&planned), original, "{planned}");
        }
    }
}
