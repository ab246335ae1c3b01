//! The on-chain wallet.

use std::sync::Arc;

use ldk_node::NodeError;
use ldk_node::bitcoin::{Address, FeeRate, Txid};

use super::budgets::{self, OnChainDraw};
use super::send::SendError;
use crate::app::App;
use crate::books::{Coins, KnownTransactions};
use crate::caller::Caller;
use crate::error::Error;
use crate::store::payment_id;

/// Returns a new address of the wallet.
pub fn receive(app: &App) -> Result<Address, Error> {
    Ok(app.node.onchain_payment().new_address()?)
}

/// How much to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// An amount in satoshis.
    Sats(u64),
    /// All funds except the reserve for closing channels.
    AllFunds,
    /// All funds including the reserve; with open channels that need it, only by force.
    Everything {
        /// Whether to spend the reserve even if channels need it.
        force: bool,
    },
}

/// Pays to an address. An amount in satoshis must not be dust for this address.
pub fn send(
    app: &App,
    caller: &Caller,
    address: &Address,
    amount: Amount,
    fee_rate: Option<FeeRate>,
) -> Result<Txid, SendError> {
    let known_sats = match amount {
        Amount::Sats(sats) => Some(sats),
        Amount::AllFunds | Amount::Everything { .. } => None,
    };
    let sat_per_kwu = fee_rate.map(FeeRate::to_sat_per_kwu);
    let wallet = app.node.onchain_payment();
    let mut draw = OnChainDraw::new(app, caller);
    let sent = app.spending.transaction(caller, known_sats, || {
        if let Amount::Everything { force } = amount {
            check_reserve(app, force)?;
        }
        draw.begin(|| budgets::transaction_cost_sats(app, known_sats, sat_per_kwu))?;
        let made = match amount {
            Amount::Sats(sats) => wallet.send_to_address(address, sats, fee_rate),
            Amount::AllFunds => wallet.send_all_to_address(address, true, fee_rate),
            Amount::Everything { .. } => wallet.send_all_to_address(address, false, fee_rate),
        };
        made.map_err(|error| refusal(app, error))
    });
    draw.end(sent, |txid| Some(payment_id(txid)))
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

/// Reads the coins and the transactions of the wallet.
pub fn coins(app: &App) -> Result<Arc<Coins>, Error> {
    app.books.coins(app.network).map_err(Error::internal)
}

/// Reads the transactions that the wallet knows.
pub fn known_transactions(app: &App) -> Result<KnownTransactions, Error> {
    KnownTransactions::read(&app.store).map_err(Error::internal)
}
