//! Is Bitcoin Core there, and on our network? PendingBroadcasts before the node is built, because a wallet that
//! is first made while Bitcoin Core is away would start from the genesis block.

use std::fs;
use std::time::Duration;

use ldk_node::bitcoin::{Network, OutPoint, Txid};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{BitcoindAuth, BitcoindConfig};

const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a chain source cannot be used.
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

/// What we need of an answer.
#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i32,
}

/// Hands a transaction to Bitcoin Core; gives what it answers.
pub(super) async fn send(
    config: &BitcoindConfig,
    digits: String,
) -> Result<(StatusCode, Vec<u8>), ProbeError> {
    let answer = post(config, "sendrawtransaction", &[digits.into()]).await?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| unavailable(config, &innermost(&error)))?;
    Ok((status, body.to_vec()))
}

/// The code of Bitcoin Core for a transaction that is not there.
const NOT_FOUND: i32 = -5;

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
    let (status, answer) = ask::<ChainInfo>(config, "getblockchaininfo", &[]).await?;
    // While it warms up, Bitcoin Core answers with an error in place of the result.
    let info = answer.and_then(|answer| answer.result);
    info.map(|info| info.chain).ok_or_else(|| not_ready(config, status))
}

/// Whether this transaction waits in Bitcoin Core's mempool for a block.
pub async fn is_in_mempool(config: &BitcoindConfig, txid: &Txid) -> Result<bool, ProbeError> {
    let txid = serde_json::Value::String(txid.to_string());
    match ask::<serde_json::Value>(config, "getmempoolentry", &[txid]).await? {
        (_, Some(Answer { result: Some(_), error: None })) => Ok(true),
        (_, Some(Answer { error: Some(Refusal { code: NOT_FOUND }), .. })) => Ok(false),
        (status, _) => Err(not_ready(config, status)),
    }
}

/// Whether this output is there and no transaction in a block spends it.
pub async fn is_unspent(config: &BitcoindConfig, output: OutPoint) -> Result<bool, ProbeError> {
    let params = [output.txid.to_string().into(), output.vout.into(), false.into()];
    match ask::<serde_json::Value>(config, "gettxout", &params).await? {
        (_, Some(Answer { result, error: None })) => Ok(result.is_some()),
        (status, _) => Err(not_ready(config, status)),
    }
}

/// The fee rate that Bitcoin Core deems right for a transaction to be confirmed within so many
/// blocks, if it has seen enough of them.
pub async fn sat_per_kvb(config: &BitcoindConfig, blocks: u16) -> Result<Option<u64>, ProbeError> {
    #[derive(Deserialize)]
    struct Estimate {
        /// In bitcoin per 1000 virtual bytes.
        feerate: Option<f64>,
    }
    let params = [blocks.into(), "economical".into()];
    let (status, answer) = ask::<Estimate>(config, "estimatesmartfee", &params).await?;
    let estimate = answer.and_then(|answer| answer.result);
    let estimate = estimate.ok_or_else(|| not_ready(config, status))?;
    // A rate that is not a number becomes 0 by the conversion, one beyond all measure the largest.
    Ok(estimate.feerate.map(|btc| (btc * 100_000_000.0).ceil() as u64))
}

async fn ask<T: DeserializeOwned>(
    config: &BitcoindConfig,
    method: &str,
    params: &[serde_json::Value],
) -> Result<(StatusCode, Option<Answer<T>>), ProbeError> {
    let answer = post(config, method, params).await?;
    Ok((answer.status(), answer.json().await.ok()))
}

async fn post(
    config: &BitcoindConfig,
    method: &str,
    params: &[serde_json::Value],
) -> Result<Response, ProbeError> {
    let address = &config.rpc;
    let (user, password) = credentials(&config.auth)?;
    let client = Client::builder().no_proxy().timeout(PROBE_TIMEOUT).build();
    let answer = client
        .map_err(|error| unavailable(config, &error))?
        .post(format!("http://{address}/"))
        .basic_auth(user, Some(password.expose_secret()))
        .json(&serde_json::json!({ "id": 0, "method": method, "params": params }))
        .send()
        .await
        .map_err(|error| unavailable(config, &innermost(&error)))?;
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return Err(ProbeError::Misconfigured(format!(
            "bitcoind at {address} refuses our credentials ({status}): check bitcoind.rpc_user and \
             bitcoind.rpc_password, or bitcoind.rpc_cookie_file, and its rpcallowip"
        )));
    }
    Ok(answer)
}

fn not_ready(config: &BitcoindConfig, status: StatusCode) -> ProbeError {
    unavailable(config, &format!("it is not ready ({status})"))
}

fn unavailable(config: &BitcoindConfig, reason: &dyn std::fmt::Display) -> ProbeError {
    ProbeError::Unavailable(format!("bitcoind at {} does not answer: {reason}", config.rpc))
}

/// The cause at the end of the chain, which says what happened; the rest says that a request failed.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.last().map(ToString::to_string).unwrap_or_default()
}
