//! Header operations.

use core::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3 as core;
use mesh::plan::{Command, Fact, HeaderValue, Ops, Part};

/// What overwrites and what appends, in the order in which they run. Envoy removes first, too. `route` is the name that the
/// resource gives the route: the one that Envoy knows says where it is written.
pub(super) fn additions(ops: &Ops, route: &str) -> Vec<core::HeaderValueOption> {
    let option =
        |(name, value): &(String, HeaderValue), action: HeaderAppendAction| core::HeaderValueOption {
            header: Some(core::HeaderValue {
                key: name.clone(),
                value: written(value, route),
                raw_value: Vec::new(),
            }),
            append_action: action.into(),
            ..Default::default()
        };
    let set = ops.set.iter().map(|pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = ops.add.iter().map(|pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).collect()
}

/// A value that Envoy takes: for one command that it does not know it would refuse all routes of a port.
fn written(value: &HeaderValue, route: &str) -> String {
    let escaped = |text: &str| text.replace('%', "%%");
    let piece = |part: &Part| match part {
        Part::Command(Command::Fact(Fact::RouteName), _) => escaped(route),
        Part::Command(_, written) | Part::Envoys(written) => written.clone(),
        Part::Text(text) | Part::Written(text) => escaped(text),
    };
    value.parts().iter().map(piece).collect()
}
