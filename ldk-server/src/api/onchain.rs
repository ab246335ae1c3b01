//! The on-chain wallet.

use ldk_node::bitcoin::{Address, FeeRate};
use ldk_server_grpc::api::{
    AllFunds, OnchainReceiveRequest, OnchainReceiveResponse, OnchainSendRequest,
    OnchainSendResponse,
};

use super::{fields, notes};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::onchain::Amount;
use crate::store::with_notes;

/// Far beyond what was ever paid, and half of what Bitcoin Core takes for a mistake: it would refuse
/// the transaction, and the library would not tell.
const MAX_FEE_RATE_SAT_PER_VB: u64 = 5_000;

pub(super) fn receive(
    app: &App,
    _: &Caller,
    OnchainReceiveRequest {}: OnchainReceiveRequest,
) -> Result<OnchainReceiveResponse, Error> {
    let address = ops::onchain::receive(app)?;
    Ok(OnchainReceiveResponse { address: address.to_string() })
}

pub(super) fn send(
    app: &App,
    caller: &Caller,
    request: OnchainSendRequest,
) -> Result<OnchainSendResponse, Error> {
    let address = fields::address("address", &request.address, app.network)?;
    let fee_rate = request.fee_rate_sat_per_vb.map(fee_rate).transpose()?;
    let amount = parse_amount(&request, &address)?;
    let notes = notes::of_payment(request.label, request.metadata)?;
    let send = || ops::onchain::send(app, caller, &address, amount, fee_rate);
    let txid = with_notes(&notes, send)?;
    Ok(OnchainSendResponse { txid: txid.to_string(), repeated: false })
}

fn parse_amount(request: &OnchainSendRequest, address: &Address) -> Result<Amount, Error> {
    let OnchainSendRequest { amount_sats, send_all, all_funds, force, .. } = *request;
    if force && send_all != Some(true) {
        return Err(Error::invalid("force", "must not be set without send_all"));
    }
    match (amount_sats, send_all, all_funds) {
        (Some(sats), None, None) => {
            fields::output_sat("amount_sats", sats, address).map(Amount::Sats)
        },
        (None, None, Some(AllFunds {})) => Ok(Amount::AllFunds),
        (None, Some(true), None) => Ok(Amount::Everything { force }),
        (None, Some(false) | None, None) => {
            Err(Error::invalid("amount_sats", "must be set, or else all_funds or send_all"))
        },
        (_, _, Some(AllFunds {})) => {
            Err(Error::invalid("all_funds", "must not be set together with another amount"))
        },
        (Some(_), Some(_), None) => {
            Err(Error::invalid("send_all", "must not be set together with amount_sats"))
        },
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

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    const ALL: Option<AllFunds> = Some(AllFunds {});

    fn amount(
        amount_sats: Option<u64>,
        send_all: Option<bool>,
        all_funds: Option<AllFunds>,
        force: bool,
    ) -> Result<Amount, String> {
        let address = Address::from_str("bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x");
        let request =
            OnchainSendRequest { amount_sats, send_all, all_funds, force, ..Default::default() };
        let amount = parse_amount(&request, &address.unwrap().assume_checked());
        amount.map_err(|error| error.to_string())
    }

    #[test]
    fn one_amount_is_named() {
        assert_eq!(amount(Some(5_000), None, None, false), Ok(Amount::Sats(5_000)));
        assert_eq!(amount(None, None, ALL, false), Ok(Amount::AllFunds));
        for force in [true, false] {
            assert_eq!(amount(None, Some(true), None, force), Ok(Amount::Everything { force }));
        }
        for (refused, field) in [
            (amount(None, None, None, false), "amount_sats: "),
            (amount(None, Some(false), None, false), "amount_sats: "),
            (amount(Some(5_000), Some(true), None, false), "send_all: "),
            (amount(Some(5_000), Some(false), None, false), "send_all: "),
            (amount(Some(5_000), None, ALL, false), "all_funds: "),
            (amount(None, Some(true), ALL, false), "all_funds: "),
            (amount(None, None, ALL, true), "force: "),
            (amount(Some(5_000), None, None, true), "force: "),
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.starts_with(field), "{refused}");
        }
    }
}
