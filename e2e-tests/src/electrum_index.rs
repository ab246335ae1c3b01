//! An Electrum server of the chain of a bitcoind: it knows all of it, and broadcasts. It looks
//! everything up anew for each question, which is for short chains only.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::bitcoind::CoreClient;
use crate::network::Network;
use crate::tls::tls_accept;

/// As of real servers.
const MAX_HEADERS: u64 = 2_016;

/// The server. It ends when this is dropped.
pub struct ElectrumIndex {
    url: String,
    _serving: JoinSet<()>,
}

impl ElectrumIndex {
    /// Begins to serve the chain of this network over TLS, as `localhost`.
    pub async fn start_with_tls(network: &Network, authority: &Authority) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("ssl://localhost:{}", listener.local_addr()?.port());
        let chain = Arc::new(Chain::of(network));
        let acceptor = authority.acceptor();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(answer(tcp, acceptor.clone(), Arc::clone(&chain)));
            }
        });
        Ok(Self { url, _serving: serving })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Answers until the client leaves. A question is a line, and so is an answer.
async fn answer(tcp: TcpStream, acceptor: TlsAcceptor, chain: Arc<Chain>) -> Result<()> {
    let mut stream = BufStream::new(tls_accept(Some(acceptor), tcp).await?);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let question: Value = serde_json::from_str(&line)?;
        let mut answer = match chain.answer(&question).await {
            Ok(result) => json!({ "result": result }),
            Err(error) => json!({ "error": { "code": 1, "message": format!("{error:#}") } }),
        };
        answer["id"] = question["id"].clone();
        stream.write_all(format!("{answer}\n").as_bytes()).await?;
        stream.flush().await?;
        line.clear();
    }
    Ok(())
}

/// What there is to know of a transaction.
struct Transaction {
    txid: String,
    /// The scripts that it pays to or spends from, as Electrum names them.
    scripts: BTreeSet<String>,
}

struct Chain {
    core: CoreClient,
    /// The transactions of the blocks, by their hashes.
    blocks: Mutex<BTreeMap<String, Arc<Vec<Transaction>>>>,
}

impl Chain {
    fn of(network: &Network) -> Self {
        Self { core: network.bitcoind().client(), blocks: Mutex::default() }
    }

    async fn answer(&self, question: &Value) -> Result<Value> {
        let params = &question["params"];
        let first = params[0].clone();
        match question["method"].as_str().context("no method")? {
            "blockchain.headers.subscribe" => {
                let height = self.core.call("getblockcount", &[]).await?;
                Ok(json!({ "hex": self.header(height.clone()).await?, "height": height }))
            },
            "blockchain.block.header" => self.header(first).await,
            "blockchain.block.headers" => self.headers(&first, &params[1]).await,
            "blockchain.estimatefee" => Ok(json!(0.000_01)),
            "blockchain.scripthash.get_history" => self.history(&text(&first)?).await,
            "blockchain.transaction.get" => self.core.call("getrawtransaction", &[first]).await,
            "blockchain.transaction.get_merkle" => self.merkle(&text(&first)?, &params[1]).await,
            "blockchain.transaction.broadcast" => {
                self.core.call("sendrawtransaction", &[first]).await
            },
            other => bail!("{other} is not known"),
        }
    }

    async fn header(&self, height: Value) -> Result<Value> {
        let hash = self.core.call("getblockhash", &[height]).await?;
        self.core.call("getblockheader", &[hash, json!(false)]).await
    }

    /// As many headers from this height on as there are.
    async fn headers(&self, start: &Value, count: &Value) -> Result<Value> {
        let (start, count) = start.as_u64().zip(count.as_u64()).context("no numbers")?;
        let count = count.min(MAX_HEADERS);
        let tip = self.core.call("getblockcount", &[]).await?.as_u64().context("no height")?;
        let (end, mut headers) = ((start + count).min(tip + 1), String::new());
        for height in start..end {
            headers += &text(&self.header(json!(height)).await?)?;
        }
        Ok(json!({ "count": end - start, "hex": headers, "max": MAX_HEADERS }))
    }

    /// The transactions of a script, with their heights; those that wait for a block have none.
    async fn history(&self, script: &str) -> Result<Value> {
        let tip = self.core.call("getblockcount", &[]).await?.as_u64().context("no height")?;
        let mut history = Vec::new();
        // The first block has nothing that anybody could spend.
        for height in 1..=tip {
            for transaction in self.block(&json!(height)).await?.iter() {
                if transaction.scripts.contains(script) {
                    history.push(json!({ "tx_hash": transaction.txid, "height": height }));
                }
            }
        }
        let mempool = self.core.call("getrawmempool", &[]).await?;
        for txid in mempool.as_array().into_iter().flatten() {
            let with_inputs = [txid.clone(), json!(2)];
            let transaction = self.core.call("getrawtransaction", &with_inputs).await?;
            if scripts(&transaction)?.contains(script) {
                history.push(json!({ "tx_hash": txid, "height": 0, "fee": 0 }));
            }
        }
        Ok(Value::from(history))
    }

    async fn block(&self, height: &Value) -> Result<Arc<Vec<Transaction>>> {
        let hash = self.core.call("getblockhash", slice::from_ref(height)).await?;
        let key = hash.to_string();
        let known = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(block) = known {
            return Ok(block);
        }
        // With what each input spends.
        let block = self.core.call("getblock", &[hash, json!(3)]).await?;
        let transactions = block["tx"].as_array().context("no transactions")?;
        let read = |transaction: &Value| {
            let txid = text(&transaction["txid"])?;
            anyhow::Ok(Transaction { txid, scripts: scripts(transaction)? })
        };
        let block = Arc::new(transactions.iter().map(read).collect::<Result<Vec<_>>>()?);
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(key, Arc::clone(&block));
        Ok(block)
    }

    /// The proof that a transaction is in the block at this height.
    async fn merkle(&self, txid: &str, height: &Value) -> Result<Value> {
        let block = self.block(height).await?;
        let position = block.iter().position(|transaction| transaction.txid == txid);
        let position = position.context("it is not in that block")?;
        let leaf = |transaction: &Transaction| Ok(reversed(hex::decode(&transaction.txid)?));
        let mut row = block.iter().map(leaf).collect::<Result<Vec<_>>>()?;
        let (mut branch, mut index) = (Vec::new(), position);
        while row.len() > 1 {
            if row.len() % 2 == 1 {
                row.extend(row.last().cloned());
            }
            branch.push(hex::encode(reversed(row[index ^ 1].clone())));
            row = row.chunks(2).map(|pair| hashed_twice(&pair.concat())).collect();
            index /= 2;
        }
        Ok(json!({ "block_height": height, "pos": position, "merkle": branch }))
    }
}

fn scripts(transaction: &Value) -> Result<BTreeSet<String>> {
    let list = |name: &str| transaction[name].as_array().cloned().unwrap_or_default();
    let spent = list("vin").into_iter().map(|input| input["prevout"].clone());
    let mut names = BTreeSet::new();
    for output in list("vout").into_iter().chain(spent) {
        // The input of a coinbase spends nothing.
        if let Some(script) = output["scriptPubKey"]["hex"].as_str() {
            let hash = Sha256::digest(hex::decode(script)?).to_vec();
            names.insert(hex::encode(reversed(hash)));
        }
    }
    Ok(names)
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a text"))
}

fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn hashed_twice(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}
