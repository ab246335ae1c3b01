//! Balances, on chain and in channels.

use ldk_node::lightning::chain::channelmonitor::{ANTI_REORG_DELAY, BalanceSource};
use ldk_node::{BalanceDetails, LightningBalance, PendingSweepBalance};
use ldk_server_grpc::api::GetBalancesResponse;
use ldk_server_grpc::types;
use ldk_server_grpc::types::lightning_balance::BalanceType as Lightning;
use ldk_server_grpc::types::pending_sweep_balance::BalanceType as Sweep;

/// All balances of the node, which knows the chain up to this height.
///
/// The library keeps an output that was swept for 4,038 blocks, to be sure that it is not told of it
/// anew. It is left out from when its transaction cannot be undone any more: by then its amount is in
/// the wallet.
pub fn balances(details: BalanceDetails, height: u32) -> GetBalancesResponse {
    let BalanceDetails {
        total_onchain_balance_sats,
        spendable_onchain_balance_sats,
        total_anchor_channels_reserve_sats,
        total_lightning_balance_sats,
        lightning_balances,
        pending_balances_from_channel_closures,
    } = details;
    GetBalancesResponse {
        total_onchain_balance_sats,
        spendable_onchain_balance_sats,
        total_anchor_channels_reserve_sats,
        total_lightning_balance_sats,
        lightning_balances: lightning_balances
            .into_iter()
            .map(|balance| types::LightningBalance { balance_type: Some(lightning(balance)) })
            .collect(),
        pending_balances_from_channel_closures: pending_balances_from_channel_closures
            .into_iter()
            .filter(|balance| !is_done(balance, height))
            .map(|balance| types::PendingSweepBalance { balance_type: Some(sweep(balance)) })
            .collect(),
    }
}

fn is_done(balance: &PendingSweepBalance, height: u32) -> bool {
    match balance {
        PendingSweepBalance::AwaitingThresholdConfirmations { confirmation_height, .. } => {
            height >= confirmation_height.saturating_add(ANTI_REORG_DELAY - 1)
        },
        PendingSweepBalance::PendingBroadcast { .. }
        | PendingSweepBalance::BroadcastAwaitingConfirmation { .. } => false,
    }
}

fn lightning(balance: LightningBalance) -> Lightning {
    match balance {
        LightningBalance::ClaimableOnChannelClose {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
            transaction_fee_satoshis,
            outbound_payment_htlc_rounded_msat,
            outbound_forwarded_htlc_rounded_msat,
            inbound_claiming_htlc_rounded_msat,
            inbound_htlc_rounded_msat,
        } => Lightning::ClaimableOnChannelClose(types::ClaimableOnChannelClose {
            channel_id: channel_id.to_string(),
            counterparty_node_id: counterparty_node_id.to_string(),
            amount_satoshis,
            transaction_fee_satoshis,
            outbound_payment_htlc_rounded_msat,
            outbound_forwarded_htlc_rounded_msat,
            inbound_claiming_htlc_rounded_msat,
            inbound_htlc_rounded_msat,
        }),
        LightningBalance::ClaimableAwaitingConfirmations {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
            confirmation_height,
            source,
        } => Lightning::ClaimableAwaitingConfirmations(types::ClaimableAwaitingConfirmations {
            channel_id: channel_id.to_string(),
            counterparty_node_id: counterparty_node_id.to_string(),
            amount_satoshis,
            confirmation_height,
            source: balance_source(source).into(),
        }),
        LightningBalance::ContentiousClaimable {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
            timeout_height,
            payment_hash,
            payment_preimage,
        } => Lightning::ContentiousClaimable(types::ContentiousClaimable {
            channel_id: channel_id.to_string(),
            counterparty_node_id: counterparty_node_id.to_string(),
            amount_satoshis,
            timeout_height,
            payment_hash: hex::encode(payment_hash.0),
            payment_preimage: hex::encode(payment_preimage.0),
        }),
        LightningBalance::MaybeTimeoutClaimableHTLC {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
            claimable_height,
            payment_hash,
            outbound_payment,
        } => Lightning::MaybeTimeoutClaimableHtlc(types::MaybeTimeoutClaimableHtlc {
            channel_id: channel_id.to_string(),
            counterparty_node_id: counterparty_node_id.to_string(),
            amount_satoshis,
            claimable_height,
            payment_hash: hex::encode(payment_hash.0),
            outbound_payment,
        }),
        LightningBalance::MaybePreimageClaimableHTLC {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
            expiry_height,
            payment_hash,
        } => Lightning::MaybePreimageClaimableHtlc(types::MaybePreimageClaimableHtlc {
            channel_id: channel_id.to_string(),
            counterparty_node_id: counterparty_node_id.to_string(),
            amount_satoshis,
            expiry_height,
            payment_hash: hex::encode(payment_hash.0),
        }),
        LightningBalance::CounterpartyRevokedOutputClaimable {
            channel_id,
            counterparty_node_id,
            amount_satoshis,
        } => Lightning::CounterpartyRevokedOutputClaimable(
            types::CounterpartyRevokedOutputClaimable {
                channel_id: channel_id.to_string(),
                counterparty_node_id: counterparty_node_id.to_string(),
                amount_satoshis,
            },
        ),
    }
}

fn balance_source(source: BalanceSource) -> types::BalanceSource {
    match source {
        BalanceSource::HolderForceClosed => types::BalanceSource::HolderForceClosed,
        BalanceSource::CounterpartyForceClosed => types::BalanceSource::CounterpartyForceClosed,
        BalanceSource::CoopClose => types::BalanceSource::CoopClose,
        BalanceSource::Htlc => types::BalanceSource::Htlc,
    }
}

fn sweep(balance: PendingSweepBalance) -> Sweep {
    match balance {
        PendingSweepBalance::PendingBroadcast { channel_id, amount_satoshis } => {
            Sweep::PendingBroadcast(types::PendingBroadcast {
                channel_id: channel_id.map(|id| id.to_string()),
                amount_satoshis,
            })
        },
        PendingSweepBalance::BroadcastAwaitingConfirmation {
            channel_id,
            latest_broadcast_height,
            latest_spending_txid,
            amount_satoshis,
        } => Sweep::BroadcastAwaitingConfirmation(types::BroadcastAwaitingConfirmation {
            channel_id: channel_id.map(|id| id.to_string()),
            latest_broadcast_height,
            latest_spending_txid: latest_spending_txid.to_string(),
            amount_satoshis,
        }),
        PendingSweepBalance::AwaitingThresholdConfirmations {
            channel_id,
            latest_spending_txid,
            confirmation_hash,
            confirmation_height,
            amount_satoshis,
        } => Sweep::AwaitingThresholdConfirmations(types::AwaitingThresholdConfirmations {
            channel_id: channel_id.map(|id| id.to_string()),
            latest_spending_txid: latest_spending_txid.to_string(),
            confirmation_hash: confirmation_hash.to_string(),
            confirmation_height,
            amount_satoshis,
        }),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;
    use ldk_node::bitcoin::{BlockHash, Txid};

    use super::*;

    #[test]
    fn an_output_is_shown_until_its_sweep_cannot_be_undone() {
        let shown = |height| {
            let swept = PendingSweepBalance::AwaitingThresholdConfirmations {
                channel_id: None,
                latest_spending_txid: Txid::all_zeros(),
                confirmation_hash: BlockHash::all_zeros(),
                confirmation_height: 100,
                amount_satoshis: 5_000,
            };
            let waiting =
                PendingSweepBalance::PendingBroadcast { channel_id: None, amount_satoshis: 1 };
            let details = BalanceDetails {
                total_onchain_balance_sats: 0,
                spendable_onchain_balance_sats: 0,
                total_anchor_channels_reserve_sats: 0,
                total_lightning_balance_sats: 0,
                lightning_balances: Vec::new(),
                pending_balances_from_channel_closures: vec![swept, waiting],
            };
            balances(details, height).pending_balances_from_channel_closures.len()
        };
        assert_eq!((shown(100), shown(104)), (2, 2));
        assert_eq!((shown(105), shown(1_000)), (1, 1));
    }
}
