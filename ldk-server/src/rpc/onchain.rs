//! The on-chain wallet.

use ldk_node::NodeError;
use ldk_node::bitcoin::{Address, FeeRate, Txid};
use ldk_server_grpc::api::{
    OnchainReceiveRequest, OnchainReceiveResponse, OnchainSendRequest, OnchainSendResponse,
};

use super::{App, fields};
use crate::caller::Caller;
use crate::error::Error;

/// Far beyond what was ever paid, and half of what Bitcoin Core takes for a mistake: it would refuse
/// the transaction, and the library would not tell.
const MAX_FEE_RATE_SAT_PER_VB: u64 = 5_000;

pub(super) fn receive(
    app: &App,
    OnchainReceiveRequest {}: OnchainReceiveRequest,
) -> Result<OnchainReceiveResponse, Error> {
    let address = app.node.onchain_payment().new_address()?.to_string();
    Ok(OnchainReceiveResponse { address })
}

pub(super) fn send(
    app: &App,
    caller: &Caller,
    request: OnchainSendRequest,
) -> Result<OnchainSendResponse, Error> {
    let OnchainSendRequest { address, amount_sats, send_all, fee_rate_sat_per_vb } = request;
    let address = fields::address("address", &address, app.network)?;
    let fee_rate = fee_rate_sat_per_vb.map(fee_rate).transpose()?;
    let amount_sats = match (amount_sats, send_all) {
        (Some(amount_sats), None) => {
            Some(fields::output_sat("amount_sats", amount_sats, &address)?)
        },
        (None, Some(true)) => None,
        (Some(_), Some(_)) => {
            return Err(Error::invalid("send_all", "must not be set together with amount_sats"));
        },
        (None, Some(false) | None) => {
            return Err(Error::invalid("amount_sats", "must be set, or else send_all to true"));
        },
    };
    let txid = spend(app, caller, &address, amount_sats, fee_rate)?;
    Ok(OnchainSendResponse { txid: txid.to_string() })
}

/// Pays an amount that the address takes.
pub(super) fn pay(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount_sats: u64,
) -> Result<Txid, Error> {
    let amount_sats = fields::output_sat("amount_sats", amount_sats, address)?;
    spend(app, caller, address, Some(amount_sats), None)
}

fn spend(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount_sats: Option<u64>,
    fee_rate: Option<FeeRate>,
) -> Result<Txid, Error> {
    let wallet = app.node.onchain_payment();
    app.spending.transaction(caller, amount_sats, || {
        let made = match amount_sats {
            Some(amount_sats) => wallet.send_to_address(address, amount_sats, fee_rate),
            None => wallet.send_all_to_address(address, false, fee_rate),
        };
        made.map_err(refusal)
    })
}

/// Why the wallet makes no transaction. All else being checked, it is for lack of money.
fn refusal(error: NodeError) -> Error {
    match error {
        NodeError::InsufficientFunds | NodeError::OnchainTxCreationFailed => {
            Error::FailedPrecondition(
                "the spendable funds of the wallet do not cover the amount and the fee".to_owned(),
            )
        },
        other => other.into(),
    }
}

fn fee_rate(sat_per_vb: u64) -> Result<FeeRate, Error> {
    const FIELD: &str = "fee_rate_sat_per_vb";
    let sat_per_vb = fields::positive(FIELD, sat_per_vb)?;
    FeeRate::from_sat_per_vb(sat_per_vb)
        .filter(|_| sat_per_vb <= MAX_FEE_RATE_SAT_PER_VB)
        .ok_or_else(|| {
            let limit = MAX_FEE_RATE_SAT_PER_VB;
            Error::invalid(FIELD, format!("{sat_per_vb} is too large; at most {limit}"))
        })
}
