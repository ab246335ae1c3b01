//! The on-chain wallet.

use ldk_node::NodeError;
use ldk_node::bitcoin::{Address, FeeRate, Txid};
use ldk_server_grpc::api::{
    AllFunds, OnchainReceiveRequest, OnchainReceiveResponse, OnchainSendRequest,
    OnchainSendResponse,
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
    let address = fields::address("address", &request.address, app.network)?;
    let fee_rate = request.fee_rate_sat_per_vb.map(fee_rate).transpose()?;
    let amount = parse_amount(&request, &address)?;
    let txid = spend(app, caller, &address, amount, fee_rate)?;
    Ok(OnchainSendResponse { txid: txid.to_string() })
}

/// How much to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Sats(u64),
    /// All but the reserve for closing channels.
    AllFunds,
    /// All, with the reserve; while there are channels that need it, only by force.
    Everything {
        force: bool,
    },
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

/// Pays an amount that the address takes.
pub(super) fn pay(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount_sats: u64,
) -> Result<Txid, Error> {
    let amount_sats = fields::output_sat("amount_sats", amount_sats, address)?;
    spend(app, caller, address, Amount::Sats(amount_sats), None)
}

fn spend(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount: Amount,
    fee_rate: Option<FeeRate>,
) -> Result<Txid, Error> {
    let wallet = app.node.onchain_payment();
    let known_sats = match amount {
        Amount::Sats(sats) => Some(sats),
        Amount::AllFunds | Amount::Everything { .. } => None,
    };
    app.spending.transaction(caller, known_sats, || {
        let made = match amount {
            Amount::Sats(sats) => wallet.send_to_address(address, sats, fee_rate),
            Amount::AllFunds => wallet.send_all_to_address(address, true, fee_rate),
            Amount::Everything { force } => {
                check_reserve(app, force)?;
                wallet.send_all_to_address(address, false, fee_rate)
            },
        };
        made.map_err(|error| refusal(app, error))
    })
}

/// Refuses to spend the reserve, unless there are no channels that need it.
fn check_reserve(app: &App, force: bool) -> Result<(), Error> {
    let reserve_sats = app.node.list_balances().total_anchor_channels_reserve_sats;
    if reserve_sats == 0 || force {
        return Ok(());
    }
    Err(Error::FailedPrecondition(format!(
        "send_all would spend the {reserve_sats} sat that are kept to close channels; all_funds leaves \
         them, and force spends them all the same"
    )))
}

/// Why the wallet makes no transaction. All else being checked, it is for lack of money.
fn refusal(app: &App, error: NodeError) -> Error {
    match error {
        NodeError::InsufficientFunds | NodeError::OnchainTxCreationFailed => {
            let spendable_sats = app.node.list_balances().spendable_onchain_balance_sats;
            Error::FailedPrecondition(format!(
                "the spendable funds of the wallet, {spendable_sats} sat, do not cover the amount and \
                 the fee"
            ))
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
