//! A bitcoind with a regtest chain of its own, and a wallet that has money.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lightning_block_sync::http::{HttpEndpoint, JsonResponse};
use lightning_block_sync::rpc::RpcClient;
use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::ports::Port;
use crate::process::{Group, Log, Process};

const START_PATIENCE: Duration = Duration::from_secs(60);
/// The coins of a block can be spent when it has so many after it.
const BLOCKS_TO_MATURITY: u32 = 100;
/// Anyone can spend what is paid to this: nobody has to keep account of it.
const ANYONE: &str = "raw(51)";

const USER: &str = "regtest";
/// The password of the RPC interface. It is like no word of a message, so that a test can tell
/// whether it was written somewhere.
pub const RPC_PASSWORD: &str = "never-in-a-log";

/// Asks a bitcoind by RPC, as long as that runs.
pub(crate) struct CoreClient(RpcClient);

impl CoreClient {
    /// Calls an RPC by its name.
    pub(crate) async fn call(&self, method: &str, params: &[Value]) -> Result<Value> {
        call(&self.0, method, params).await
    }
}

/// A running bitcoind. Dropping it kills it.
pub struct Bitcoind {
    rpc: RpcClient,
    port: Port,
    process: Mutex<Process>,
    log: Log,
}

impl Bitcoind {
    /// Starts bitcoind with its data in `dir`, and mines until its wallet has coins to spend.
    pub async fn start(exe: &Path, dir: &Path, group: Group) -> Result<Self> {
        let port = Port::claim()?;
        fs::create_dir_all(dir)?;
        fs::write(dir.join("bitcoin.conf"), configuration(&port))?;
        let log = Log::new(dir.join("bitcoind.log"));
        let mut command = Command::new(exe);
        command.arg(format!("-datadir={}", dir.display()));
        let mut process = Process::spawn("bitcoind", command, &log, group)?;

        let rpc = rpc_client(&port);
        let get_ready = async || call(&rpc, "createwallet", &[json!("miner")]).await;
        process
            .until("bitcoind is ready", START_PATIENCE, get_ready)
            .await
            .map_err(|error| anyhow!("{error:#}\n{}", log.tail()))?;
        let address = call(&rpc, "getnewaddress", &[]).await?;
        call(&rpc, "generatetoaddress", &[json!(1), address]).await?;
        let bitcoind = Self { rpc, port, process: Mutex::new(process), log };
        bitcoind.mine(BLOCKS_TO_MATURITY).await?;
        Ok(bitcoind)
    }

    /// Another client of it.
    pub(crate) fn client(&self) -> CoreClient {
        CoreClient(rpc_client(&self.port))
    }

    /// Calls an RPC by its name.
    pub async fn call(&self, method: &str, params: &[Value]) -> Result<Value> {
        call(&self.rpc, method, params).await
    }

    /// Mines so many blocks.
    pub async fn mine(&self, blocks: u32) -> Result<()> {
        self.call("generatetodescriptor", &[json!(blocks), json!(ANYONE)]).await.map(drop)
    }

    /// Sends so many satoshis to each of the addresses, in one transaction whose id is returned.
    pub async fn send(&self, addresses: &[String], amount_sats: u64) -> Result<String> {
        let amount_btc = format!("{}.{:08}", amount_sats / 100_000_000, amount_sats % 100_000_000);
        let outputs: Map<String, Value> =
            addresses.iter().map(|address| (address.clone(), json!(amount_btc))).collect();
        text(&self.call("sendmany", &[json!(""), Value::Object(outputs)]).await?)
    }

    /// The height of the chain.
    pub async fn height(&self) -> Result<u32> {
        let height = self.call("getblockcount", &[]).await?;
        Ok(u32::try_from(height.as_u64().context("the height is no number")?)?)
    }

    /// The ids of the transactions that wait for a block.
    pub async fn mempool(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.call("getrawmempool", &[]).await?)?)
    }

    /// A transaction, confirmed or not, as `getrawtransaction` describes it.
    pub async fn transaction(&self, txid: &str) -> Result<Value> {
        self.call("getrawtransaction", &[json!(txid), json!(true)]).await
    }

    /// `host:port` of the RPC and REST interfaces.
    pub fn rpc_address(&self) -> String {
        self.port.address()
    }

    /// The user and the password of the RPC interface.
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (USER, RPC_PASSWORD)
    }

    /// Stops bitcoind and waits until it has ended, with code 0.
    pub async fn stop(&self) -> Result<()> {
        let status = self.process.lock().await.terminate().await?;
        if !status.success() {
            bail!("bitcoind ended with {status}\n{}", self.log.tail());
        }
        Ok(())
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }
}

fn configuration(port: &Port) -> String {
    format!(
        "regtest=1\n\
         [regtest]\n\
         rpcuser={USER}\n\
         rpcpassword={RPC_PASSWORD}\n\
         rpcport={}\n\
         rest=1\n\
         txindex=1\n\
         # A chain of its own: no peers, and no looking for any.\n\
         listen=0\n\
         networkactive=0\n\
         dnsseed=0\n\
         fixedseeds=0\n\
         # Knots would refuse a transaction whose lock time happens to be block 21; Core does not know it.\n\
         rejectparasites=0\n\
         # There are no fees on this chain to estimate from.\n\
         fallbackfee=0.00001\n\
         printtoconsole=1\n\
         nodebuglogfile=1\n",
        port.number()
    )
}

fn rpc_client(port: &Port) -> RpcClient {
    let endpoint = HttpEndpoint::for_host("127.0.0.1".to_owned()).with_port(port.number());
    RpcClient::new(&BASE64_STANDARD.encode(format!("{USER}:{RPC_PASSWORD}")), endpoint)
}

async fn call(rpc: &RpcClient, method: &str, params: &[Value]) -> Result<Value> {
    struct Json(Value);
    impl TryFrom<JsonResponse> for Json {
        type Error = std::io::Error;
        fn try_from(response: JsonResponse) -> std::io::Result<Self> {
            Ok(Self(response.0))
        }
    }
    let answer = rpc.call_method::<Json>(method, params).await;
    answer.map(|Json(result)| result).with_context(|| format!("bitcoind: {method}"))
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a text"))
}
