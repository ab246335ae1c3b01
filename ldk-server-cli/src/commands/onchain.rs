//! The on-chain wallet.

use clap::{ArgAction, Args};
use ldk_server_grpc::api::{
    AllFunds, EstimateOnchainFeesRequest, OnchainReceiveRequest, OnchainSendRequest,
};

use crate::amount::AmountOrAll;
use crate::args::{OnceArgs, PaymentNoteArgs};
use crate::failure::Failure;

unary_commands!(Commands {
    OnchainReceive => onchain_receive,
    OnchainSend => onchain_send,
    EstimateOnchainFees => estimate_onchain_fees,
});

/// Get a new address of the node's on-chain wallet
#[derive(Debug, Args)]
pub(crate) struct OnchainReceive;

impl From<OnchainReceive> for OnchainReceiveRequest {
    fn from(_: OnchainReceive) -> Self {
        Self {}
    }
}

/// Send from the node's on-chain wallet to an address
#[derive(Debug, Args)]
pub(crate) struct OnchainSend {
    /// Address to send to
    address: String,

    /// Amount with its unit (sat, or msat in whole sats), or all, which keeps the reserve for closing
    /// channels; omit it with --send-all true
    amount: Option<AmountOrAll>,

    /// Send everything, including the reserve for closing channels; refused while channels are open
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    send_all: Option<bool>,

    /// With --send-all true, spend the reserve even if open channels need it
    #[arg(long)]
    force: bool,

    /// Fee rate in sat per virtual byte [default: an estimate]
    #[arg(long, value_name = "SAT_PER_VB")]
    fee_rate_sat_per_vb: Option<u64>,

    #[command(flatten)]
    once: OnceArgs,

    #[command(flatten)]
    notes: PaymentNoteArgs,
}

impl TryFrom<OnchainSend> for OnchainSendRequest {
    type Error = Failure;

    fn try_from(command: OnchainSend) -> Result<Self, Failure> {
        let (amount_sats, all_funds) = match command.amount {
            None => (None, None),
            Some(AmountOrAll::Amount(amount)) => (Some(amount.sat()?), None),
            Some(AmountOrAll::All) => (None, Some(AllFunds {})),
        };
        let (label, metadata) = command.notes.notes();
        Ok(Self {
            address: command.address,
            amount_sats,
            send_all: command.send_all,
            fee_rate_sat_per_vb: command.fee_rate_sat_per_vb,
            all_funds,
            force: command.force,
            idempotency_key: command.once.key(),
            label: label.unwrap_or_default(),
            metadata,
        })
    }
}

/// Estimate what on-chain payments, and opening, splicing and closing channels cost now
#[derive(Debug, Args)]
pub(crate) struct EstimateOnchainFees {
    /// Number of coins of the wallet that a transaction spends [default: 2]
    #[arg(long, value_name = "NUMBER")]
    wallet_inputs: Option<u32>,
}

impl From<EstimateOnchainFees> for EstimateOnchainFeesRequest {
    fn from(command: EstimateOnchainFees) -> Self {
        Self { wallet_inputs: command.wallet_inputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn onchain_send_takes_an_amount_or_send_all() {
        let request = request::<OnchainSend, OnchainSendRequest>;
        let to = || OnchainSendRequest { address: "bcrt1q".to_owned(), ..Default::default() };
        assert_eq!(
            request("bcrt1q 1500sat --fee-rate-sat-per-vb 3"),
            Ok(OnchainSendRequest {
                amount_sats: Some(1_500),
                fee_rate_sat_per_vb: Some(3),
                ..to()
            })
        );
        assert_eq!(
            request("bcrt1q --send-all true"),
            Ok(OnchainSendRequest { send_all: Some(true), ..to() })
        );
        assert_eq!(
            request("bcrt1q --send-all true --force"),
            Ok(OnchainSendRequest { send_all: Some(true), force: true, ..to() })
        );
        assert_eq!(
            request("bcrt1q all"),
            Ok(OnchainSendRequest { all_funds: Some(AllFunds {}), ..to() })
        );
        let fraction = request("bcrt1q 1500msat").unwrap_err();
        assert!(fraction.starts_with("Error: amount 1500msats is not evenly"), "{fraction}");
    }
}
