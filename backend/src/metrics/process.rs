//! What the system says about this process, under the names that Prometheus' own clients use. On Linux; elsewhere nothing.

use std::fmt::Write as _;

/// What `/proc/self` says of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: u64,
}

/// Metrics in OpenMetrics' text form, without the end mark.
#[expect(clippy::disallowed_methods, reason = "the kernel's answers are short and at hand")]
pub(super) fn text() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let Some(process) = parse(&stat, &status) else { return String::new() };
    let mut text = String::new();
    let Process { cpu_seconds, resident_bytes, threads } = process;
    for (name, kind, suffix, help, value) in [
        ("process_cpu_seconds", "counter", "_total", "User and system time", cpu_seconds.to_string()),
        ("process_resident_memory_bytes", "gauge", "", "Resident memory", resident_bytes.to_string()),
        ("process_threads", "gauge", "", "Threads", threads.to_string()),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name}{suffix} {value}");
    }
    text
}

fn parse(stat: &str, status: &str) -> Option<Process> {
    // The name of the program, in parentheses, may hold anything; the numbers follow the last one.
    let numbers: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks: u32 = numbers.get(11)?.parse::<u32>().ok()? + numbers.get(12)?.parse::<u32>().ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes: u64 = field("VmRSS:")?.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Process {
        // The kernel tells programs hundredths of a second, whatever it counts in.
        cpu_seconds: f64::from(ticks) / 100.0,
        resident_bytes: kilobytes * 1024,
        threads: field("Threads:")?.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_says() {
        let stat = "4242 (mesh) wright) S 1 4242 4242 0 -1 4194560 1000 0 0 0 250 50 0 0 20 0 9 0 100 1 2";
        let status = "Name:\tmesh\nVmRSS:\t    2048 kB\nThreads:\t9\n";
        let expected = Process { cpu_seconds: 3.0, resident_bytes: 2 * 1024 * 1024, threads: 9 };
        assert_eq!(parse(stat, status), Some(expected));
        assert_eq!(parse("", ""), None);
    }
}
