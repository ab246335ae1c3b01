//! A second daemon of the same node, which waits until the first one is gone.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::{Client, Code};
use ldk_server_grpc::places;
use tokio::sync::Mutex;

use super::{Node, spawn};
use crate::node_config::NodeConfig;
use crate::process::Log;

impl Node {
    /// Starts a second daemon of this node with this configuration, which must make it a standby, and
    /// does not wait for it. It has the keys, the certificate and the API key of this one.
    pub fn start_standby(&self, config: NodeConfig) -> Result<Self> {
        copy_secrets(&self.config.storage_dir, &config.storage_dir)?;
        let config_file = config.storage_dir.join("config.toml");
        fs::write(&config_file, config.to_toml())?;
        let log = Log::new(config.storage_dir.join("output.log"));
        let process = spawn(&config, &self.tools, &config_file, &log, self.group)?;
        let (client, id) = (Client::from_config_file(&config_file)?, self.id.clone());
        let process = Mutex::new(Some(process));
        let (tools, group) = (self.tools.clone(), self.group);
        Ok(Self { config, config_file, id, client, process, log, tools, group })
    }

    /// Starts the daemon again on the same data, and does not wait for it.
    pub async fn spawn_again(&self) -> Result<()> {
        let mut slot = self.process.lock().await;
        ensure!(slot.is_none(), "{} is running", self.alias());
        *slot = Some(spawn(&self.config, &self.tools, &self.config_file, &self.log, self.group)?);
        Ok(())
    }

    /// Fails unless it waits as the standby of another daemon.
    pub async fn ensure_standby(&self) -> Result<()> {
        match self.client.get_node_info(GetNodeInfoRequest {}).await {
            Err(refusal) if refusal.code() == Some(Code::Unavailable) => {
                let told = refusal.to_string();
                ensure!(told.contains("standby: "), "{} says {told}", self.alias());
                Ok(())
            },
            other => bail!("{} does not wait: {other:?}", self.alias()),
        }
    }
}

/// What two daemons of the same node have in common.
fn copy_secrets(from: &Path, to: &Path) -> Result<()> {
    let api_key = places::api_key_file(Path::new(""), "regtest");
    fs::create_dir_all(to.join(&api_key).parent().unwrap_or(to))?;
    for file in ["keys_mnemonic", "keys_seed", "tls.crt", "tls.key"].map(Path::new) {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file))?;
        }
    }
    fs::copy(from.join(&api_key), to.join(&api_key)).context("the API key")?;
    Ok(())
}
