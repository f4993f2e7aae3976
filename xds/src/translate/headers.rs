//! Header operations.

use core::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3 as core;
use mesh::plan::Ops;

/// What overwrites and what appends, in the order in which they run. Envoy removes first, too.
pub(super) fn additions(ops: &Ops) -> Vec<core::HeaderValueOption> {
    let option = |(name, value): &(String, String), action: HeaderAppendAction| core::HeaderValueOption {
        header: Some(core::HeaderValue { key: name.clone(), value: value.clone(), raw_value: Vec::new() }),
        append_action: action.into(),
        // An empty value is a value, as in the built-in proxy.
        keep_empty_value: true,
        ..Default::default()
    };
    let set = ops.set.iter().map(|pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = ops.add.iter().map(|pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).collect()
}
