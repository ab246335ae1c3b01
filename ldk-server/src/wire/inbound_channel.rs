//! Orders of channels from a provider (LSPS1).

use ldk_node::liquidity::LSPS1OrderStatus;
use ldk_server_grpc::types::{
    InboundChannel, InboundChannelOrder, InboundChannelOrderState as OrderState,
    InboundChannelPayment, InboundChannelPaymentState as PaymentState,
};
use lightning_liquidity::lsps0::ser::LSPSDateTime;
use lightning_liquidity::lsps1::msgs::{
    LSPS1Bolt11PaymentInfo, LSPS1Bolt12PaymentInfo, LSPS1ChannelInfo, LSPS1OnchainPaymentInfo,
    LSPS1OrderId, LSPS1OrderParams, LSPS1PaymentInfo, LSPS1PaymentState,
};

/// An order, with its state as far as its parts tell: the library does not pass on what the provider says
/// of the whole. The token is the secret of this node's owner and left out.
pub fn order(status: LSPS1OrderStatus) -> InboundChannelOrder {
    let LSPS1OrderStatus { order_id, order_params, payment_options, channel_state } = status;
    let LSPS1OrderId(order_id) = order_id;
    let LSPS1OrderParams {
        lsp_balance_sat,
        client_balance_sat,
        required_channel_confirmations,
        funding_confirms_within_blocks,
        channel_expiry_blocks,
        token: _,
        announce_channel,
    } = order_params;
    let LSPS1PaymentInfo { bolt11, bolt12, onchain } = payment_options;
    let [bolt11, bolt12, onchain] =
        [bolt11.map(of_bolt11), bolt12.map(of_bolt12), onchain.map(of_onchain)];
    let payments = [&bolt11, &bolt12, &onchain].into_iter().flatten();
    let state = state(payments.map(InboundChannelPayment::state), channel_state.is_some());
    InboundChannelOrder {
        order_id,
        state: state.into(),
        lsp_balance_sats: lsp_balance_sat,
        client_balance_sats: client_balance_sat,
        channel_expiry_blocks,
        announce_channel,
        required_channel_confirmations: required_channel_confirmations.into(),
        funding_confirms_within_blocks: funding_confirms_within_blocks.into(),
        bolt11,
        bolt12,
        onchain,
        channel: channel_state.map(channel),
    }
}

fn state(payments: impl Iterator<Item = PaymentState>, has_channel: bool) -> OrderState {
    let payments: Vec<_> = payments.collect();
    if has_channel {
        OrderState::ChannelOpened
    } else if payments.contains(&PaymentState::Refunded) {
        OrderState::Refunded
    } else if payments.contains(&PaymentState::Paid) {
        OrderState::Paid
    } else {
        OrderState::AwaitingPayment
    }
}

fn of_bolt11(payment: LSPS1Bolt11PaymentInfo) -> InboundChannelPayment {
    let LSPS1Bolt11PaymentInfo { state, expires_at, fee_total_sat, order_total_sat, invoice } =
        payment;
    InboundChannelPayment {
        state: payment_state(&state).into(),
        destination: invoice.to_string(),
        fee_total_sats: fee_total_sat,
        order_total_sats: order_total_sat,
        expires_at: unix_secs(&expires_at),
        ..Default::default()
    }
}

fn of_bolt12(payment: LSPS1Bolt12PaymentInfo) -> InboundChannelPayment {
    let LSPS1Bolt12PaymentInfo { state, expires_at, fee_total_sat, order_total_sat, offer } =
        payment;
    InboundChannelPayment {
        state: payment_state(&state).into(),
        destination: offer.to_string(),
        fee_total_sats: fee_total_sat,
        order_total_sats: order_total_sat,
        expires_at: unix_secs(&expires_at),
        ..Default::default()
    }
}

fn of_onchain(payment: LSPS1OnchainPaymentInfo) -> InboundChannelPayment {
    let LSPS1OnchainPaymentInfo {
        state,
        expires_at,
        fee_total_sat,
        order_total_sat,
        address,
        min_onchain_payment_confirmations,
        min_fee_for_0conf,
        refund_onchain_address,
    } = payment;
    InboundChannelPayment {
        state: payment_state(&state).into(),
        destination: address.to_string(),
        fee_total_sats: fee_total_sat,
        order_total_sats: order_total_sat,
        expires_at: unix_secs(&expires_at),
        min_confirmations: min_onchain_payment_confirmations.map(u32::from),
        min_fee_for_0conf_sat_per_kwu: Some(min_fee_for_0conf.to_sat_per_kwu()),
        refund_address: refund_onchain_address.map(|address| address.to_string()),
    }
}

fn payment_state(state: &LSPS1PaymentState) -> PaymentState {
    match state {
        LSPS1PaymentState::ExpectPayment => PaymentState::Expected,
        LSPS1PaymentState::Paid => PaymentState::Paid,
        LSPS1PaymentState::Refunded => PaymentState::Refunded,
    }
}

fn channel(channel: LSPS1ChannelInfo) -> InboundChannel {
    let LSPS1ChannelInfo { funded_at, funding_outpoint, expires_at } = channel;
    InboundChannel {
        funding_txo: funding_outpoint.to_string(),
        funded_at: unix_secs(&funded_at),
        expires_at: unix_secs(&expires_at),
    }
}

/// 0 for a time before 1970.
fn unix_secs(time: &LSPSDateTime) -> u64 {
    u64::try_from(time.0.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_an_order_follows_from_its_parts() {
        use PaymentState::{Expected, Paid, Refunded};
        let state = |payments: &[_], has_channel| state(payments.iter().copied(), has_channel);
        assert_eq!(state(&[Expected, Expected], false), OrderState::AwaitingPayment);
        assert_eq!(state(&[], false), OrderState::AwaitingPayment);
        assert_eq!(state(&[Expected, Paid], false), OrderState::Paid);
        assert_eq!(state(&[Paid, Refunded], false), OrderState::Refunded);
        assert_eq!(state(&[Paid], true), OrderState::ChannelOpened);
    }
}
