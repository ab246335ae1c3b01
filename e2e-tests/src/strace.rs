//! Watching and delaying what a daemon asks of the disk, with strace.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::command_output::run_in_view;
use crate::node_config::NodeConfig;
use crate::process::{Group, Log, Process};
use crate::tools::repository;

const INSTALL_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(30);
/// The calls that wait until something is on the disk.
const SYNCS: &str = "fsync,fdatasync";

/// An strace that runs here.
#[derive(Clone, Debug)]
pub struct Strace(PathBuf);

impl Strace {
    /// Finds it with `contrib/get-strace.sh`, which installs one if need be; once in a process.
    pub async fn get() -> Result<&'static Self> {
        static STRACE: OnceCell<Strace> = OnceCell::const_new();
        STRACE.get_or_try_init(Self::find).await
    }

    async fn find() -> Result<Self> {
        let script = Command::new(repository().join("contrib/get-strace.sh"));
        let printed = run_in_view(script, Group::Shared, INSTALL_PATIENCE).await?.success()?;
        Ok(Self(PathBuf::from(printed.trim_end())))
    }

    /// Makes a daemon run under it, and writes a line for each fsync and fdatasync to the file.
    pub fn write_syncs(&self, config: &mut NodeConfig, file: &Path) {
        self.run(config, &["--output".to_owned(), file.display().to_string()]);
    }

    /// Makes a daemon run under it, and each of its fsync and fdatasync take so much longer.
    pub fn delay_syncs(&self, config: &mut NodeConfig, delay: Duration) {
        self.run(config, &[inject(delay), "--output".to_owned(), "/dev/null".to_owned()]);
    }

    /// Only the calls that are asked for stop the daemon; an strace that is attached to a running
    /// process would stop at all of them.
    fn run(&self, config: &mut NodeConfig, more: &[String]) {
        let words = "--daemonize --quiet=all --follow-forks --seccomp-bpf --signal=none --trace";
        config.run_by = vec![self.0.display().to_string()];
        config.run_by.extend(words.split_whitespace().map(str::to_owned));
        config.run_by.push(SYNCS.to_owned());
        config.run_by.extend_from_slice(more);
    }

    /// Holds up every fsync and fdatasync of a running process, from the return of this call on.
    pub async fn stall_syncs(&self, pid: u32, dir: &Path) -> Result<Stall> {
        let mut command = Command::new(&self.0);
        command.args(["--follow-forks", "--signal=none", "--trace", SYNCS]);
        command.arg(inject(LONG)).arg("--attach").arg(pid.to_string());
        let log = Log::new(dir.join("strace.log"));
        let mut process = Process::spawn("strace", command, &log, Group::Shared)?;
        process
            .until("strace holds all threads", PATIENCE, async || ensure_traced(pid))
            .await
            .with_context(|| log.tail())?;
        Ok(Stall { process, log })
    }
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A disk that takes nothing, for one process. Dropping it kills strace, which ends the stall.
pub struct Stall {
    process: Process,
    log: Log,
}

impl Stall {
    /// Whether a write is held up.
    pub fn ensure_felt(&self) -> Result<()> {
        let text = self.log.text();
        ensure!(text.contains("sync("), "nothing has been written to the disk yet: {text}");
        Ok(())
    }

    /// Lets the disk go on.
    pub async fn end(mut self) -> Result<()> {
        self.process.signal(Signal::INT)?;
        self.process.ended().await?;
        Ok(())
    }
}

fn inject(delay: Duration) -> String {
    format!("--inject={SYNCS}:delay_enter={}", delay.as_micros())
}

fn ensure_traced(pid: u32) -> Result<()> {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(thread?.path().join("status"))?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        ensure!(tracer.is_some_and(|tracer| tracer.trim() != "0"), "a thread runs free");
    }
    Ok(())
}
