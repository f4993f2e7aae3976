//! What processes have had of the processor, and what they hold in memory, as Linux says.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// `CLK_TCK` of Linux, which every architecture has.
const TICK: Duration = Duration::from_millis(10);
const MIB: f64 = 1024.0;

/// Processor time since the start of these processes.
pub(crate) fn cpu(processes: &[u32]) -> Result<Duration> {
    let mut ticks = 0;
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The program's name is in brackets, and may hold spaces.
        let (_, fields) = text.rsplit_once(')').context("a process has a name")?;
        let times = fields.split_whitespace().skip(11).take(2);
        for time in times {
            ticks += time.parse::<u32>()?;
        }
    }
    Ok(TICK * ticks)
}

/// Resident memory of each, in MiB.
pub(crate) fn memory(processes: &[u32]) -> Result<Vec<f64>> {
    let of = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has memory")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / MIB)
    };
    processes.iter().map(of).collect()
}
