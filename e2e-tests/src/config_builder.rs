//! A configuration that a test changes before a daemon is run with it.

use std::fs;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;
use toml::{Table, Value};

use crate::command_output::{CommandOutput, run};
use crate::daemon::Daemon;
use crate::network::Network;
use crate::node::refusal;
use crate::node_config::NodeConfig;
use crate::process::Log;
use crate::tools::Tools;

const CHECK_PATIENCE: Duration = Duration::from_secs(10);

/// The configuration of a node, to be changed. Its storage directory is left for the daemon to
/// make; the configuration file is beside it.
pub struct ConfigBuilder {
    config: NodeConfig,
    keys: Table,
    tools: Tools,
}

impl ConfigBuilder {
    /// What a node with this name is usually configured with.
    pub fn new(network: &Network, name: &str) -> Result<Self> {
        let config = network.config(name)?;
        let keys = config.to_toml().parse()?;
        Ok(Self { config, keys, tools: network.tools().clone() })
    }

    /// Sets a key, named with its sections as in `log.level`.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Result<Self> {
        let (sections, name) = split(key);
        let mut table = &mut self.keys;
        for section in sections {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().with_context(|| format!("{section} is no section"))?;
        }
        table.insert(name.to_owned(), value.into());
        Ok(self)
    }

    /// Removes a key or a section, which must be there.
    pub fn unset(mut self, key: &str) -> Result<Self> {
        let (sections, name) = split(key);
        let mut table = Some(&mut self.keys);
        for section in sections {
            table = table.and_then(|table| table.get_mut(section)?.as_table_mut());
        }
        let removed = table.and_then(|table| table.remove(name));
        removed.with_context(|| format!("there is no {key}"))?;
        Ok(self)
    }

    /// The node's defaults: ports and directories, and where bitcoind is.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Where the daemon is told to keep its state.
    pub fn storage_dir(&self) -> &Path {
        &self.config.storage_dir
    }

    /// Runs a daemon that is expected to end by itself, and to say why.
    pub async fn refused(&self) -> Result<CommandOutput> {
        let file = self.write()?;
        refusal(&self.tools, &[&file.display().to_string()]).await
    }

    /// Has the daemon check the configuration, with more flags and variables.
    pub async fn checked(&self, adjust: impl FnOnce(&mut Command)) -> Result<CommandOutput> {
        let mut command = Command::new(&self.tools.ldk_server);
        command.arg(self.write()?).arg("--check-config");
        adjust(&mut command);
        run(command, CHECK_PATIENCE).await
    }

    /// Starts a daemon, and does not wait for it.
    pub fn start(self) -> Result<Daemon> {
        self.start_with(|_| {})
    }

    /// Starts a daemon with more flags and variables, and does not wait for it.
    pub fn start_with(self, adjust: impl FnOnce(&mut Command)) -> Result<Daemon> {
        let (file, mut command, log) = self.prepare()?;
        adjust(&mut command);
        Daemon::start(self.config, file, command, log)
    }

    /// Starts a daemon whose outputs nobody reads, as long as the end of the pipe is held.
    pub fn start_unread(self) -> Result<(Daemon, PipeReader)> {
        let (file, command, log) = self.prepare()?;
        Daemon::start_unread(self.config, file, command, log)
    }

    /// The file, and what starts a daemon with it; and where its outputs go.
    fn prepare(&self) -> Result<(PathBuf, Command, Log)> {
        let file = self.write()?;
        let mut command = Command::new(&self.tools.ldk_server);
        command.arg(&file);
        Ok((file, command, Log::new(self.config.storage_dir.with_extension("log"))))
    }

    fn write(&self) -> Result<PathBuf> {
        let file = self.config.storage_dir.with_extension("toml");
        fs::write(&file, self.keys.to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

fn split(key: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = key.split('.').collect();
    let name = parts.pop().unwrap_or_default();
    (parts, name)
}
