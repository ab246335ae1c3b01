//! Is Bitcoin Core there, and on our network? Asked before the node is built, because a wallet that
//! is first made while Bitcoin Core is away would start from the genesis block.

use std::fs;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ldk_node::bitcoin::Network;
use lightning_block_sync::http::{HttpEndpoint, JsonResponse};
use lightning_block_sync::rpc::{RpcClient, RpcError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{BitcoindAuth, BitcoindConfig};

const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why Bitcoin Core cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It may be there later.
    #[error("{0}")]
    Unavailable(String),
    /// Waiting will not help.
    #[error("{0}")]
    Misconfigured(String),
}

/// User and password, from the configuration or from the cookie file as it is now.
pub fn credentials(auth: &BitcoindAuth) -> Result<(String, SecretString), ProbeError> {
    match auth {
        BitcoindAuth::Password { user, password } => Ok((user.clone(), password.clone())),
        BitcoindAuth::CookieFile(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                let shown = path.display();
                ProbeError::Unavailable(format!("cannot read the cookie file {shown}: {error}"))
            })?;
            let (user, password) = text.trim().split_once(':').ok_or_else(|| {
                ProbeError::Unavailable(format!("{} holds no user:password", path.display()))
            })?;
            Ok((user.to_owned(), password.into()))
        },
    }
}

/// What the answer to `getblockchaininfo` calls the chain.
struct ChainName(String);

impl TryFrom<JsonResponse> for ChainName {
    type Error = io::Error;

    fn try_from(JsonResponse(answer): JsonResponse) -> io::Result<Self> {
        let name = answer["chain"].as_str();
        let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no chain named"));
        name.map(|name| Self(name.to_owned()))
    }
}

/// Asks Bitcoin Core which chain it is on. `Ok` means that it answers, knows us, and is on
/// `network`.
pub async fn probe(config: &BitcoindConfig, network: Network) -> Result<(), ProbeError> {
    let address = format!("{}:{}", config.rpc.host, config.rpc.port);
    let (user, password) = credentials(&config.auth)?;
    let header = BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    let endpoint = HttpEndpoint::for_host(config.rpc.host.clone()).with_port(config.rpc.port);
    // The client opens its connection with a blocking call.
    let asked = tokio::task::spawn_blocking(move || {
        tokio::runtime::Handle::current().block_on(async {
            let client = RpcClient::new(&header, endpoint);
            client.call_method::<ChainName>("getblockchaininfo", &[]).await
        })
    });
    let unavailable = |reason: String| {
        ProbeError::Unavailable(format!("bitcoind at {address} does not answer: {reason}"))
    };
    let ChainName(chain) = tokio::time::timeout(PROBE_TIMEOUT, asked)
        .await
        .map_err(|_| unavailable(format!("no answer in {} s", PROBE_TIMEOUT.as_secs())))?
        .map_err(|error| unavailable(error.to_string()))?
        .map_err(|error| {
            refusal(&address, &error).unwrap_or_else(|| unavailable(error.to_string()))
        })?;

    if chain == network.to_core_arg() {
        Ok(())
    } else {
        Err(ProbeError::Misconfigured(format!(
            "bitcoind at {address} is on chain \"{chain}\", but node.network is {network}"
        )))
    }
}

/// An answer that no waiting changes: the credentials are wrong.
fn refusal(address: &str, error: &io::Error) -> Option<ProbeError> {
    let inner = error.get_ref()?;
    let is_rpc_error = inner.downcast_ref::<RpcError>().is_some();
    let text = inner.to_string();
    (!is_rpc_error && (text.contains("401") || text.contains("403"))).then(|| {
        ProbeError::Misconfigured(format!(
            "bitcoind at {address} refuses our credentials: check bitcoind.rpc_user and \
             bitcoind.rpc_password, or bitcoind.rpc_cookie_file, and its rpcallowip"
        ))
    })
}
