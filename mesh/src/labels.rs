//! Which labels a selector takes: of subsets, workloads, gateways and sources alike.

use std::collections::BTreeMap;

/// Whether `labels` have all of `selector`. An empty one selects everything.
///
/// ```
/// let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
/// let reviews = labels(&[("app", "reviews"), ("version", "v1")]);
/// assert!(mesh::labels::selects(&labels(&[("version", "v1")]), &reviews));
/// assert!(!mesh::labels::selects(&labels(&[("version", "v2")]), &reviews));
/// ```
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}
