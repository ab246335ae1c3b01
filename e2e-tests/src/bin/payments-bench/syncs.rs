//! Counting the fsyncs of a process.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use e2e_tests::{NodeConfig, Strace};

/// The file to which strace writes a line for each fsync and fdatasync of a daemon.
pub(crate) struct SyncTrace(PathBuf);

impl SyncTrace {
    /// Makes the daemon run under strace.
    pub(crate) fn of(config: &mut NodeConfig, strace: &Strace) -> Self {
        let file = config.storage_dir.with_extension("syncs");
        strace.write_syncs(config, &file);
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
