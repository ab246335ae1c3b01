//! The public network.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    GetNodeInfoRequest, GetNodeInfoResponse, GraphGetChannelRequest, GraphGetNodeRequest,
    GraphListChannelsRequest, GraphListNodesRequest, OpenChannelRequest,
};
use ldk_server_client::types::{GraphChannel, GraphChannelUpdate, GraphNode, OutPoint};

use crate::lookups::{BAD_KEYS, STRANGER, invalid};

const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 2_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// A node looks every 30 s whether it should announce itself.
const ANNOUNCEMENT_PATIENCE: Duration = Duration::from_secs(90);

/// Where a channel was funded.
pub(super) struct Funding {
    outpoint: OutPoint,
    /// The block of the transaction.
    height: u32,
}

pub(super) async fn is_empty_at_first(node: &Node) -> Result<()> {
    assert_eq!(channels(node).await?, [0_u64; 0]);
    assert_eq!(nodes(node).await?, [""; 0]);
    let features = info(node).await?.features;
    assert!(features.len() > 10, "before it has announced itself: {features:?}");
    Ok(())
}

pub(super) async fn unknown_is_refused(node: &Node) -> Result<()> {
    for short_channel_id in [0, 1, u64::MAX] {
        invalid(channel(node, short_channel_id).await, "short_channel_id");
    }
    for node_id in [STRANGER, node.id()].into_iter().chain(BAD_KEYS) {
        invalid(graph_node(node, node_id).await, "node_id");
    }
    for command in [["graph-get-channel", "1"], ["graph-get-node", STRANGER]] {
        let output = node.cli_output(&command).await?;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.starts_with("Error (Invalid Request): "), "{output:?}");
    }
    Ok(())
}

pub(super) async fn open_public_channel(
    network: &Network,
    opener: &Node,
    accepter: &Node,
) -> Result<Funding> {
    network.fund(&[opener, accepter], FUNDS_SATS).await?;
    let request = OpenChannelRequest {
        node_pubkey: accepter.id().to_owned(),
        address: accepter.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        announce_channel: true,
        ..Default::default()
    };
    opener.client().open_channel(request).await?;
    let height = network.bitcoind().height().await? + 1;
    network.confirm_funding(opener).await?;
    network.usable(opener, accepter).await?;
    for node in [opener, accepter] {
        until(&format!("{} has the channel", node.alias()), PATIENCE, async || {
            ensure!(channels(node).await?.len() == 1, "it has none");
            Ok(())
        })
        .await?;
    }
    let outpoint = opener.usable_channel(accepter).await?.funding_txo.context("not funded")?;
    Ok(Funding { outpoint, height })
}

/// Checks that both have the same channel in their graphs, with the terms that they set for it.
pub(super) async fn shows_the_channel(one: &Node, other: &Node, funding: &Funding) -> Result<()> {
    for node in [one, other] {
        let (short_channel_id, channel) = complete_channel(node).await?;
        assert_eq!(short_channel_id >> 40, u64::from(funding.height));
        assert_eq!(short_channel_id & 0xffff, u64::from(funding.outpoint.vout));
        assert_eq!(channel.capacity_sats, Some(CHANNEL_SATS));

        let sorted = if one.id() < other.id() { [one, other] } else { [other, one] };
        assert_eq!([&*channel.node_one, &*channel.node_two], sorted.map(Node::id));
        has_terms_of(channel.one_to_two, sorted[0], sorted[1]).await?;
        has_terms_of(channel.two_to_one, sorted[1], sorted[0]).await?;

        let mut ids = nodes(node).await?;
        ids.sort();
        assert_eq!(ids, sorted.map(Node::id));
        let shown = graph_node(node, one.id()).await?;
        assert_eq!(shown.channels, [short_channel_id]);
        by_command(node, one, short_channel_id).await?;
    }
    Ok(())
}

async fn has_terms_of(update: Option<GraphChannelUpdate>, from: &Node, to: &Node) -> Result<()> {
    let update = update.context("no update")?;
    let channel = from.usable_channel(to).await?;
    let config = channel.channel_config.context("no settings")?;
    let fees = update.fees.context("no fees")?;
    assert_eq!(Some(fees.base_msat), config.forwarding_fee_base_msat);
    assert_eq!(Some(fees.proportional_millionths), config.forwarding_fee_proportional_millionths);
    assert_eq!(Some(update.cltv_expiry_delta), config.cltv_expiry_delta);
    assert!(update.enabled, "{update:?}");
    assert!(update.last_update > 1_700_000_000, "{update:?}");
    let limits = update.htlc_minimum_msat..=update.htlc_maximum_msat;
    assert!(!limits.is_empty() && *limits.end() <= CHANNEL_SATS * 1_000, "{update:?}");
    Ok(())
}

async fn by_command(node: &Node, peer: &Node, short_channel_id: u64) -> Result<()> {
    let printed = node.cli(&["graph-list-channels"]).await?;
    assert_eq!(printed, serde_json::json!({"short_channel_ids": [short_channel_id]}));
    let printed = node.cli(&["graph-get-channel", &short_channel_id.to_string()]).await?;
    assert_eq!(printed["channel"]["capacity_sats"], CHANNEL_SATS);
    let printed = node.cli(&["graph-list-nodes"]).await?;
    assert_eq!(printed["node_ids"].as_array().map(Vec::len), Some(2), "{printed}");
    let printed = node.cli(&["graph-get-node", peer.id()]).await?;
    assert_eq!(printed["node"]["channels"], serde_json::json!([short_channel_id]));
    Ok(())
}

/// Waits until this node has heard what the other announced, and checks that it is what the other
/// says of itself.
pub(super) async fn shows_the_other(node: &Node, other: &Node) -> Result<()> {
    let what = format!("{} has heard of {}", node.alias(), other.alias());
    let announced = until(&what, ANNOUNCEMENT_PATIENCE, async || {
        graph_node(node, other.id()).await?.announcement_info.context("only of its channel")
    })
    .await?;
    assert_eq!(announced.alias, other.alias());
    assert_eq!(announced.addresses, [other.address()]);
    assert!(announced.rgb.len() == 6 && announced.rgb.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(announced.last_update > 1_700_000_000, "{announced:?}");
    let onion = &announced.features.iter().find(|(_, known)| known.name == "VariableLengthOnion");
    assert!(onion.is_some_and(|(bit, _)| bit / 2 == 4), "{announced:?}");
    for (bit, feature) in &announced.features {
        assert_eq!(feature.is_required, bit % 2 == 0, "{bit}: {feature:?}");
        assert_ne!(feature.name, "unknown");
    }
    assert_eq!(info(other).await?.features, announced.features);
    Ok(())
}

/// The one channel there is, once both directions have been announced and its size looked up.
async fn complete_channel(node: &Node) -> Result<(u64, GraphChannel)> {
    until(&format!("{} has all of the channel", node.alias()), PATIENCE, async || {
        let ids = channels(node).await?;
        ensure!(ids.len() == 1, "it has {ids:?}");
        let channel = channel(node, ids[0]).await?;
        let known = channel.one_to_two.is_some() && channel.two_to_one.is_some();
        ensure!(known && channel.capacity_sats.is_some(), "{channel:?}");
        Ok((ids[0], channel))
    })
    .await
}

async fn channels(node: &Node) -> Result<Vec<u64>> {
    let request = GraphListChannelsRequest {};
    Ok(node.client().graph_list_channels(request).await?.short_channel_ids)
}

async fn nodes(node: &Node) -> Result<Vec<String>> {
    Ok(node.client().graph_list_nodes(GraphListNodesRequest {}).await?.node_ids)
}

async fn channel(
    node: &Node,
    short_channel_id: u64,
) -> Result<GraphChannel, ldk_server_client::Error> {
    let request = GraphGetChannelRequest { short_channel_id };
    Ok(node.client().graph_get_channel(request).await?.channel.unwrap_or_default())
}

async fn graph_node(node: &Node, node_id: &str) -> Result<GraphNode, ldk_server_client::Error> {
    let request = GraphGetNodeRequest { node_id: node_id.to_owned() };
    Ok(node.client().graph_get_node(request).await?.node.unwrap_or_default())
}

async fn info(node: &Node) -> Result<GetNodeInfoResponse> {
    Ok(node.client().get_node_info(GetNodeInfoRequest {}).await?)
}
