//! `listpeerchannels`.

use std::collections::{HashMap, HashSet};

use ldk_node::ChannelDetails;
use ldk_server_grpc::api::{ListChannelsRequest, ListPeersRequest};
use ldk_server_grpc::types;
use serde::Serialize;

use super::Method;
use super::scid::scid;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Hash, NodeId};
use crate::cln::error::RpcError;

/// `listpeerchannels`: the channels that are not closed.
pub(super) struct ListPeerChannels {
    id: Option<String>,
    short_channel_id: Option<String>,
    channel_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Listed {
    channels: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    peer_id: String,
    peer_connected: bool,
    state: &'static str,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_channel_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    funding_txid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    funding_outnum: Option<u32>,
    private: bool,
    opener: &'static str,
    /// Which ones the channel has is not known.
    features: Vec<String>,
    to_us_msat: u64,
    total_msat: u64,
    spendable_msat: u64,
    receivable_msat: u64,
    our_reserve_msat: u64,
    their_reserve_msat: u64,
    fee_base_msat: u32,
    fee_proportional_millionths: u32,
    feerate: FeeRate,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updates: Option<Updates>,
    status: Vec<String>,
}

#[derive(Serialize)]
struct FeeRate {
    perkw: u32,
    perkb: u32,
}

#[derive(Serialize)]
struct Alias {
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
}

#[derive(Serialize)]
struct Updates {
    local: Update,
}

#[derive(Serialize)]
struct Update {
    htlc_minimum_msat: u64,
    htlc_maximum_msat: u64,
    cltv_expiry_delta: u32,
    fee_base_msat: u32,
    fee_proportional_millionths: u32,
}

impl Method for ListPeerChannels {
    const NAME: &'static str = "listpeerchannels";
    const USAGE: &'static str = "[id] [short_channel_id] [channel_id]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            id: args.optional::<NodeId>("id")?.map(|id| id.0),
            short_channel_id: args.optional("short_channel_id")?,
            channel_id: args.optional::<Hash>("channel_id")?.map(|id| id.0),
        })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let channels = call.ask(rpc::ListChannels, ListChannelsRequest {}).await?.channels;
        let peers = call.ask(rpc::ListPeers, ListPeersRequest {}).await?.peers;
        let connected = peers.into_iter().filter(|peer| peer.is_connected);
        let connected: HashSet<_> = connected.map(|peer| peer.node_id).collect();
        // The API does not tell the numbers that channels have on the chain.
        let details = call.cln.0.dispatcher.app()?.node.list_channels();
        let details: HashMap<_, _> =
            details.into_iter().map(|channel| (channel.channel_id.to_string(), channel)).collect();
        let rows = channels.into_iter().map(|channel| {
            let details = details.get(&channel.channel_id);
            Row::of(channel, details, &connected)
        });
        Ok(Listed { channels: rows.filter(|row| self.wants(row)).collect() })
    }
}

impl ListPeerChannels {
    fn wants(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, value: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == value)
        };
        is(&self.id, Some(&row.peer_id))
            && is(&self.short_channel_id, row.short_channel_id.as_ref())
            && is(&self.channel_id, Some(&row.channel_id))
    }
}

impl Row {
    fn of(
        channel: types::Channel,
        details: Option<&ChannelDetails>,
        connected: &HashSet<String>,
    ) -> Self {
        const MSAT: u64 = 1_000;
        let our_reserve_msat = channel.unspendable_punishment_reserve.unwrap_or_default() * MSAT;
        let config = channel.channel_config.unwrap_or_default();
        let fee_base_msat = config.forwarding_fee_base_msat.unwrap_or_default();
        let fee_proportional_millionths =
            config.forwarding_fee_proportional_millionths.unwrap_or_default();
        let update = |details: &ChannelDetails| {
            Some(Update {
                htlc_minimum_msat: details.inbound_htlc_minimum_msat,
                htlc_maximum_msat: details.inbound_htlc_maximum_msat?,
                cltv_expiry_delta: config.cltv_expiry_delta.unwrap_or_default(),
                fee_base_msat,
                fee_proportional_millionths,
            })
        };
        let (funding_txid, funding_outnum) =
            channel.funding_txo.map(|funding| (funding.txid, funding.vout)).unzip();
        let is_ready = channel.is_channel_ready;
        let status = status(is_ready, channel.confirmations_required, channel.confirmations);
        let perkw = channel.feerate_sat_per_1000_weight;
        Self {
            peer_connected: connected.contains(&channel.counterparty_node_id),
            peer_id: channel.counterparty_node_id,
            state: if is_ready { "CHANNELD_NORMAL" } else { "CHANNELD_AWAITING_LOCKIN" },
            channel_id: channel.channel_id,
            short_channel_id: details.and_then(|details| details.short_channel_id).map(scid),
            funding_txid,
            funding_outnum,
            private: !channel.is_announced,
            opener: if channel.is_outbound { "local" } else { "remote" },
            features: Vec::new(),
            to_us_msat: channel.outbound_capacity_msat.saturating_add(our_reserve_msat),
            total_msat: channel.channel_value_sats.saturating_mul(MSAT),
            spendable_msat: channel.next_outbound_htlc_limit_msat,
            receivable_msat: channel.inbound_capacity_msat,
            our_reserve_msat,
            their_reserve_msat: channel.counterparty_unspendable_punishment_reserve * MSAT,
            fee_base_msat,
            fee_proportional_millionths,
            feerate: FeeRate { perkw, perkb: perkw.saturating_mul(4) },
            alias: details.and_then(alias),
            updates: details.and_then(update).map(|local| Updates { local }),
            status,
        }
    }
}

fn alias(details: &ChannelDetails) -> Option<Alias> {
    let local = details.inbound_scid_alias.map(scid);
    let remote = details.outbound_scid_alias.map(scid);
    (local.is_some() || remote.is_some()).then_some(Alias { local, remote })
}

/// In the words that Alby Hub looks for.
fn status(is_ready: bool, required: Option<u32>, confirmations: Option<u32>) -> Vec<String> {
    if is_ready {
        return vec!["CHANNELD_NORMAL:Channel ready for use.".to_owned()];
    }
    let missing = required.unwrap_or_default().saturating_sub(confirmations.unwrap_or_default());
    vec![format!(
        "CHANNELD_AWAITING_LOCKIN:Funding needs {missing} more confirmations to be ready."
    )]
}
