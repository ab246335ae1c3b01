//! The on-chain wallet: its coins, and transactions that are to be shown.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ldk_node::bitcoin::consensus::encode::serialize_hex;
use ldk_node::bitcoin::psbt::Psbt;
use ldk_node::bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use ldk_server_grpc::api::{GetBalancesRequest, GetBalancesResponse};
use tokio::time::{Instant, sleep};

use crate::api::rpc;
use crate::books::{Coins, KnownTransactions};
use crate::cln::Call;
use crate::cln::error::RpcError;
use crate::error::Error;
use crate::ops::onchain;

/// How long a transaction is waited for that was sent: the wallet learns of it from its chain source.
const PATIENCE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(250);

/// What the wallet has and had, if the caller may know its balance.
pub(super) async fn coins(call: &Call) -> Result<Arc<Coins>, RpcError> {
    balances(call).await?;
    Ok(call.read("read_wallet", onchain::coins).await?)
}

pub(super) async fn balances(call: &Call) -> Result<GetBalancesResponse, RpcError> {
    Ok(call.ask(rpc::GetBalances, GetBalancesRequest {}).await?)
}

/// A transaction, and what it spends as far as that is known.
pub(super) struct Shown {
    transaction: Arc<Transaction>,
    spent: Vec<Option<TxOut>>,
}

impl Shown {
    fn of(transaction: &Arc<Transaction>, known: &KnownTransactions) -> Self {
        let spent = transaction.input.iter().map(|input| known.output(&input.previous_output));
        Self {
            transaction: Arc::clone(transaction),
            spent: spent.map(Option::<&_>::cloned).collect(),
        }
    }

    pub(super) fn txid(&self) -> String {
        self.transaction.compute_txid().to_string()
    }

    pub(super) fn hex(&self) -> String {
        serialize_hex(&*self.transaction)
    }

    /// The transaction as a PSBT with all signatures.
    pub(super) fn psbt(&self) -> Result<String, RpcError> {
        let mut unsigned = Transaction::clone(&self.transaction);
        for input in &mut unsigned.input {
            input.script_sig = ScriptBuf::new();
            input.witness.clear();
        }
        let psbt = Psbt::from_unsigned_tx(unsigned);
        let mut psbt = psbt.map_err(|error| RpcError::internal(&error))?;
        let signed = self.transaction.input.iter().zip(&self.spent);
        for (input, (signed, spent)) in psbt.inputs.iter_mut().zip(signed) {
            input.witness_utxo.clone_from(spent);
            input.final_script_witness =
                (!signed.witness.is_empty()).then(|| signed.witness.clone());
            input.final_script_sig =
                (!signed.script_sig.is_empty()).then(|| signed.script_sig.clone());
        }
        Ok(STANDARD.encode(psbt.serialize()))
    }
}

/// The transaction with this id, once the wallet knows it.
pub(super) async fn transaction(call: &Call, txid: Txid) -> Result<Option<Shown>, RpcError> {
    find(call, move |known| known.get(&txid).cloned()).await
}

/// The transaction that spends this output, once the wallet knows it.
pub(super) async fn spending(call: &Call, output: OutPoint) -> Result<Option<Shown>, RpcError> {
    find(call, move |known| known.spending(&output).cloned()).await
}

async fn find(
    call: &Call,
    find: impl Fn(&KnownTransactions) -> Option<Arc<Transaction>> + Clone + Send + 'static,
) -> Result<Option<Shown>, RpcError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let find = find.clone();
        let found = call.read("read_transactions", move |app| {
            let known = onchain::known_transactions(app)?;
            Ok::<_, Error>(find(&known).map(|found| Shown::of(&found, &known)))
        });
        match found.await? {
            None if Instant::now() < deadline => sleep(INTERVAL).await,
            found => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::consensus::encode::deserialize_hex;

    use super::*;

    #[test]
    fn a_psbt_has_the_signatures() {
        // Of the samples of Core Lightning.
        let hex = "02000000000101961331ad4e47cb7a9629aeb369077c44e8fb037327dd55ad5d8f099d145d7e220100\
                   000000fdffffff02e0930400000000002200207e22c57eaf5d167ddcdedf2c4fcdb905212005f89b45\
                   5f28e215d5a5c5d34f39b297ac050000000022512030a44049b1899681f7fc94e20c73f79d2d121031\
                   699f8bd330e95e4acb073bb90140405c836f698e4f0b4ce1d58210581a33b52becf660fe79e7597b2f\
                   925bd5dfbdd6b4c2e7098d76d1d2a287f25e91f6b27086a3c7824f5d0279a216e5a9a293c32f030000";
        let transaction: Transaction = deserialize_hex(hex).unwrap();
        let shown = Shown { spent: vec![None], transaction: Arc::new(transaction) };
        assert_eq!(
            shown.txid(),
            "09ed8d864c4b5a8b02a7022d94147077820312e5564464bc675139b8ef5c23a8"
        );
        assert_eq!(shown.hex(), hex);
        let psbt = STANDARD.decode(shown.psbt().unwrap()).unwrap();
        let psbt = Psbt::deserialize(&psbt).unwrap();
        assert_eq!(serialize_hex(&psbt.extract_tx_unchecked_fee_rate()), hex);
    }
}
