//! Running a command to its end.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal};
use tokio::process::Command;
use tokio::time::timeout;

use crate::process::Group;

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// The command, as it can be read in a message.
    pub command: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// The standard output of a command that must not have failed.
    pub fn success(self) -> Result<String> {
        let Self { command, code, stdout, stderr } = self;
        ensure!(code == Some(0), "{command} ended with code {code:?}\n{stdout}{stderr}");
        Ok(stdout)
    }
}

/// Runs the command to its end and captures its output. It is killed if it takes longer than
/// `patience`.
pub async fn run(command: Command, patience: Duration) -> Result<CommandOutput> {
    finish(command, Stdio::piped(), Group::Shared, patience).await
}

/// As [`run`], but what the command writes to standard error is seen at once.
pub(crate) async fn run_in_view(
    command: Command,
    group: Group,
    patience: Duration,
) -> Result<CommandOutput> {
    finish(command, Stdio::inherit(), group, patience).await
}

async fn finish(
    mut command: Command,
    stderr: Stdio,
    group: Group,
    patience: Duration,
) -> Result<CommandOutput> {
    let shown = format!("{:?}", command.as_std());
    group.apply(&mut command);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let group_pid = child.id().filter(|_| group == Group::Own);
    let mut descendants = Descendants(group_pid.and_then(|id| Pid::from_raw(id.cast_signed())));
    let output = timeout(patience, child.wait_with_output())
        .await
        .with_context(|| format!("{shown} is still running after {patience:?}"))??;
    descendants.0 = None;
    Ok(CommandOutput {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The process group of a command that has children of its own: when it is given up, so are they.
struct Descendants(Option<Pid>);

impl Drop for Descendants {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by now, which is as good.
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
        }
    }
}
