//! What this process uses, as Linux counts it.

use std::fs;
use std::time::Duration;

/// The time that all of its threads had a processor.
pub(crate) fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// Its memory now, and the most that it was, in MB.
pub(crate) fn memory() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
    };
    (field("VmRSS"), field("VmHWM"))
}
