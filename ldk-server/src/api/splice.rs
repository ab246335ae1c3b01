//! Splices: moving funds between the on-chain wallet and an open channel.

use ldk_node::bitcoin::Address;
use ldk_server_grpc::api::splice_in_request::Amount;
use ldk_server_grpc::api::{
    AllFunds, SpliceInRequest, SpliceInResponse, SpliceOutRequest, SpliceOutResponse,
};

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;

pub(super) fn splice_in(
    app: &App,
    caller: &Caller,
    request: SpliceInRequest,
) -> Result<SpliceInResponse, Error> {
    let SpliceInRequest { user_channel_id, counterparty_node_id, amount, idempotency_key: _ } =
        request;
    let amount_sats = match amount {
        Some(Amount::SpliceAmountSats(amount)) => {
            Some(fields::amount_sat("splice_amount_sats", amount)?)
        },
        Some(Amount::AllFunds(AllFunds {})) => None,
        None => return Err(Error::invalid("splice_amount_sats", "must be set, or else all_funds")),
    };
    let channel = fields::channel(&user_channel_id, &counterparty_node_id)?;
    ops::splice::splice_in(app, caller, channel, amount_sats)?;
    Ok(SpliceInResponse { repeated: false })
}

pub(super) fn splice_out(
    app: &App,
    caller: &Caller,
    request: SpliceOutRequest,
) -> Result<SpliceOutResponse, Error> {
    let SpliceOutRequest {
        user_channel_id,
        counterparty_node_id,
        address,
        splice_amount_sats,
        all_funds,
        idempotency_key: _,
    } = request;
    let address = address.map(|text| segwit_address(app, &text)).transpose()?;
    let amount_sats = match (splice_amount_sats, all_funds) {
        (0, Some(AllFunds {})) => None,
        (_, Some(AllFunds {})) => {
            let reason = "must not be set together with splice_amount_sats";
            return Err(Error::invalid("all_funds", reason));
        },
        (amount, None) => Some(fields::amount_sat("splice_amount_sats", amount)?),
    };
    let channel = fields::channel(&user_channel_id, &counterparty_node_id)?;
    let address = ops::splice::splice_out(app, caller, channel, address, amount_sats)?;
    Ok(SpliceOutResponse { address: address.to_string(), repeated: false })
}

/// Parses an address that a splice can pay to; the peer aborts the splice for any other.
fn segwit_address(app: &App, text: &str) -> Result<Address, Error> {
    const FIELD: &str = "address";
    let address = fields::address(FIELD, text, app.network)?;
    if ops::splice::can_be_spliced_to(&address.script_pubkey()) {
        Ok(address)
    } else {
        Err(Error::invalid(FIELD, format!("{address} is not a segwit address")))
    }
}
