//! What an earlier process was to broadcast, and the chain source has not answered: it is broadcast
//! when the node starts.
//!
//! That is before the library does anything. It closes a channel by force when it does not have it any
//! more and sees nothing that spends its funding output; a closing by agreement has to be there first.

use electrum_client::{ElectrumApi as _, Error};
use ldk_node::bitcoin::Transaction;
use ldk_node::bitcoin::consensus::encode::serialize_hex;
use serde_json::json;

use super::{bitcoind, electrum, esplora};
use crate::chain::gate::{by_electrum, by_http};
use crate::config::ChainSource;
use crate::store::{Answer, Journal, Unanswered};

/// Broadcasts what is left, in its order, until the chain source does not answer: the rest is for a
/// later start.
pub(super) async fn all(source: &ChainSource, journal: &Journal) {
    for unanswered in journal.unanswered() {
        match broadcast(source, &unanswered).await {
            Ok(answer) => journal.answered(unanswered.number, &answer),
            Err(reason) => {
                tracing::warn!("{reason}; what is left is broadcast at the next start");
                return;
            },
        }
    }
}

/// Broadcasts one after the other; the answer is that to the last, or that of the first which is not
/// taken.
async fn broadcast(source: &ChainSource, unanswered: &Unanswered) -> Result<Answer, String> {
    for transaction in &unanswered.transactions {
        let txid = transaction.compute_txid();
        let answer = send(source, transaction)
            .await
            .map_err(|reason| format!("transaction {txid} cannot be broadcast again: {reason}"))?;
        match &answer {
            Answer::Taken => tracing::info!("transaction {txid} was broadcast again"),
            Answer::Refused(reason) | Answer::NothingToSpend(reason) => {
                tracing::warn!("transaction {txid} is not wanted any more: {reason}");
                return Ok(answer);
            },
        }
    }
    Ok(Answer::Taken)
}

/// Hands over a transaction; the error is that there is no answer to it.
async fn send(source: &ChainSource, transaction: &Transaction) -> Result<Answer, String> {
    let digits = serialize_hex(transaction);
    let answer = match source {
        ChainSource::Bitcoind(config) => {
            let answer = bitcoind::send(config, digits).await;
            let (status, body) = answer.map_err(|error| error.to_string())?;
            by_http(status, &body)
        },
        ChainSource::Esplora(config) => {
            let (status, body) = esplora::send(config, digits).await?;
            by_http(status, &body)
        },
        ChainSource::Electrum(config) => {
            let bytes = ldk_node::bitcoin::consensus::encode::serialize(transaction);
            let asking = electrum::ask(config, move |server| {
                match server.transaction_broadcast_raw(&bytes) {
                    Ok(txid) => Ok(json!({ "result": txid.to_string() })),
                    Err(Error::Protocol(error)) => Ok(json!({ "error": error })),
                    Err(error) => Err(error),
                }
            });
            by_electrum(asking.await?.to_string().as_bytes())
        },
    };
    answer.ok_or_else(|| format!("{source} says nothing of it"))
}
