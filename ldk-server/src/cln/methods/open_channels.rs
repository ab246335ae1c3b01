//! The channels that are not closed, and how parameters name them.

use std::collections::HashSet;

use ldk_node::ChannelDetails;
use ldk_server_grpc::api::{ListChannelsRequest, ListPeersRequest};
use serde_json::Value;

use super::scid::scid;
use crate::api::rpc;
use crate::books::balance_msat;
use crate::cln::Call;
use crate::cln::args::{Hash, NodeId, Param};
use crate::cln::error::RpcError;
use crate::error::Error;

/// A channel.
pub(super) struct OpenChannel {
    pub(super) details: ChannelDetails,
    pub(super) is_connected: bool,
    has_anchors: bool,
}

/// The channels that are not closed.
pub(super) async fn open_channels(call: &Call) -> Result<Vec<OpenChannel>, RpcError> {
    // The API does not tell the numbers that channels have on the chain. It says whether the caller may
    // know of them.
    call.ask(rpc::ListChannels, ListChannelsRequest {}).await?;
    let peers = call.ask(rpc::ListPeers, ListPeersRequest {}).await?.peers;
    let connected = peers.into_iter().filter(|peer| peer.is_connected);
    let connected: HashSet<_> = connected.map(|peer| peer.node_id).collect();
    let channels = call.read("list_channels", |app| {
        let channels = app.node.list_channels().into_iter();
        let with_anchors = channels.map(|channel| {
            let known = app.books.has_anchors(&channel.channel_id.to_string());
            Ok((channel, known.map_err(Error::internal)?.unwrap_or(true)))
        });
        with_anchors.collect::<Result<Vec<_>, Error>>()
    });
    let channel = |(details, has_anchors): (ChannelDetails, bool)| OpenChannel {
        is_connected: connected.contains(&details.counterparty_node_id.to_string()),
        details,
        has_anchors,
    };
    Ok(channels.await?.into_iter().map(channel).collect())
}

impl OpenChannel {
    pub(super) fn id(&self) -> String {
        self.details.channel_id.to_string()
    }

    pub(super) fn peer_id(&self) -> String {
        self.details.counterparty_node_id.to_string()
    }

    pub(super) fn user_channel_id(&self) -> String {
        self.details.user_channel_id.0.to_string()
    }

    pub(super) fn state(&self) -> &'static str {
        if self.details.is_channel_ready { "CHANNELD_NORMAL" } else { "CHANNELD_AWAITING_LOCKIN" }
    }

    pub(super) fn short_channel_id(&self) -> Option<String> {
        self.details.short_channel_id.map(scid)
    }

    /// What belongs to us, if that can be told.
    pub(super) fn to_us_msat(&self) -> Option<u64> {
        balance_msat(&self.details, self.has_anchors)
    }

    /// The smallest and the largest payment that the peer takes.
    pub(super) fn htlc_limits_msat(&self) -> (u64, u64) {
        let total_msat = self.details.channel_value_sats.saturating_mul(1_000);
        let least_msat = self.details.counterparty_outbound_htlc_minimum_msat.unwrap_or_default();
        let most_msat = self.details.counterparty_outbound_htlc_maximum_msat;
        (least_msat, most_msat.map_or(total_msat, |most_msat| most_msat.min(total_msat)))
    }

    /// Whether the channel has this number on the chain, or as an alias.
    pub(super) fn has_number(&self, number: u64) -> bool {
        let ChannelDetails { short_channel_id, inbound_scid_alias, outbound_scid_alias, .. } =
            &self.details;
        [short_channel_id, inbound_scid_alias, outbound_scid_alias].contains(&&Some(number))
    }
}

/// How a parameter names channels.
#[derive(Debug, PartialEq)]
pub(super) enum ChannelName {
    Id(String),
    Number(u64),
    Peer(String),
}

impl Param for ChannelName {
    const EXPECTED: &'static str = "a channel ID or short channel ID";

    fn read(value: &Value) -> Option<Self> {
        if let Some(peer) = NodeId::read(value) {
            return Some(Self::Peer(peer.0));
        }
        if let Some(id) = Hash::read(value) {
            return Some(Self::Id(id.0));
        }
        parse_scid(value.as_str()?).map(Self::Number)
    }
}

impl ChannelName {
    /// The channels that have this name. There may be none with a peer.
    pub(super) fn of(
        &self,
        parameter: &str,
        channels: Vec<OpenChannel>,
    ) -> Result<Vec<OpenChannel>, RpcError> {
        let is_named = |channel: &OpenChannel| match self {
            Self::Id(id) => channel.id() == *id,
            Self::Number(number) => channel.has_number(*number),
            Self::Peer(peer) => channel.peer_id() == *peer,
        };
        let found: Vec<_> = channels.into_iter().filter(is_named).collect();
        let unknown = |what: &str, name: &str| {
            let reason = format!("{parameter}: {what} not found: invalid token '\"{name}\"'");
            Err(RpcError::params(reason))
        };
        match self {
            Self::Id(id) if found.is_empty() => unknown("Channel ID", id),
            Self::Number(number) if found.is_empty() => unknown("Short channel id", &scid(*number)),
            _ => Ok(found),
        }
    }

    /// The only channel that has this name.
    pub(super) fn only(
        &self,
        parameter: &str,
        channels: Vec<OpenChannel>,
    ) -> Result<OpenChannel, RpcError> {
        let mut found = self.of(parameter, channels)?.into_iter();
        match (found.next(), found.next()) {
            (Some(channel), None) => Ok(channel),
            (None, _) => Err(RpcError::generic("Peer has no active channel")),
            (Some(_), Some(_)) => Err(RpcError::generic(
                "Peer has multiple channels: use channel_id or short_channel_id",
            )),
        }
    }
}

/// The number in a text such as `450x1x0`.
pub(super) fn parse_scid(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text.split('x').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [block, transaction, output] = parts.try_into().ok()?;
    let is_number = block < 1 << 24 && transaction < 1 << 24 && output < 1 << 16;
    is_number.then_some(block << 40 | transaction << 16 | output)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn channels_have_ids_and_numbers() {
        let peer = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let id = "ab".repeat(32);
        assert_eq!(ChannelName::read(&json!(peer)), Some(ChannelName::Peer(peer.to_owned())));
        assert_eq!(ChannelName::read(&json!(id)), Some(ChannelName::Id(id.clone())));
        let number = ChannelName::read(&json!("450x1x2")).unwrap();
        assert_eq!(number, ChannelName::Number((450 << 40) | (1 << 16) | 2));
        for wrong in [json!("zz"), json!("1x1"), json!("1x1x1x1"), json!("16777216x0x0"), json!(7)]
        {
            assert_eq!(ChannelName::read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let refused = ChannelName::Number(1 << 40 | 1 << 16 | 1).only("id", Vec::new());
        assert_eq!(
            refused.err().unwrap().message,
            "id: Short channel id not found: invalid token '\"1x1x1\"'"
        );
        let refused = ChannelName::Peer("02".to_owned()).only("id", Vec::new()).err().unwrap();
        assert_eq!((refused.code, &*refused.message), (-1, "Peer has no active channel"));
    }
}
