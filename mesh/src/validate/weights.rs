//! Weights that share nothing out.

use crate::Severity;
use crate::resource::Resource;
use crate::resource::walk::At;

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0301",
    severity: Severity::Error,
    title: "Weights are negative, all 0 or too large",
    explanation: "Each of several destinations gets the share that its weight has in the sum of all. Istio rejects a negative weight and a sum of 0. The weight of a single destination has no effect.",
    corresponds_to: &["IST0106"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("weights.yaml"),
};

/// The weights of one route.
pub(super) struct Weights<'m> {
    pub(super) resource: &'m Resource,
    /// `None` where none is written.
    pub(super) list: Vec<Option<i64>>,
}

/// Shows the weights of every route: HTTP, TLS and TCP.
pub(super) fn each_split<'m>(context: &Context<'m>, see: &mut dyn FnMut(&At<'_>, Weights<'m>)) {
    for (resource, spec) in context.virtual_services() {
        let mut show = |name, index, list| {
            let field = At::SPEC.field(name);
            see(&field.index(index).field("route"), Weights { resource, list });
        };
        for (index, route) in spec.http.iter().enumerate() {
            show("http", index, route.route.iter().map(|entry| entry.weight).collect());
        }
        for (index, route) in spec.tls.iter().enumerate() {
            show("tls", index, route.route.iter().map(|entry| entry.weight).collect());
        }
        for (index, route) in spec.tcp.iter().enumerate() {
            show("tcp", index, route.route.iter().map(|entry| entry.weight).collect());
        }
    }
}

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    each_split(context, &mut |at, weights| {
        let mut sum = 0_i128;
        for (index, weight) in weights.list.iter().enumerate() {
            let weight = weight.unwrap_or_default();
            if weight < 0 {
                let message = format!("The weight {weight} is negative: Istio rejects the VirtualService.");
                report.add(weights.resource, &at.index(index).field("weight"), message);
            }
            sum += i128::from(weight.max(0));
        }
        if weights.list.len() > 1 && sum == 0 {
            let message = "The weights sum up to 0: none of the destinations gets any traffic.";
            let shares = crate::split::even(weights.list.len());
            let field = |(index, share): (usize, u32)| {
                (at.index(index).field("weight").to_string(), Some(share.into()))
            };
            let fields = shares.into_iter().enumerate().map(field).collect();
            report.add(weights.resource, at, message).set("Split evenly", fields);
        } else if sum > i128::from(u32::MAX) {
            let message = format!(
                "The weights sum up to {sum}, more than {}: Istio rejects the VirtualService.",
                u32::MAX
            );
            report.add(weights.resource, at, message);
        }
    });
}
