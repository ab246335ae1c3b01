//! Splices: moving funds between the on-chain wallet and an open channel.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::bitcoin::{Address, ScriptBuf, WitnessVersion};
use ldk_node::lightning::io;
use ldk_node::{ChannelDetails, NodeError, UserChannelId};

use super::budgets::{self, OnChainDraw};
use super::send::{self, SendError};
use super::{bounds, channels};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::store::IntentOutcome;

/// The part that every splice has: the input of the old and the output of the new funding.
const COMMON_VBYTES: u64 = 11 + 97 + 43;
/// Four inputs of the wallet, and change. With more inputs, some of the reserve pays for them.
const IN_VBYTES: u64 = COMMON_VBYTES + 4 * 68 + 31;
/// The largest output that can be spliced out to.
const OUT_VBYTES: u64 = COMMON_VBYTES + 51;

/// What a side that pays for the commitment transaction must be able to pay for, in weight units:
/// that transaction with one payment in it, and the two anchors beside it.
const COMMITMENT_WEIGHT: u64 = 1_124 + 172;
const ANCHORS_SATS: u64 = 2 * 330;

/// How often the amount for `all_funds` is lowered if the library finds it too high.
const MAX_TRIES: u32 = 12;
/// The first step by which it is lowered; each step is twice the one before.
const FIRST_STEP_SATS: u64 = 100;

/// Adds funds of the wallet to a channel; all spendable funds if there is no amount.
pub fn splice_in(
    app: &App,
    caller: &Caller,
    channel: (UserChannelId, PublicKey),
    amount_sats: Option<u64>,
) -> Result<(), SendError> {
    let channel = ready(app, channel)?;
    let add = |amount_sats| {
        written_down(app, &channel, signed(amount_sats), || {
            app.node.splice_in(&channel.user_channel_id, channel.counterparty_node_id, amount_sats)
        })
    };
    let mut draw = OnChainDraw::new(app, caller);
    let begun = app.spending.splice(caller, channel.user_channel_id, || {
        if app.budgets_count_funding {
            draw.begin(|| budgets::transaction_cost_sats(app, amount_sats, None))?;
        }
        begin(app, caller, &channel, None, || match amount_sats {
            Some(amount_sats) => add(amount_sats),
            None => highest(all_spendable_sats(app), 1, add),
        })
        .map_err(|error| in_refusal(app, error))
    });
    draw.end(begun, |()| None)
}

fn all_spendable_sats(app: &App) -> u64 {
    let fee_sats = app.spending.fee_allowance_sats(IN_VBYTES);
    app.node.list_balances().spendable_onchain_balance_sats.saturating_sub(fee_sats)
}

fn in_refusal(app: &App, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Library(NodeError::InsufficientFunds | NodeError::ChannelSplicingFailed) => {
            let spendable_sats = app.node.list_balances().spendable_onchain_balance_sats;
            Error::FailedPrecondition(format!(
                "the channel cannot be spliced: the wallet has {spendable_sats} sat to spend, of \
                 which what is confirmed must cover the amount and the fee; or another splice is \
                 pending, or the peer cannot splice"
            ))
        },
        other => other.into(),
    }
}

/// Pays from a channel to an address, or to a new one of the wallet, and returns the address. Without
/// an amount, all removable funds are paid. The address must be one that can be spliced to.
pub fn splice_out(
    app: &App,
    caller: &Caller,
    channel: (UserChannelId, PublicKey),
    address: Option<Address>,
    amount_sats: Option<u64>,
) -> Result<Address, SendError> {
    if let (Some(amount_sats), Some(address)) = (amount_sats, &address) {
        bounds::output_sat("splice_amount_sats", amount_sats, address)?;
    }
    let channel = ready(app, channel)?;
    check_sendable(&channel, amount_sats)?;
    let address = match address {
        Some(address) => address,
        None => own_address(app, amount_sats)?,
    };
    let take = |amount_sats| {
        let (id, counterparty) = (&channel.user_channel_id, channel.counterparty_node_id);
        written_down(app, &channel, -signed(amount_sats), || {
            app.node.splice_out(id, counterparty, &address, amount_sats)
        })
    };
    let dust_sats = address.script_pubkey().minimal_non_dust().to_sat();
    caller.commit()?;
    let mut draw = OnChainDraw::new(app, caller);
    draw.begin(|| out_cost_sats(app, &channel, amount_sats))?;
    let begun = begin(app, caller, &channel, Some(&address), || match amount_sats {
        Some(amount_sats) => take(amount_sats),
        None => highest(all_removable_sats(app, &channel), dust_sats, take),
    });
    draw.end(begun.map_err(|refusal| out_refusal(&channel, refusal)), |()| None)?;
    Ok(address)
}

/// What a budget counts for what leaves a channel.
fn out_cost_sats(app: &App, channel: &ChannelDetails, amount_sats: Option<u64>) -> u64 {
    let fee_sats = app.spending.fee_allowance_sats(OUT_VBYTES);
    let most_sats = channel.outbound_capacity_msat / 1000;
    amount_sats.map_or(most_sats, |amount_sats| amount_sats.saturating_add(fee_sats))
}

/// Refuses more than the channel can send.
fn check_sendable(channel: &ChannelDetails, amount_sats: Option<u64>) -> Result<(), Error> {
    let limit_sats = channel.outbound_capacity_msat / 1000;
    match amount_sats {
        Some(amount_sats) if amount_sats > limit_sats => Err(Error::FailedPrecondition(format!(
            "splice_amount_sats: {amount_sats} is more than the channel can send, {limit_sats}"
        ))),
        _ => Ok(()),
    }
}

/// About what can leave the channel, if anything too much: its balance, without the fee and the
/// reserve of a hundredth that must stay.
fn all_removable_sats(app: &App, channel: &ChannelDetails) -> u64 {
    let reserve_sats = channel.unspendable_punishment_reserve.unwrap_or_default();
    let mut balance_sats = channel.outbound_capacity_msat / 1000 + reserve_sats;
    if channel.is_outbound {
        let rate = u64::from(channel.feerate_sat_per_1000_weight);
        let commitment_sats = (rate * COMMITMENT_WEIGHT).div_ceil(1000) + ANCHORS_SATS;
        balance_sats = balance_sats.saturating_sub(commitment_sats);
    }
    // What leaves does not count for the reserve: it is 1/100 of what stays, or 1/99 of the others'
    // part.
    let others_sats = channel.channel_value_sats.saturating_sub(balance_sats);
    let fee_sats = app.spending.fee_allowance_sats(OUT_VBYTES);
    balance_sats.saturating_sub(others_sats.div_ceil(99)).saturating_sub(fee_sats)
}

fn out_refusal(channel: &ChannelDetails, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Library(NodeError::ChannelSplicingFailed) => {
            let limit_sats = channel.outbound_capacity_msat / 1000;
            Error::FailedPrecondition(format!(
                "the channel cannot be spliced: it can send {limit_sats} sat, which must cover the \
                 amount, the fee and a reserve; or another splice is pending, or the peer cannot \
                 splice"
            ))
        },
        other => other.into(),
    }
}

/// Whether the output of a splice may pay to this script; the peer breaks off for any other.
pub fn can_be_spliced_to(script: &ScriptBuf) -> bool {
    script.is_p2wpkh()
        || script.is_p2wsh()
        || script.witness_version().is_some_and(|version| version >= WitnessVersion::V1)
}

/// A new address of the wallet, if the amount is not too little for it. Addresses are not made
/// without need.
fn own_address(app: &App, amount_sats: Option<u64>) -> Result<Address, Error> {
    let dust_sats = P2WPKH_DUST_SATS;
    if let Some(amount_sats) = amount_sats.filter(|amount_sats| *amount_sats < dust_sats) {
        let reason = format!("{amount_sats} is dust; at least {dust_sats}");
        return Err(Error::invalid("splice_amount_sats", reason));
    }
    Ok(app.node.onchain_payment().new_address()?)
}

/// The least that an output to an address of the wallet can have.
const P2WPKH_DUST_SATS: u64 = 294;

/// The channel, if it can be spliced now. The library would keep the wish for a
/// splice until the peer is back, and the coins with it.
fn ready(
    app: &App,
    (id, counterparty): (UserChannelId, PublicKey),
) -> Result<ChannelDetails, Error> {
    let channel = channels::find(app, id, counterparty)?;
    let reason = if !channel.is_channel_ready {
        "is not ready yet"
    } else if !channel.is_usable {
        "cannot be used: its peer is not connected, or it is being closed"
    } else if app.splices.is_pending(id) {
        return Err(Refusal::Pending(id).into());
    } else {
        return Ok(channel);
    };
    Err(Error::FailedPrecondition(format!("channel {} {reason}", id.0)))
}

/// Why a splice does not begin.
enum Refusal {
    /// Another is pending.
    Pending(UserChannelId),
    /// For the library's reason.
    Library(NodeError),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Pending(id) => Self::FailedPrecondition(format!(
                "another splice of channel {} is pending; wait until it is confirmed",
                id.0
            )),
            Refusal::Library(error) => error.into(),
        }
    }
}

/// Begins a splice, unless another is pending. What is taken out is paid to the address.
fn begin(
    app: &App,
    caller: &Caller,
    channel: &ChannelDetails,
    address: Option<&Address>,
    splice: impl FnOnce() -> Result<(), NodeError>,
) -> Result<(), Refusal> {
    let (channel, peer) = (channel.user_channel_id, channel.counterparty_node_id);
    if !app.splices.begin(channel) {
        return Err(Refusal::Pending(channel));
    }
    let outcome = |(): &()| IntentOutcome::Splice(address.cloned());
    send::ask_peer(app, caller, peer, splice, outcome).map_err(|error| {
        app.splices.ended(channel);
        Refusal::Library(error)
    })
}

/// Asks the library for a splice, which the books know by then: so much goes in, or, if it is negative,
/// comes out.
fn written_down(
    app: &App,
    channel: &ChannelDetails,
    amount_sats: i64,
    splice: impl FnOnce() -> Result<(), NodeError>,
) -> Result<(), NodeError> {
    let id = channel.channel_id;
    app.books.splice_begins(id, amount_sats).map_err(|error| unwritten(&error))?;
    splice().inspect_err(|_| {
        if let Err(error) = app.books.splice_refused(id) {
            unwritten(&error);
        }
    })
}

fn unwritten(error: &io::Error) -> NodeError {
    tracing::error!(%error, "a splice cannot be written down");
    NodeError::PersistenceFailed
}

fn signed(sats: u64) -> i64 {
    i64::try_from(sats).unwrap_or(i64::MAX)
}

/// Splices the highest amount that the library takes, beginning with `amount_sats`, if it is not
/// below `least_sats`. It says whether an amount is too high before it begins anything.
fn highest(
    mut amount_sats: u64,
    least_sats: u64,
    splice: impl Fn(u64) -> Result<(), NodeError>,
) -> Result<(), NodeError> {
    let mut step_sats = FIRST_STEP_SATS;
    for _ in 0..MAX_TRIES {
        if amount_sats < least_sats {
            break;
        }
        match splice(amount_sats) {
            Err(NodeError::ChannelSplicingFailed | NodeError::InsufficientFunds) => {},
            done => return done,
        }
        amount_sats = amount_sats.saturating_sub(step_sats);
        step_sats *= 2;
    }
    Err(NodeError::ChannelSplicingFailed)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn only_what_the_peer_accepts_can_be_spliced_to() {
        for (address, can_be) in [
            ("bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x", true),
            ("bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3", true),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", false),
            ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", false),
        ] {
            let script = Address::from_str(address).unwrap().assume_checked().script_pubkey();
            assert_eq!(can_be_spliced_to(&script), can_be, "{address}");
        }
    }

    /// What is asked for when the library takes `limit` at most, and how it ends.
    fn tried(amount: u64, least: u64, limit: u64) -> (Vec<u64>, bool) {
        let tried = RefCell::default();
        let splice = |amount| {
            RefCell::<Vec<u64>>::borrow_mut(&tried).push(amount);
            if amount <= limit { Ok(()) } else { Err(NodeError::ChannelSplicingFailed) }
        };
        let done = highest(amount, least, splice).is_ok();
        (tried.into_inner(), done)
    }

    #[test]
    fn the_highest_amount_is_found_from_above() {
        assert_eq!(tried(10_000, 1, 20_000), (vec![10_000], true));
        assert_eq!(tried(10_000, 1, 9_800), (vec![10_000, 9_900, 9_700], true));
    }

    #[test]
    fn the_search_has_an_end() {
        let (amounts, done) = tried(u64::MAX, 1, 0);
        assert_eq!((amounts.len(), done), (12, false));
        assert_eq!(tried(1_000, 294, 0), (vec![1_000, 900, 700, 300], false));
        assert_eq!(tried(293, 294, 1_000), (vec![], false));
    }
}
