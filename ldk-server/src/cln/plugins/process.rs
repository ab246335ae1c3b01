//! The process of a plugin.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PluginError;
use super::link::{Link, Message};
use crate::cln::framing::Framing;

/// The largest message of a plugin.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// How long a plugin may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// Variables of the daemon, which may hold passwords.
const OWN_VARIABLES: &str = "LDK_SERVER_";

/// A process that was started, in a process group of its own.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// The number of the process group of a process, if there is such a process.
pub(in crate::cln) fn group_of(pid: i32) -> Option<i32> {
    let group = rustix::process::getpgid(Pid::from_raw(pid)).ok()?;
    Some(group.as_raw_nonzero().get())
}

/// Its standard input and output.
pub(super) struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Process {
    pub(super) fn start(path: &Path) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(path);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN_VARIABLES) {
                command.env_remove(name);
            }
        }
        let command = command
            .env("LIGHTNINGD_PLUGIN", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A signal to the daemon's group, such as that of Ctrl-C, is the daemon's to pass on.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok((Self { child, group }, Pipes { stdin, stdout }))
    }

    /// The number of its group.
    pub(super) fn group(&self) -> Option<i32> {
        self.group.map(|group| group.as_raw_nonzero().get())
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Waits a while until it ends by itself, and then kills it with all that it has started. Its standard
    /// input must have been closed.
    pub(super) async fn end(mut self) {
        if timeout(GRACE, self.child.wait()).await.is_err()
            && let Some(group) = self.group
        {
            // It fails if all of them have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait().await;
        }
    }
}

impl Pipes {
    /// Writes what the plugin has to read, and reads what it sends, until it ends.
    pub(super) async fn carry(
        self,
        link: &Link,
        mut unread: mpsc::Receiver<Vec<u8>>,
        notified: impl Fn(&str, &serde_json::Value),
    ) -> PluginError {
        let Self { mut stdin, stdout } = self;
        let writing = async {
            while let Some(text) = unread.recv().await {
                if let Err(error) = stdin.write_all(&text).await {
                    return PluginError::Closed(error);
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            error = writing => error,
            error = read(stdout, link, notified) => error,
        }
    }
}

async fn read(
    mut stdout: ChildStdout,
    link: &Link,
    notified: impl Fn(&str, &serde_json::Value),
) -> PluginError {
    let mut framing = Framing::of_at_most(MAX_MESSAGE_BYTES);
    loop {
        match framing.next() {
            Ok(Some(text)) => match Message::parse(&text) {
                Some(Message::Answer { id, answer }) => link.answered(id, answer),
                Some(Message::Notification { method, params }) => notified(&method, &params),
                None => return PluginError::Garbage,
            },
            Ok(None) => match stdout.read_buf(framing.buffer()).await {
                Ok(0) => return PluginError::Closed(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {},
                Err(error) => return PluginError::Closed(error),
            },
            Err(_) => return PluginError::Garbage,
        }
    }
}
