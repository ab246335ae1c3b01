//! OpenChannel, CloseChannel and ForceCloseChannel.

use anyhow::Result;
use e2e_tests::{Node, Port, invalid, refused};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    AllFunds, CloseChannelRequest, ForceCloseChannelRequest, OpenChannelRequest,
};
use ldk_server_client::types::ChannelConfig;
use ldk_server_client::{Client, Code};

use crate::requests::{BAD_KEYS, BAD_PEER_ADDRESSES, STRANGER, TOO_MANY_SATS};

const MIN_CHANNEL_SATS: u64 = 1_000;
const LONGEST_PEER_MESSAGE_BYTES: usize = 65_535;

pub(super) async fn unusable_to_open(node: &Node) -> Result<()> {
    let client = node.client();
    let open = |request| client.open_channel(request);
    let channel = || channel_to(STRANGER);
    for key in BAD_KEYS {
        invalid(open(channel_to(key)).await, "node_pubkey");
    }
    refused(open(channel_to(node.id())).await, Code::InvalidArgument, &["node_pubkey", "own"]);
    for address in BAD_PEER_ADDRESSES {
        let address = address.to_owned();
        invalid(open(OpenChannelRequest { address, ..channel() }).await, "address");
    }
    for sats in [0, 1, MIN_CHANNEL_SATS - 1, TOO_MANY_SATS, u64::MAX] {
        let amount = Some(Amount::ChannelAmountSats(sats));
        invalid(open(OpenChannelRequest { amount, ..channel() }).await, "channel_amount_sats");
    }
    let unset = OpenChannelRequest { amount: None, ..channel() };
    invalid(open(unset).await, "channel_amount_sats");
    for msat in [MIN_CHANNEL_SATS * 1_000 + 1, u64::MAX] {
        let amount = Some(Amount::ChannelAmountSats(MIN_CHANNEL_SATS));
        let push_to_counterparty_msat = Some(msat);
        let request = OpenChannelRequest { amount, push_to_counterparty_msat, ..channel() };
        invalid(open(request).await, "push_to_counterparty_msat");
    }
    let config = ChannelConfig { cltv_expiry_delta: Some(65_536), ..Default::default() };
    let request = OpenChannelRequest { channel_config: Some(config), ..channel() };
    invalid(open(request).await, "channel_config.cltv_expiry_delta");

    let without_reserve = || OpenChannelRequest { disable_counterparty_reserve: true, ..channel() };
    let announced = OpenChannelRequest { announce_channel: true, ..without_reserve() };
    invalid(open(announced).await, "disable_counterparty_reserve");
    let named = ["disable_counterparty_reserve"];
    refused(open(without_reserve()).await, Code::Unimplemented, &named);
    let all_funds = Some(Amount::AllFunds(AllFunds {}));
    let request = OpenChannelRequest { amount: all_funds, ..channel() };
    refused(open(request).await, Code::FailedPrecondition, &[STRANGER]);
    let closed = Port::claim()?;
    let request = OpenChannelRequest { address: closed.address(), ..channel() };
    refused(open(request).await, Code::FailedPrecondition, &[STRANGER, &closed.address()]);
    Ok(())
}

pub(super) async fn unusable_to_close(client: &Client) {
    let too_large = format!("{}0", u128::MAX);
    for user_channel_id in ["", "-1", "+1", "0x1", "1.0", " 1", &too_large] {
        let ids = [user_channel_id, STRANGER];
        invalid(client.close_channel(close(ids)).await, "user_channel_id");
        invalid(client.force_close_channel(force_close(ids)).await, "user_channel_id");
    }
    for key in BAD_KEYS {
        let ids = ["42", key];
        invalid(client.close_channel(close(ids)).await, "counterparty_node_id");
        invalid(client.force_close_channel(force_close(ids)).await, "counterparty_node_id");
    }
    // The library takes a channel that it does not know for closed.
    let unknown = ["340282366920938463463374607431768211455", STRANGER];
    let closed = client.close_channel(close(unknown)).await;
    refused(closed, Code::InvalidArgument, &["user_channel_id", unknown[0]]);
    let closed = client.force_close_channel(force_close(unknown)).await;
    refused(closed, Code::InvalidArgument, &["user_channel_id", unknown[0]]);
}

/// By a node that has no alias.
pub(super) async fn cannot_be_announced(client: &Client) {
    let request = OpenChannelRequest { announce_channel: true, ..channel_to(STRANGER) };
    let named = ["announce_channel", "alias"];
    refused(client.open_channel(request).await, Code::FailedPrecondition, &named);
}

pub(super) async fn closed_only_with_its_counterparty(client: &Client, user_channel_id: &str) {
    let ids = [user_channel_id, STRANGER];
    invalid(client.close_channel(close(ids)).await, "counterparty_node_id");
    invalid(client.force_close_channel(force_close(ids)).await, "counterparty_node_id");
}

/// Values that make the library panic, which is the end of the node.
pub(super) async fn unbearable_fields(client: &Client, channel: [&str; 2]) {
    let request = OpenChannelRequest {
        channel_config: Some(ChannelConfig {
            force_close_avoidance_max_fee_satoshis: Some(u64::MAX),
            ..Default::default()
        }),
        ..channel_to(channel[1])
    };
    let field = "channel_config.force_close_avoidance_max_fee_satoshis";
    invalid(client.open_channel(request).await, field);

    let force_close_reason = Some("a".repeat(LONGEST_PEER_MESSAGE_BYTES));
    let request = ForceCloseChannelRequest { force_close_reason, ..force_close(channel) };
    invalid(client.force_close_channel(request).await, "force_close_reason");
}

/// An ordinary channel, to be changed. Where the peer should be, nobody listens.
pub(super) fn channel_to(node_pubkey: &str) -> OpenChannelRequest {
    OpenChannelRequest {
        node_pubkey: node_pubkey.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        amount: Some(Amount::ChannelAmountSats(100_000)),
        ..Default::default()
    }
}

fn close([user_channel_id, counterparty_node_id]: [&str; 2]) -> CloseChannelRequest {
    CloseChannelRequest {
        user_channel_id: user_channel_id.to_owned(),
        counterparty_node_id: counterparty_node_id.to_owned(),
    }
}

fn force_close([user_channel_id, counterparty_node_id]: [&str; 2]) -> ForceCloseChannelRequest {
    ForceCloseChannelRequest {
        user_channel_id: user_channel_id.to_owned(),
        counterparty_node_id: counterparty_node_id.to_owned(),
        force_close_reason: None,
    }
}
