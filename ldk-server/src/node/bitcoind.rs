//! Is Bitcoin Core there, and on our network? Asked before the node is built, because a wallet that
//! is first made while Bitcoin Core is away would start from the genesis block.

use std::fs;
use std::time::Duration;

use ldk_node::bitcoin::Network;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

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

/// What we need of the answer to `getblockchaininfo`.
#[derive(Deserialize)]
struct Answer {
    result: Option<ChainInfo>,
}

#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
}

/// Asks Bitcoin Core which chain it is on. `Ok` means that it answers, knows us, and is on
/// `network`.
pub async fn probe(config: &BitcoindConfig, network: Network) -> Result<(), ProbeError> {
    let chain = ask_for_chain(config).await?;
    if chain == network.to_core_arg() {
        return Ok(());
    }
    Err(ProbeError::Misconfigured(format!(
        "bitcoind at {} is on chain \"{chain}\", but node.network is {network}",
        config.rpc
    )))
}

async fn ask_for_chain(config: &BitcoindConfig) -> Result<String, ProbeError> {
    let address = &config.rpc;
    let unavailable = |reason: &dyn std::fmt::Display| {
        ProbeError::Unavailable(format!("bitcoind at {address} does not answer: {reason}"))
    };
    let (user, password) = credentials(&config.auth)?;
    let client = Client::builder().no_proxy().timeout(PROBE_TIMEOUT).build();
    let answer = client
        .map_err(|error| unavailable(&error))?
        .post(format!("http://{address}/"))
        .basic_auth(user, Some(password.expose_secret()))
        .json(&serde_json::json!({ "id": 0, "method": "getblockchaininfo", "params": [] }))
        .send()
        .await
        .map_err(|error| unavailable(&innermost(&error)))?;
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return Err(ProbeError::Misconfigured(format!(
            "bitcoind at {address} refuses our credentials ({status}): check bitcoind.rpc_user and \
             bitcoind.rpc_password, or bitcoind.rpc_cookie_file, and its rpcallowip"
        )));
    }
    // While it warms up, Bitcoin Core answers with an error in place of the result.
    let answer = answer.json::<Answer>().await.ok().and_then(|answer| answer.result);
    answer.map(|info| info.chain).ok_or_else(|| unavailable(&format!("it is not ready ({status})")))
}

/// The cause at the end of the chain, which says what happened; the rest says that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.last().map(ToString::to_string).unwrap_or_default()
}
