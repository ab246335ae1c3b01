//! What a process has used, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What a process has used since it began, or from one moment to another.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// What it caused to be written to the storage: pages of files that it changed.
    pub write_bytes: u64,
    /// The time its threads ran, in the kernel too.
    pub cpu: Duration,
    /// Calls of fsync and fdatasync; `None` if they are not counted.
    pub syncs: Option<u64>,
}

impl Usage {
    /// What this process has used so far, with the fsyncs that were counted elsewhere.
    pub fn of(pid: u32, syncs: Option<u64>) -> Result<Self> {
        let io = read(pid, "io")?;
        let write_bytes = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
            .with_context(|| format!("no write_bytes in {io}"))?;
        let stat = read(pid, "stat")?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("no times in {stat}"))?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let cpu = Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64);
        Ok(Self { write_bytes, cpu, syncs })
    }

    /// What was used from that moment to this.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            write_bytes: self.write_bytes - earlier.write_bytes,
            cpu: self.cpu - earlier.cpu,
            syncs: self.syncs.zip(earlier.syncs).map(|(now, then)| now - then),
        }
    }
}

fn read(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

/// User and system time, the 14th and 15th field of proc_pid_stat(5). The second is the name of the
/// program, in parentheses and with any characters.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 30 12 5 6 20 0 9 0 100";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn usage_of_this_process_grows() {
        let before = Usage::of(std::process::id(), None).unwrap();
        let after = Usage::of(std::process::id(), Some(1)).unwrap();
        assert_eq!(after.since(before).syncs, None);
    }
}
