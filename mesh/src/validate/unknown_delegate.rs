//! Delegates that lead nowhere, or are more than one step away.

use crate::Severity;
use crate::resource::Spec;
use crate::resource::walk::At;
use crate::{Kind, ResourceKey};

use super::context::Context;
use super::rule::{Check, Report, Rule};

pub(super) const RULE: Rule = Rule {
    code: "MW0205",
    severity: Severity::Error,
    title: "A delegate that cannot be used",
    explanation: "A `delegate` is a VirtualService without `hosts` and with `http` rules only, and it cannot delegate again. Where it does not exist or cannot be used, the rule is left out: requests that match it go on to the next rule, or get 404.",
    corresponds_to: &["IST0106", "IST0101"],
    check: Check::Mesh(check),
    #[cfg(test)]
    fixture: include_str!("unknown_delegate.yaml"),
};

fn check(context: &Context<'_>, report: &mut Report<'_>) {
    for http in context.http_routes() {
        let Some(delegate) = &http.route.delegate else { continue };
        let Some(name) = delegate.name.as_deref().filter(|name| !name.is_empty()) else { continue };
        http.at(|at| {
            let at = at.field("delegate");
            if http.service.hosts.is_empty() {
                let message = "A delegate cannot delegate again: requests that match the rule get 404.";
                report.add(http.resource, &at, message).corresponds_to(&["IST0106"]);
                return;
            }
            let namespace = delegate.namespace.as_deref().filter(|namespace| !namespace.is_empty());
            let namespace = namespace.unwrap_or(&http.resource.key.namespace);
            let key = ResourceKey::new(Kind::VirtualService, namespace, name);
            match context.mesh.resource(&key).map(|resource| &resource.spec) {
                Some(Spec::VirtualService(spec)) if spec.hosts.is_empty() => {}
                Some(_) => {
                    let message = format!(
                        "`{namespace}/{name}` has `hosts`, so it cannot be a delegate: the rule is left out."
                    );
                    report.add(http.resource, &at, message).corresponds_to(&["IST0106"]);
                }
                None if context.services.known() => {
                    let message =
                        format!("There is no VirtualService `{namespace}/{name}`: the rule is left out.");
                    report.add(http.resource, &at, message).corresponds_to(&["IST0101"]);
                }
                None => {}
            }
        });
    }
    for (resource, spec) in context.virtual_services().filter(|(_, spec)| spec.hosts.is_empty()) {
        for (name, there) in [
            ("tls", !spec.tls.is_empty()),
            ("tcp", !spec.tcp.is_empty()),
            ("gateways", !spec.gateways.is_empty()),
        ] {
            if there {
                let message = format!(
                    "Without `hosts` this is a delegate, which can only have `http` rules: `{name}` has no effect."
                );
                report.add(resource, &At::SPEC.field(name), message).corresponds_to(&["IST0106"]);
            }
        }
    }
}
