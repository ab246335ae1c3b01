//! Whether an output of a transaction is spent.

use ldk_node::bitcoin::OutPoint;
use secrecy::SecretString;
use serde::Deserialize;

use super::{bitcoind, esplora};
use crate::config::BitcoindConfig;

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
    let path = format!("/tx/{txid}/outspend/{vout}");
    let answer = esplora::get(server_url, headers, &path).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let Outspend { spent, status } =
        answer.json().await.map_err(|error| error.without_url().to_string())?;
    Ok(spent && status.is_some_and(|status| status.confirmed))
}
