//! File descriptors: each connection takes one, and one more towards its endpoint.

/// Allows this program as many as the system lets it have, rather than the few that shells begin with.
pub(super) fn raise() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        // It works with what there is.
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
