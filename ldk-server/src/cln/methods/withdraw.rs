//! `withdraw`.

use ldk_node::bitcoin::Txid;
use ldk_server_grpc::api::{AllFunds, OnchainSendRequest};
use serde::Serialize;

use super::{Method, feerates, wallet};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::{RpcError, code};
use crate::cln::onchain_args::{FeeRate, SatOrAll};
use crate::error::Error;

pub(super) const NO_CHOICE: &str = "the node library chooses the coins";

/// `withdraw`: pays from the wallet to an address.
pub(super) struct Withdraw {
    destination: String,
    sats: Option<u64>,
    feerate: Option<FeeRate>,
}

#[derive(Serialize)]
pub(super) struct Withdrawn {
    txid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psbt: Option<String>,
}

/// The wallet takes coins as it finds them, so more confirmations than usual cannot be asked for.
pub(super) fn check_minconf(args: &Args) -> Result<(), RpcError> {
    match args.optional::<u32>("minconf")? {
        None | Some(0 | 1) => Ok(()),
        Some(_) => args.refuse(&["minconf"], NO_CHOICE),
    }
}

impl Method for Withdraw {
    const NAME: &'static str = "withdraw";
    const USAGE: &'static str = "destination satoshi [feerate] [minconf] [utxos]";
    type Answer = Withdrawn;

    fn read(args: &Args) -> Result<Self, RpcError> {
        check_minconf(args)?;
        args.refuse(&["utxos"], NO_CHOICE)?;
        Ok(Self {
            destination: args.required("destination")?,
            sats: args.required::<SatOrAll>("satoshi")?.0,
            feerate: args.optional("feerate")?,
        })
    }

    async fn run(self, call: Call) -> Result<Withdrawn, RpcError> {
        let rate = match self.feerate {
            Some(feerate) => Some(sat_per_vb(feerates::resolved(&call, feerate).await?)),
            None => None,
        };
        let request = OnchainSendRequest {
            address: self.destination,
            amount_sats: self.sats,
            all_funds: self.sats.is_none().then(AllFunds::default),
            fee_rate_sat_per_vb: rate,
            ..Default::default()
        };
        let sent = call.ask(rpc::OnchainSend, request).await;
        let txid = sent.map_err(refusal)?.txid;
        let sent: Txid = txid.parse().map_err(|error| RpcError::internal(&error))?;
        // It is sent: that it cannot be shown must not look like a failure.
        let shown = wallet::transaction(&call, sent).await.unwrap_or_default();
        let psbt = shown.as_ref().and_then(|shown| shown.psbt().ok());
        Ok(Withdrawn { txid, tx: shown.map(|shown| shown.hex()), psbt })
    }
}

fn refusal(error: Error) -> RpcError {
    match error {
        Error::FailedPrecondition(reason) => RpcError::new(code::FUND_CANNOT_AFFORD, reason),
        other => other.into(),
    }
}

/// The API takes whole satoshis per virtual byte: the nearest.
fn sat_per_vb(per_kw: u64) -> u64 {
    const PER_KW: u64 = 250;
    (per_kw.saturating_add(PER_KW / 2) / PER_KW).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(params: Value) -> Result<Withdraw, RpcError> {
        Withdraw::read(&Args::of(Withdraw::USAGE, Some(params))?)
    }

    #[test]
    fn an_amount_is_one_of_satoshis_or_all() {
        assert_eq!(read(json!(["bcrt1", 10_000, "1000perkb"])).unwrap().sats, Some(10_000));
        assert_eq!(read(json!(["bcrt1", "all", null, 1])).unwrap().sats, None);
        for params in [
            json!(["bcrt1"]),
            json!(["bcrt1", "any"]),
            json!(["bcrt1", 1, "fast"]),
            json!(["bcrt1", 1, null, 2]),
            json!(["bcrt1", 1, null, null, ["ab:0"]]),
        ] {
            assert_eq!(read(params).err().unwrap().code, code::INVALID_PARAMS);
        }
    }

    #[test]
    fn fee_rates_are_whole_satoshis() {
        for (per_kw, per_vb) in [(0, 1), (250, 1), (253, 1), (374, 1), (375, 2), (2_500, 10)] {
            assert_eq!(sat_per_vb(per_kw), per_vb, "{per_kw}");
        }
    }
}
