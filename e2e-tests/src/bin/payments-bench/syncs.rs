//! Counting the fsyncs of a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{NodeConfig, run};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(10);

/// The file to which strace writes a line for each fsync and fdatasync of a daemon.
pub(crate) struct SyncTrace(PathBuf);

impl SyncTrace {
    /// Makes the daemon run under strace. Only the calls that are counted stop it; an strace that is
    /// attached to a running process would stop at all of them, and change what is counted.
    pub(crate) fn of(config: &mut NodeConfig) -> Self {
        let file = config.storage_dir.with_extension("syncs");
        let words = "strace --daemonize --quiet=all --follow-forks --seccomp-bpf --signal=none \
                     --trace=fsync,fdatasync --output";
        config.run_by = words.split_whitespace().map(str::to_owned).collect();
        config.run_by.push(file.display().to_string());
        Self(file)
    }

    /// The calls so far.
    pub(crate) fn count(&self) -> Result<u64> {
        let text = fs::read_to_string(&self.0)
            .with_context(|| format!("cannot read {}", self.0.display()))?;
        // One that was interrupted by another thread has a second line, without parenthesis.
        Ok(text.lines().filter(|line| line.contains("sync(")).count() as u64)
    }
}

/// Whether strace is installed.
pub(crate) async fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.arg("-V");
    run(strace, PATIENCE).await.is_ok_and(|finished| finished.code == Some(0))
}
