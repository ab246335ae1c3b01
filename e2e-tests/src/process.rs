//! A process that runs beside the test or the demonstration.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::wait::until;

/// How long a process may take to end once it was told to.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

const TAIL_LINES: usize = 40;
const LOG_PATIENCE: Duration = Duration::from_secs(30);

/// Who gets the SIGINT of a Ctrl-C in the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The children as well: right for tests, which do not handle signals.
    Shared,
    /// The parent alone, which then stops its children in order.
    Own,
}

impl Group {
    /// Makes the command run in this group, and end when its handle is dropped.
    pub fn apply(self, command: &mut Command) {
        command.kill_on_drop(true);
        if self == Self::Own {
            command.process_group(0);
        }
    }
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts the command; both its outputs are appended to `log`.
    pub fn spawn(name: &str, command: Command, log: &Log, group: Group) -> Result<Self> {
        let log = log.open()?;
        Self::spawn_to(name, command, [log.try_clone()?.into(), log.into()], group)
    }

    /// Starts the command with these outputs.
    pub fn spawn_to(
        name: &str,
        mut command: Command,
        [output, error]: [Stdio; 2],
        group: Group,
    ) -> Result<Self> {
        group.apply(&mut command);
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(error)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Fails if the process has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended: {status}", self.name),
        }
    }

    /// Waits as [`until`] does, but only as long as the process runs.
    pub async fn until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        probe: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        tokio::select! {
            status = self.child.wait() => bail!("{} has ended: {}", self.name, status?),
            outcome = until(what, patience, probe) => outcome,
        }
    }

    /// Asks the process to stop, with SIGTERM, and waits until it has.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    /// Sends a signal to the process.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.ensure_running()?;
        Ok(rustix::process::kill_process(self.pid()?, signal)?)
    }

    /// Waits until the process, which was told to, has ended.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let ended = timeout(STOP_PATIENCE, self.child.wait()).await;
        Ok(ended
            .map_err(|_| anyhow!("{} is still running after {STOP_PATIENCE:?}", self.name))??)
    }

    /// Lets no file grow beyond this, from now on: as if the disk were full.
    #[cfg(target_os = "linux")]
    pub fn limit_file_size(&mut self, bytes: u64) -> Result<()> {
        use rustix::process::{Resource, Rlimit, prlimit};
        self.ensure_running()?;
        let limit = Rlimit { current: Some(bytes), maximum: None };
        prlimit(Some(self.pid()?), Resource::Fsize, limit)?;
        Ok(())
    }

    /// Ends the process at once, with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.ensure_running()?;
        Ok(self.child.kill().await?)
    }

    /// Its id.
    pub(crate) fn pid(&self) -> Result<Pid> {
        self.child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .with_context(|| format!("{} has ended", self.name))
    }
}

/// The file that a process writes to.
#[derive(Clone, Debug)]
pub struct Log(PathBuf);

impl Log {
    /// Waits until this text has been written. The daemon does not wait for its log.
    pub async fn says(&self, text: &str) -> Result<()> {
        until(&format!("the log says {text:?}"), LOG_PATIENCE, async || {
            ensure!(self.text().contains(text), "not yet");
            Ok(())
        })
        .await
    }

    /// A file that need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// All that was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.0).unwrap_or_default()).into_owned()
    }

    /// The last lines, under a heading that names the file.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("--- the end of {}\n{tail}\n", self.0.display())
    }

    /// Opens it, to write at its end.
    pub fn open(&self) -> Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .with_context(|| format!("cannot write {}", self.0.display()))
    }
}
