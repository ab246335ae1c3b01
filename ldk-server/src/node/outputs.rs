//! Whether an output of a transaction is spent.

use std::time::Duration;

use ldk_node::bitcoin::OutPoint;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::bitcoind;
use crate::config::BitcoindConfig;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Whether a transaction in a block spends it, by Bitcoin Core. One that is not there counts as
/// spent.
pub(super) async fn is_spent_by_core(
    config: &BitcoindConfig,
    output: OutPoint,
) -> Result<bool, String> {
    bitcoind::is_unspent(config, output)
        .await
        .map(|found| !found)
        .map_err(|error| error.to_string())
}

/// Whether a transaction in a block spends it, by an Esplora server.
pub(super) async fn is_spent_by_esplora(
    server_url: &str,
    headers: &[(String, SecretString)],
    output: OutPoint,
) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Outspend {
        spent: bool,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    struct Status {
        confirmed: bool,
    }
    let OutPoint { txid, vout } = output;
    let base = server_url.trim_end_matches('/');
    let client =
        Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(|e| e.to_string())?;
    let mut request = client.get(format!("{base}/tx/{txid}/outspend/{vout}"));
    for (name, value) in headers {
        request = request.header(name, value.expose_secret());
    }
    let answer = request.send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.map_err(|error| error.without_url().to_string())?;
    let Outspend { spent, status } =
        answer.json().await.map_err(|error| error.without_url().to_string())?;
    Ok(spent && status.is_some_and(|status| status.confirmed))
}
