//! The configuration of a node.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::Command;

use crate::bitcoind::Bitcoind;
use crate::ports::Port;

/// What a node is configured with. The ports are its own as long as this lives.
#[derive(Debug)]
pub struct NodeConfig {
    /// The name of the node, in the network and in messages.
    pub alias: String,
    /// Where it keeps its state.
    pub storage_dir: PathBuf,
    /// Where other nodes reach it.
    pub lightning: Port,
    /// Where clients reach it.
    pub grpc: Port,
    /// More sections of the configuration file, as TOML.
    pub sections: String,
    /// The level of its log.
    pub log_level: &'static str,
    /// More flags of the daemon.
    pub args: Vec<String>,
    /// A program and its arguments that the daemon is run by, such as a tracer; empty for none. It
    /// must leave the daemon the process that was started.
    pub run_by: Vec<String>,
    /// The section of the configuration file that says where its chain comes from, as TOML.
    pub chain_source: String,
}

impl NodeConfig {
    /// A node with this name on the chain of this bitcoind.
    pub fn new(storage_dir: &Path, alias: &str, bitcoind: &Bitcoind) -> Result<Self> {
        Ok(Self {
            alias: alias.to_owned(),
            storage_dir: storage_dir.to_owned(),
            lightning: Port::claim()?,
            grpc: Port::claim()?,
            sections: String::new(),
            log_level: "Debug",
            args: Vec::new(),
            run_by: Vec::new(),
            chain_source: section_of(bitcoind),
        })
    }

    /// What starts the daemon.
    pub(crate) fn command(&self, ldk_server: &Path, config_file: &Path) -> Command {
        let mut command = match self.run_by.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(ldk_server);
                command
            },
            None => Command::new(ldk_server),
        };
        command.arg(config_file).args(&self.args);
        command
    }

    /// The text of the configuration file.
    pub fn to_toml(&self) -> String {
        format!(
            "[node]\n\
             network = \"regtest\"\n\
             alias = \"{}\"\n\
             listening_addresses = [\"{}\"]\n\
             grpc_service_address = \"{}\"\n\
             \n\
             [storage.disk]\n\
             dir_path = \"{}\"\n\
             \n\
             {}\n\
             [log]\n\
             level = \"{}\"\n\
             \n\
             {}",
            self.alias,
            self.lightning.address(),
            self.grpc.address(),
            self.storage_dir.display(),
            self.chain_source,
            self.log_level,
            self.sections,
        )
    }
}

fn section_of(bitcoind: &Bitcoind) -> String {
    let (user, password) = bitcoind.credentials();
    format!(
        "[bitcoind]\n\
         rpc_address = \"{}\"\n\
         rpc_user = \"{user}\"\n\
         rpc_password = \"{password}\"\n",
        bitcoind.rpc_address()
    )
}
