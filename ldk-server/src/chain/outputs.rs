//! Checks whether an output is spent.

use electrum_client::{ElectrumApi as _, GetHistoryRes};
use ldk_node::bitcoin::{OutPoint, ScriptBuf, Txid};
use serde::Deserialize;

use super::error::RequestError;
use super::{bitcoind, electrum, esplora};
use crate::config::{BitcoindConfig, ChainSource, EsploraConfig};

/// An output with a script of its own, such as the funding output of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) outpoint: OutPoint,
    pub(crate) script: ScriptBuf,
}

/// Whether a confirmed transaction spends the output. An unknown output may count as spent.
pub(crate) async fn is_spent(source: &ChainSource, output: &Output) -> Result<bool, RequestError> {
    match source {
        ChainSource::Bitcoind(bitcoind) => by_core(bitcoind, output.outpoint).await,
        ChainSource::Esplora(esplora) => by_esplora(esplora, output.outpoint).await,
        ChainSource::Electrum(config) => {
            let (txid, script) = (output.outpoint.txid, output.script.clone());
            let history = electrum::ask(config, move |server| server.script_get_history(&script));
            Ok(is_over(&history.await?, txid))
        },
    }
}

/// Whether the history of an output's script has a confirmed transaction besides the one that created
/// the output.
fn is_over(history: &[GetHistoryRes], made_by: Txid) -> bool {
    history.iter().any(|transaction| transaction.tx_hash != made_by && transaction.height > 0)
}

async fn by_core(config: &BitcoindConfig, output: OutPoint) -> Result<bool, RequestError> {
    let is_unspent = bitcoind::is_unspent(config, output).await;
    Ok(!is_unspent?)
}

async fn by_esplora(config: &EsploraConfig, output: OutPoint) -> Result<bool, RequestError> {
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
    let answer = esplora::get(config, &path).await?;
    let Outspend { spent, status } = serde_json::from_str(&answer)?;
    Ok(spent && status.is_some_and(|status| status.confirmed))
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;
    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{ElectrumConfig, HostPort};

    #[tokio::test]
    async fn an_electrum_server_tells_of_a_spend_by_the_history_of_the_script() {
        let [funding, closing] = [[7; 32], [8; 32]].map(Txid::from_byte_array);
        let entry = |txid: Txid, height: i32| json!({ "tx_hash": txid, "height": height });
        let output = Output {
            outpoint: OutPoint { txid: funding, vout: 1 },
            script: ScriptBuf::from_bytes(vec![0, 32]),
        };
        for (history, expected) in [
            (vec![], false),
            (vec![entry(funding, 100)], false),
            (vec![entry(funding, 100), entry(closing, 0)], false),
            (vec![entry(funding, 100), entry(closing, 101)], true),
        ] {
            let source = electrum(server_with(Value::from(history)).await);
            assert_eq!(is_spent(&source, &output).await.unwrap(), expected);
        }
        assert!(is_spent(&electrum(1), &output).await.is_err());
    }

    /// The port of an Electrum server with this for the history of every script. It takes one client.
    async fn server_with(history: Value) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let request: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(request["method"], "blockchain.scripthash.get_history");
                let answer = json!({ "id": request["id"], "result": history });
                writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
        });
        port
    }

    fn electrum(port: u16) -> ChainSource {
        let server = HostPort { host: "127.0.0.1".to_owned(), port };
        ChainSource::Electrum(ElectrumConfig { server, uses_tls: false, ca_cert_path: None })
    }
}
