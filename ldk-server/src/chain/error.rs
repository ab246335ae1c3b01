//! Why the chain source cannot be used.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use ldk_node::bitcoin::{BlockHash, Network};
use reqwest::StatusCode;
use tokio::task::JoinError;

use crate::config::{ConfigError, HostPort};

/// Why the chain source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The configuration of the chain source is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain source did not pass the check at the start.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The gate cannot open a local port for the chain source.
    #[error("cannot open a local port for {name}: {source}")]
    Port {
        /// The chain source.
        name: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A metric cannot be created.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// A task panicked or was cancelled.
    #[error(transparent)]
    Task(#[from] JoinError),
}

/// Why a chain source did not pass the check at the start.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Trying again later may help.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Trying again does not help.
    #[error(transparent)]
    Misconfigured(#[from] Misconfigured),
}

/// Why a chain source cannot be used yet.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Bitcoin Core's cookie file cannot be read.
    #[error("cannot read the cookie file {}: {source}", path.display())]
    CookieFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Bitcoin Core's cookie file has another format.
    #[error("{} holds no user:password", .0.display())]
    CookieFormat(PathBuf),
    /// A request to Bitcoin Core failed.
    #[error("bitcoind at {rpc} does not answer: {}", innermost(source))]
    Bitcoind {
        /// The address of the RPC server.
        rpc: HostPort,
        /// The cause.
        source: reqwest::Error,
    },
    /// Bitcoin Core answers with an error, as it does while it starts.
    #[error("bitcoind at {rpc} does not answer: it is not ready ({status})")]
    NotReady {
        /// The address of the RPC server.
        rpc: HostPort,
        /// The HTTP status of the answer.
        status: StatusCode,
    },
    /// An Electrum or Esplora server does not return its genesis block.
    #[error("{server} does not tell its first block: {source}")]
    GenesisBlock {
        /// The server.
        server: String,
        /// The cause.
        source: Box<RequestError>,
    },
}

/// Why a chain source cannot be used with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// Bitcoin Core follows another chain.
    #[error("bitcoind at {rpc} is on chain \"{chain}\", but node.network is {network}")]
    Chain {
        /// The address of the RPC server.
        rpc: HostPort,
        /// The chain, in Bitcoin Core's words.
        chain: String,
        /// The network of the configuration.
        network: Network,
    },
    /// Bitcoin Core refuses the user, the password or the address.
    #[error(
        "bitcoind at {rpc} refuses our credentials ({status}): check bitcoind.rpc_user and \
         bitcoind.rpc_password, or bitcoind.rpc_cookie_file, and its rpcallowip"
    )]
    Credentials {
        /// The address of the RPC server.
        rpc: HostPort,
        /// The HTTP status of the answer.
        status: StatusCode,
    },
    /// The server follows the chain of another network.
    #[error("{server} is on {found}, but node.network is {network}")]
    Network {
        /// The server.
        server: String,
        /// The network of the server.
        found: Network,
        /// The network of the configuration.
        network: Network,
    },
    /// The server follows an unknown chain.
    #[error("{server} is on a chain that begins with block {genesis}, not on {network}")]
    UnknownChain {
        /// The server.
        server: String,
        /// The genesis block of the server.
        genesis: BlockHash,
        /// The network of the configuration.
        network: Network,
    },
}

/// Why a request to the chain source failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Bitcoin Core does not answer it.
    #[error(transparent)]
    Bitcoind(#[from] ProbeError),
    /// There is no connection to the server.
    #[error(transparent)]
    Connection(#[from] io::Error),
    /// The Electrum server does not answer, or answers with an error.
    #[error(transparent)]
    Electrum(#[from] electrum_client::Error),
    /// The Esplora server does not answer, or answers with an error.
    #[error("{}", innermost(.0))]
    Esplora(#[source] reqwest::Error),
    /// The certificate authorities of the configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The answer is not the expected JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The answer is not a block hash.
    #[error("its answer is no hash")]
    BlockHash,
    /// A task panicked or was cancelled.
    #[error(transparent)]
    Task(#[from] JoinError),
}

impl From<reqwest::Error> for RequestError {
    /// Removes the URL, which may contain a password.
    fn from(error: reqwest::Error) -> Self {
        Self::Esplora(error.without_url())
    }
}

/// The last error of the chain of causes, which says what happened.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
