//! `listtransactions`.

use ldk_node::bitcoin::consensus::encode::serialize_hex;
use serde::Serialize;

use super::{Method, wallet};
use crate::books::WalletTransaction;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

/// `listtransactions`: the transactions of the wallet.
pub(super) struct ListTransactions;

#[derive(Serialize)]
pub(super) struct Listed {
    transactions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    hash: String,
    rawtx: String,
    /// 0 before it is in a block.
    blockheight: u32,
    /// The wallet does not know its place in the block.
    txindex: u32,
    locktime: u32,
    version: u32,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

#[derive(Serialize)]
struct Input {
    txid: String,
    index: u32,
    sequence: u32,
}

#[derive(Serialize)]
struct Output {
    index: u32,
    amount_msat: u64,
    #[serde(rename = "scriptPubKey")]
    script_pubkey: String,
}

impl Method for ListTransactions {
    const NAME: &'static str = "listtransactions";
    const USAGE: &'static str = "";
    const IS_LONG: bool = true;
    type Answer = Listed;

    fn read(_: &Args) -> Result<Self, RpcError> {
        Ok(Self)
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let coins = wallet::coins(&call).await?;
        Ok(Listed { transactions: coins.transactions.iter().map(Row::of).collect() })
    }
}

impl Row {
    fn of(of: &WalletTransaction) -> Self {
        let transaction = &of.transaction;
        let inputs = transaction.input.iter().map(|input| Input {
            txid: input.previous_output.txid.to_string(),
            index: input.previous_output.vout,
            sequence: input.sequence.0,
        });
        let outputs = (0..).zip(&transaction.output).map(|(index, output)| Output {
            index,
            amount_msat: output.value.to_sat().saturating_mul(1_000),
            script_pubkey: output.script_pubkey.to_hex_string(),
        });
        Self {
            hash: transaction.compute_txid().to_string(),
            rawtx: serialize_hex(&**transaction),
            blockheight: of.position.height.unwrap_or_default(),
            txindex: 0,
            locktime: transaction.lock_time.to_consensus_u32(),
            version: transaction.version.0.cast_unsigned(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        }
    }
}
