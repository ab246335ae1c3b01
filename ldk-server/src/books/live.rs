//! What the library says at this moment that channels have and owe.

use std::collections::BTreeSet;

use ldk_node::lightning::chain::channelmonitor::BalanceSource;
use ldk_node::{BalanceDetails, ChannelDetails, LightningBalance, PendingSweepBalance};

use super::record::ChannelRecord;

/// What an anchor has.
const ANCHOR_SATS: u64 = 330;

/// What a channel that was closed a moment ago owes to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// What its commitment transaction pays to us.
    pub(super) claimable_sats: u64,
    /// What we had, before the fee of that transaction, and its anchors, if that is known.
    pub(super) balance_sats: Option<u64>,
}

/// What the channel with this id owes to us; `None` if the library does not say.
///
/// What is on its way has a balance of its own for each HTLC, and becomes ours, or not, later.
pub(super) fn owed(balances: &BalanceDetails, id: &str, record: &ChannelRecord) -> Option<Owed> {
    let of_channel = || balances.lightning_balances.iter().filter(|each| channel_of(each) == id);
    let htlcs = of_channel().filter(|each| is_of_htlc(each)).count();
    let mut whole = of_channel().filter(|each| !is_of_htlc(each));
    match (whole.next()?, whole.next()) {
        (
            LightningBalance::ClaimableOnChannelClose {
                amount_satoshis,
                transaction_fee_satoshis,
                outbound_payment_htlc_rounded_msat,
                outbound_forwarded_htlc_rounded_msat,
                inbound_claiming_htlc_rounded_msat,
                inbound_htlc_rounded_msat,
                ..
            },
            None,
        ) => {
            let lost = Lost {
                fee_sats: *transaction_fee_satoshis,
                ours_msat: outbound_payment_htlc_rounded_msat
                    + outbound_forwarded_htlc_rounded_msat
                    + inbound_claiming_htlc_rounded_msat,
                theirs_msat: *inbound_htlc_rounded_msat,
            };
            let kept_sats = kept_sats(record, *amount_satoshis, &lost, htlcs > 0);
            Some(Owed {
                claimable_sats: *amount_satoshis,
                balance_sats: kept_sats.map(|kept_sats| amount_satoshis + kept_sats),
            })
        },
        (LightningBalance::ClaimableAwaitingConfirmations { amount_satoshis, .. }, None) => {
            Some(Owed {
                claimable_sats: *amount_satoshis,
                // Who has not opened the channel pays none of its fees.
                balance_sats: (htlcs == 0 && !record.is_outbound).then_some(*amount_satoshis),
            })
        },
        _ => None,
    }
}

/// What a commitment transaction takes from both sides.
struct Lost {
    /// Its fee, if we opened the channel, with HTLCs that are too small for an output, and what others have
    /// beyond whole satoshis.
    fee_sats: u64,
    /// What of HTLCs is in that, or would be, and was ours.
    ours_msat: u64,
    /// What of HTLCs is in that, or would be, and was not ours.
    theirs_msat: u64,
}

/// What we lose by the commitment transaction: as the opener its fee, and the anchors that it has.
fn kept_sats(
    record: &ChannelRecord,
    amount_sats: u64,
    lost: &Lost,
    has_htlcs: bool,
) -> Option<u64> {
    if !record.is_outbound {
        return Some(lost.ours_msat.div_ceil(1_000));
    }
    let fee_sats = lost.fee_sats.checked_sub(lost.theirs_msat / 1_000)?;
    if !record.has_anchors? {
        return Some(fee_sats);
    }
    if has_htlcs {
        return Some(fee_sats + 2 * ANCHOR_SATS);
    }
    // A side that has nothing has no anchor.
    let others_sats = record.current_value_sats()?.checked_sub(amount_sats + lost.fee_sats)?;
    Some(fee_sats + others_sats.min(2 * ANCHOR_SATS))
}

fn is_of_htlc(balance: &LightningBalance) -> bool {
    match balance {
        LightningBalance::ContentiousClaimable { .. }
        | LightningBalance::MaybeTimeoutClaimableHTLC { .. }
        | LightningBalance::MaybePreimageClaimableHTLC { .. } => true,
        LightningBalance::ClaimableAwaitingConfirmations { source, .. } => {
            *source == BalanceSource::Htlc
        },
        LightningBalance::ClaimableOnChannelClose { .. }
        | LightningBalance::CounterpartyRevokedOutputClaimable { .. } => false,
    }
}

fn channel_of(balance: &LightningBalance) -> String {
    match balance {
        LightningBalance::ClaimableOnChannelClose { channel_id, .. }
        | LightningBalance::ClaimableAwaitingConfirmations { channel_id, .. }
        | LightningBalance::ContentiousClaimable { channel_id, .. }
        | LightningBalance::MaybeTimeoutClaimableHTLC { channel_id, .. }
        | LightningBalance::MaybePreimageClaimableHTLC { channel_id, .. }
        | LightningBalance::CounterpartyRevokedOutputClaimable { channel_id, .. } => {
            channel_id.to_string()
        },
    }
}

/// What we have in an open channel, in millisatoshis, without what is on its way. `None` if it cannot be
/// told, because both sides have less than they must keep.
pub fn balance_msat(channel: &ChannelDetails, has_anchors: bool) -> Option<u64> {
    let anchors_sats = if has_anchors { 2 * ANCHOR_SATS } else { 0 };
    let (ours_sats, theirs_sats) =
        if channel.is_outbound { (anchors_sats, 0) } else { (0, anchors_sats) };
    if channel.outbound_capacity_msat > 0 {
        let reserve_sats = channel.unspendable_punishment_reserve.unwrap_or_default();
        return Some(channel.outbound_capacity_msat + 1_000 * (reserve_sats + ours_sats));
    }
    if channel.inbound_capacity_msat == 0 {
        return None;
    }
    let reserve_sats = channel.counterparty_unspendable_punishment_reserve;
    let theirs_msat = channel.inbound_capacity_msat + 1_000 * (reserve_sats + theirs_sats);
    (1_000 * channel.channel_value_sats).checked_sub(theirs_msat)
}

/// What closed channels owe to the wallet, in satoshis: of those that are not open, and were not closed
/// by agreement, and whose sweep is not in the wallet.
pub(super) fn closing_sats(
    balances: &BalanceDetails,
    is_forced: impl Fn(&str) -> bool,
    wallet: &BTreeSet<String>,
) -> u64 {
    let owed = balances.lightning_balances.iter().filter(|each| is_forced(&channel_of(each)));
    let owed_sats: u64 = owed.map(closed_sats).sum();
    let swept = balances.pending_balances_from_channel_closures.iter();
    owed_sats + swept.map(|sweep| unswept_sats(sweep, wallet)).sum::<u64>()
}

fn closed_sats(balance: &LightningBalance) -> u64 {
    match balance {
        LightningBalance::ClaimableOnChannelClose { amount_satoshis, .. } => *amount_satoshis,
        LightningBalance::ClaimableAwaitingConfirmations { amount_satoshis, source, .. }
            if *source != BalanceSource::CoopClose =>
        {
            *amount_satoshis
        },
        // Whose the others are is not decided.
        LightningBalance::ClaimableAwaitingConfirmations { .. }
        | LightningBalance::ContentiousClaimable { .. }
        | LightningBalance::MaybeTimeoutClaimableHTLC { .. }
        | LightningBalance::MaybePreimageClaimableHTLC { .. }
        | LightningBalance::CounterpartyRevokedOutputClaimable { .. } => 0,
    }
}

fn unswept_sats(sweep: &PendingSweepBalance, wallet: &BTreeSet<String>) -> u64 {
    match sweep {
        PendingSweepBalance::PendingBroadcast { amount_satoshis, .. } => *amount_satoshis,
        PendingSweepBalance::BroadcastAwaitingConfirmation {
            latest_spending_txid,
            amount_satoshis,
            ..
        }
        | PendingSweepBalance::AwaitingThresholdConfirmations {
            latest_spending_txid,
            amount_satoshis,
            ..
        } => {
            let is_in_wallet = wallet.contains(&latest_spending_txid.to_string());
            if is_in_wallet { 0 } else { *amount_satoshis }
        },
    }
}
