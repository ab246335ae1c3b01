//! `listpeerchannels`.

use ldk_node::ChannelDetails;
use serde::Serialize;

use super::Method;
use super::open_channels::{OpenChannel, open_channels};
use super::scid::scid;
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
    /// If it can be told: both sides may have less than their reserves.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_us_msat: Option<u64>,
    total_msat: u64,
    spendable_msat: u64,
    receivable_msat: u64,
    our_reserve_msat: u64,
    their_reserve_msat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    our_to_self_delay: Option<u16>,
    fee_base_msat: u32,
    fee_proportional_millionths: u32,
    feerate: FeeRate,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<Alias>,
    updates: Updates,
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
        let open = open_channels(&call).await?;
        let rows = open.iter().map(Row::of);
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
    fn of(channel: &OpenChannel) -> Self {
        const MSAT: u64 = 1_000;
        let details = &channel.details;
        let (fee_base_msat, fee_proportional_millionths) = (
            details.config.forwarding_fee_base_msat,
            details.config.forwarding_fee_proportional_millionths,
        );
        let (htlc_minimum_msat, htlc_maximum_msat) = channel.htlc_limits_msat();
        let local = Update {
            htlc_minimum_msat,
            htlc_maximum_msat,
            cltv_expiry_delta: details.config.cltv_expiry_delta.into(),
            fee_base_msat,
            fee_proportional_millionths,
        };
        let (funding_txid, funding_outnum) =
            details.funding_txo.map(|funding| (funding.txid.to_string(), funding.vout)).unzip();
        let is_ready = details.is_channel_ready;
        let perkw = details.feerate_sat_per_1000_weight;
        Self {
            peer_id: channel.peer_id(),
            peer_connected: channel.is_connected,
            state: channel.state(),
            channel_id: channel.id(),
            short_channel_id: channel.short_channel_id(),
            funding_txid,
            funding_outnum,
            private: !details.is_announced,
            opener: if details.is_outbound { "local" } else { "remote" },
            features: Vec::new(),
            to_us_msat: channel.to_us_msat(),
            total_msat: details.channel_value_sats.saturating_mul(MSAT),
            spendable_msat: details.next_outbound_htlc_limit_msat,
            receivable_msat: details.inbound_capacity_msat,
            our_reserve_msat: details.unspendable_punishment_reserve.unwrap_or_default() * MSAT,
            their_reserve_msat: details.counterparty_unspendable_punishment_reserve * MSAT,
            our_to_self_delay: details.force_close_spend_delay,
            fee_base_msat,
            fee_proportional_millionths,
            feerate: FeeRate { perkw, perkb: perkw.saturating_mul(4) },
            alias: alias(details),
            updates: Updates { local },
            status: status(is_ready, details.confirmations_required, details.confirmations),
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
