//! A daemon as a process: it may be waiting, serving or ending.

use std::io::{self, PipeReader};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use ldk_server_client::Client;
use rustix::process::Signal;
use tokio::process::Command;

use crate::node::ready;
use crate::node_config::NodeConfig;
use crate::process::{Group, Log, Process};
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that was started. One that is dropped before it has ended belongs to a failed test: it
/// is killed, and the tail of its log is printed.
pub struct Daemon {
    config: NodeConfig,
    config_file: PathBuf,
    process: Process,
    log: Log,
    /// The length of the log when it was started: another may have written it before.
    log_begin: usize,
    has_ended: bool,
}

impl Daemon {
    pub(crate) fn start(
        config: NodeConfig,
        config_file: PathBuf,
        command: Command,
        log: Log,
    ) -> Result<Self> {
        Self::start_by(config, config_file, log, |name, log| {
            Process::spawn(name, command, log, Group::Shared)
        })
    }

    /// One whose outputs go to a pipe that nobody reads, as long as its end is held.
    pub(crate) fn start_unread(
        config: NodeConfig,
        config_file: PathBuf,
        command: Command,
        log: Log,
    ) -> Result<(Self, PipeReader)> {
        let (unread, pipe) = io::pipe()?;
        let outputs = [pipe.try_clone()?.into(), pipe.into()];
        let daemon = Self::start_by(config, config_file, log, |name, _| {
            Process::spawn_to(name, command, outputs, Group::Shared)
        });
        Ok((daemon?, unread))
    }

    fn start_by(
        config: NodeConfig,
        config_file: PathBuf,
        log: Log,
        start: impl FnOnce(&str, &Log) -> Result<Process>,
    ) -> Result<Self> {
        // Before it starts: its first lines are its own.
        let log_begin = log.text().len();
        let process = start(&config.alias, &log)?;
        Ok(Self { config, config_file, process, log, log_begin, has_ended: false })
    }

    /// Its ports and directories.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// What it wrote to its standard outputs.
    pub fn output(&self) -> String {
        self.log.text().split_off(self.log_begin)
    }

    /// A client, which needs the key and the certificate to be there.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::from_config_file(&self.config_file)?)
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> Result<Client> {
        let ready = ready(&self.config.alias, &mut self.process, &self.config_file, &self.log);
        Ok(ready.await?.0)
    }

    /// Waits until it has written a line with this text.
    pub async fn says(&mut self, text: &str) -> Result<()> {
        let what = format!("{} says: {text}", self.config.alias);
        until(&what, PATIENCE, async || {
            // In this order: the last words come before the end.
            let is_running = self.ensure_running();
            if !self.output().contains(text) {
                is_running?;
                bail!("not said yet");
            }
            Ok(())
        })
        .await
    }

    /// The id of its process.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process.pid()?.as_raw_nonzero().get().cast_unsigned())
    }

    /// Fails if it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running()
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let status = self.process.ended().await?;
        self.has_ended = true;
        Ok(status)
    }

    /// Stops it with SIGTERM, which must end it with code 0.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.ended().await?;
        ensure!(status.success(), "{} ended with {status}", self.config.alias);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended {
            println!("{}", self.log.tail());
        }
    }
}
