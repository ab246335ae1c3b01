//! Requests to Bitcoin Core. Its network is checked before the node is built, because a wallet that
//! is created while Bitcoin Core is away would start from the genesis block.

use std::fs;
use std::time::Duration;

use ldk_node::bitcoin::{Network, OutPoint, Txid};
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Misconfigured, ProbeError, Unavailable};
use crate::config::{BitcoindAuth, BitcoindConfig};

const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The user and password, from the configuration or from the current cookie file.
pub fn credentials(auth: &BitcoindAuth) -> Result<(String, SecretString), ProbeError> {
    match auth {
        BitcoindAuth::Password { user, password } => Ok((user.clone(), password.clone())),
        BitcoindAuth::CookieFile(path) => {
            let text = fs::read_to_string(path)
                .map_err(|source| Unavailable::CookieFile { path: path.clone(), source })?;
            let (user, password) = text
                .trim()
                .split_once(':')
                .ok_or_else(|| Unavailable::CookieFormat(path.clone()))?;
            Ok((user.to_owned(), password.into()))
        },
    }
}

/// A JSON-RPC answer, as far as it is needed.
#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i32,
}

/// Broadcasts a transaction and returns the answer.
pub(super) async fn send(
    config: &BitcoindConfig,
    digits: String,
) -> Result<(StatusCode, Vec<u8>), ProbeError> {
    let answer = post(config, "sendrawtransaction", &[digits.into()]).await?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| unavailable(config, error))?;
    Ok((status, body.to_vec()))
}

/// Bitcoin Core's error code for an unknown transaction.
const NOT_FOUND: i32 = -5;

#[derive(Deserialize)]
struct ChainInfo {
    chain: String,
}

/// Checks that Bitcoin Core answers, accepts our credentials, and is on `network`.
pub async fn probe(config: &BitcoindConfig, network: Network) -> Result<(), ProbeError> {
    let chain = ask_for_chain(config).await?;
    if chain == network.to_core_arg() {
        return Ok(());
    }
    Err(Misconfigured::Chain { rpc: config.rpc.clone(), chain, network }.into())
}

async fn ask_for_chain(config: &BitcoindConfig) -> Result<String, ProbeError> {
    let (status, answer) = ask::<ChainInfo>(config, "getblockchaininfo", &[]).await?;
    // While it warms up, Bitcoin Core answers with an error in place of the result.
    let info = answer.and_then(|answer| answer.result);
    info.map(|info| info.chain).ok_or_else(|| not_ready(config, status))
}

/// Whether this transaction is in the mempool of Bitcoin Core.
pub async fn is_in_mempool(config: &BitcoindConfig, txid: &Txid) -> Result<bool, ProbeError> {
    let txid = serde_json::Value::String(txid.to_string());
    match ask::<serde_json::Value>(config, "getmempoolentry", &[txid]).await? {
        (_, Some(Answer { result: Some(_), error: None })) => Ok(true),
        (_, Some(Answer { error: Some(Refusal { code: NOT_FOUND }), .. })) => Ok(false),
        (status, _) => Err(not_ready(config, status)),
    }
}

/// Whether this output exists and no confirmed transaction spends it.
pub async fn is_unspent(config: &BitcoindConfig, output: OutPoint) -> Result<bool, ProbeError> {
    let params = [output.txid.to_string().into(), output.vout.into(), false.into()];
    match ask::<serde_json::Value>(config, "gettxout", &params).await? {
        (_, Some(Answer { result, error: None })) => Ok(result.is_some()),
        (status, _) => Err(not_ready(config, status)),
    }
}

/// The fee rate that Bitcoin Core estimates for a confirmation within so many blocks, in sat per
/// 1,000 virtual bytes; `None` if it has no estimate.
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
    // The conversion saturates, and makes 0 of NaN.
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
        .map_err(|error| unavailable(config, error))?
        .post(format!("http://{address}/"))
        .basic_auth(user, Some(password.expose_secret()))
        .json(&serde_json::json!({ "id": 0, "method": method, "params": params }))
        .send()
        .await
        .map_err(|error| unavailable(config, error))?;
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return Err(Misconfigured::Credentials { rpc: config.rpc.clone(), status }.into());
    }
    Ok(answer)
}

fn not_ready(config: &BitcoindConfig, status: StatusCode) -> ProbeError {
    Unavailable::NotReady { rpc: config.rpc.clone(), status }.into()
}

fn unavailable(config: &BitcoindConfig, source: reqwest::Error) -> ProbeError {
    Unavailable::Bitcoind { rpc: config.rpc.clone(), source }.into()
}
