//! Rebroadcasts at the start what an earlier process had to broadcast and the chain source has not
//! answered.
//!
//! This happens before the library does anything. The library force-closes a channel that it does
//! not have any more if nothing spends the funding output; so a cooperative close has to be
//! broadcast first.

use electrum_client::{ElectrumApi as _, Error};
use ldk_node::bitcoin::Transaction;
use ldk_node::bitcoin::consensus::encode::serialize;
use serde_json::json;

use super::error::RequestError;
use super::{bitcoind, electrum, esplora};
use crate::chain::gate::{by_electrum, by_http};
use crate::config::ChainSource;
use crate::store::{Answer, Journal, Unanswered};

/// Broadcasts everything unanswered in order. Stops when the chain source does not answer: the rest
/// is left for a later start.
pub(crate) async fn all(source: &ChainSource, journal: &Journal) {
    for Unanswered { number, transactions } in journal.unanswered() {
        match broadcast(source, &transactions).await {
            Ok(Some(answer)) => journal.answered(number, &answer),
            Ok(None) => {},
            Err(error) => {
                tracing::warn!(%error, "cannot rebroadcast transactions; trying again at the next start");
                return;
            },
        }
    }
}

/// Broadcasts one transaction after the other, and returns the last answer, or that to the first
/// transaction that is not accepted.
async fn broadcast(
    source: &ChainSource,
    transactions: &[Transaction],
) -> Result<Option<Answer>, RequestError> {
    for transaction in transactions {
        let txid = transaction.compute_txid();
        let answer = send(source, transaction).await?;
        match &answer {
            Some(Answer::Taken) => tracing::info!(%txid, "rebroadcast a transaction"),
            Some(Answer::Refused(reason) | Answer::NothingToSpend(reason)) => {
                tracing::warn!(%txid, %reason, "the chain source refuses a transaction");
                return Ok(answer);
            },
            None => {
                tracing::warn!(%source, %txid, "the chain source does not say whether it accepts a transaction");
                return Ok(None);
            },
        }
    }
    Ok(Some(Answer::Taken))
}

/// Broadcasts a transaction.
async fn send(
    source: &ChainSource,
    transaction: &Transaction,
) -> Result<Option<Answer>, RequestError> {
    let bytes = serialize(transaction);
    match source {
        ChainSource::Bitcoind(config) => {
            let (status, body) = bitcoind::send(config, hex::encode(bytes)).await?;
            Ok(by_http(status, &body))
        },
        ChainSource::Esplora(config) => {
            let (status, body) = esplora::send(config, hex::encode(bytes)).await?;
            Ok(by_http(status, &body))
        },
        ChainSource::Electrum(config) => {
            let asking = electrum::ask(config, move |server| {
                match server.transaction_broadcast_raw(&bytes) {
                    Ok(txid) => Ok(json!({ "result": txid.to_string() })),
                    Err(Error::Protocol(error)) => Ok(json!({ "error": error })),
                    Err(error) => Err(error),
                }
            });
            Ok(by_electrum(asking.await?.to_string().as_bytes()))
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ldk_node::bitcoin::absolute::LockTime;
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::bitcoin::transaction::Version;
    use ldk_node::bitcoin::{OutPoint, TxIn, Txid};
    use serde_json::Value;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::config::{BitcoindAuth, BitcoindConfig, ElectrumConfig, EsploraConfig, HostPort};
    use crate::store::testing;

    /// What a server answers to one broadcast after the other: a status of HTTP, and words.
    type Answers = Vec<(u16, String)>;

    fn transaction(number: u8) -> Transaction {
        let previous_output = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn { previous_output, ..TxIn::default() }],
            output: Vec::new(),
        }
    }

    /// What it was asked to broadcast.
    async fn serve(answers: Answers) -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, words) in answers {
                let mut stream = BufReader::new(listener.accept().await.unwrap().0);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let answer = if line.starts_with("POST ") {
                    asked.push(body(&mut stream).await);
                    let length = words.len();
                    format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\
                         Connection: close\r\n\r\n{words}"
                    )
                } else {
                    asked.push(line.clone());
                    let id = serde_json::from_str::<Value>(&line).unwrap()["id"].clone();
                    format!("{}\n", words.replace("ID", &id.to_string()))
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (port, serving)
    }

    async fn body(stream: &mut BufReader<TcpStream>) -> String {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    fn bitcoind(port: u16) -> ChainSource {
        let rpc = HostPort { host: "127.0.0.1".to_owned(), port };
        let auth = BitcoindAuth::Password { user: "u".to_owned(), password: "p".into() };
        ChainSource::Bitcoind(BitcoindConfig { rpc, auth, rest: None })
    }

    fn esplora(port: u16) -> ChainSource {
        let server_url = format!("http://127.0.0.1:{port}/api");
        ChainSource::Esplora(EsploraConfig { server_url, headers: vec![], ca_cert_path: None })
    }

    fn electrum(port: u16) -> ChainSource {
        let server = HostPort { host: "127.0.0.1".to_owned(), port };
        ChainSource::Electrum(ElectrumConfig { server, uses_tls: false, ca_cert_path: None })
    }

    /// Broadcasts three transactions, of which the server takes the first, knows no coins of the
    /// second and says nothing of the third. Checks that it was asked in order, and what is left.
    async fn all_are_sent(of_server: fn(u16) -> ChainSource, answers: [(u16, &str); 3]) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(Arc::new(testing::open(dir.path()))).unwrap();
        let transactions = [1, 2, 3].map(transaction);
        for transaction in &transactions {
            journal.add(vec![transaction.clone()]).unwrap();
        }
        let answers = answers.map(|(status, words)| (status, words.to_owned()));
        let (port, serving) = serve(answers.to_vec()).await;
        let source = of_server(port);
        all(&source, &journal).await;
        for (asked, transaction) in serving.await.unwrap().iter().zip(&transactions) {
            assert!(asked.contains(&hex::encode(serialize(transaction))), "{asked}");
        }
        let left = |journal: &Journal| {
            journal.unanswered().into_iter().flat_map(|left| left.transactions).collect::<Vec<_>>()
        };
        assert_eq!(left(&journal), [transactions[2].clone()]);
        // Nobody is there any more.
        all(&source, &journal).await;
        assert_eq!(left(&journal), [transactions[2].clone()]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bitcoin_core_is_handed_what_is_left() {
        let missing = r#"{"result":null,"error":{"code":-25,"message":"missingorspent"}}"#;
        let answers = [(200, r#"{"result":"ab","error":null}"#), (500, missing), (503, "")];
        all_are_sent(bitcoind, answers).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_esplora_server_is_handed_what_is_left() {
        let answers = [(200, "ab"), (400, "missing inputs"), (502, "Bad Gateway")];
        all_are_sent(esplora, answers).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_electrum_server_is_handed_what_is_left() {
        let taken = format!(r#"{{"id":ID,"result":"{}"}}"#, "ab".repeat(32));
        let missing = r#"{"id":ID,"error":{"code":1,"message":"rejected: missingorspent"}}"#;
        let busy = r#"{"id":ID,"error":{"code":-102,"message":"server busy"}}"#;
        all_are_sent(electrum, [(0, &taken), (0, missing), (0, busy)]).await;
    }
}
