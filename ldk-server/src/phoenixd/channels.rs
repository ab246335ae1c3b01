//! Channels, and what can be sent over them.

use ldk_server_grpc::api::ListChannelsRequest;
use ldk_server_grpc::types;
use serde::Serialize;

use super::Call;
use crate::api::rpc;
use crate::error::Error;

const MSAT_PER_SAT: u64 = 1_000;

/// A channel.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Channel {
    state: &'static str,
    channel_id: String,
    balance_sat: u64,
    inbound_liquidity_sat: u64,
    capacity_sat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    funding_tx_id: Option<String>,
}

/// The channels of the node.
pub(super) struct Channels(Vec<types::Channel>);

impl Channels {
    pub(super) async fn of(call: &Call) -> Result<Self, Error> {
        let mut channels = call.ask(rpc::ListChannels, ListChannelsRequest {}).await?.channels;
        // phoenixd has one; programs that look at the first only should find the one that matters.
        channels.sort_by_key(|channel| std::cmp::Reverse(channel.outbound_capacity_msat));
        Ok(Self(channels))
    }

    pub(super) fn shown(&self) -> Vec<Channel> {
        self.0.iter().map(Channel::of).collect()
    }

    /// What can be sent, in millisatoshis, with fees.
    pub(super) fn sendable_msat(&self) -> u64 {
        let ready = self.0.iter().filter(|channel| channel.is_channel_ready);
        ready.map(|channel| channel.outbound_capacity_msat).sum()
    }

    /// Why nothing so large can be sent, in phoenixd's words, which some programs compare.
    pub(super) fn why_not(&self, amount_msat: u64) -> &'static str {
        let any = |is_so: fn(&types::Channel) -> bool| self.0.iter().any(is_so);
        if self.sendable_msat() < amount_msat && any(|channel| !channel.is_channel_ready) {
            "channel creation is in progress, please retry when ready"
        } else if self.sendable_msat() < amount_msat {
            "not enough funds in wallet to afford payment"
        } else if !any(|channel| channel.is_usable) {
            "channel is not connected yet, please retry when connected"
        } else {
            NO_ROUTE
        }
    }
}

/// No way was found to send it.
pub(super) const NO_ROUTE: &str = "payment could not be sent through existing channels, check \
                                   individual failures for more details";

impl Channel {
    fn of(channel: &types::Channel) -> Self {
        Self {
            state: state(channel),
            channel_id: channel.channel_id.clone(),
            balance_sat: channel.outbound_capacity_msat / MSAT_PER_SAT,
            inbound_liquidity_sat: channel.inbound_capacity_msat / MSAT_PER_SAT,
            capacity_sat: channel.channel_value_sats,
            funding_tx_id: channel.funding_txo.as_ref().map(|output| output.txid.clone()),
        }
    }
}

/// In phoenixd's words.
fn state(channel: &types::Channel) -> &'static str {
    match (channel.is_channel_ready, channel.is_usable) {
        (true, true) => "Normal",
        (true, false) => "Offline",
        (false, _) => "WaitForFundingConfirmed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel(outbound_capacity_msat: u64, is_ready: bool, is_usable: bool) -> types::Channel {
        types::Channel {
            channel_id: "aa".to_owned(),
            funding_txo: Some(types::OutPoint { txid: "bb".to_owned(), vout: 1 }),
            channel_value_sats: 100_000,
            inbound_capacity_msat: 7_999,
            outbound_capacity_msat,
            is_channel_ready: is_ready,
            is_usable,
            ..Default::default()
        }
    }

    #[test]
    fn a_channel_has_phoenixds_members() {
        let shown = serde_json::to_value(Channel::of(&channel(5_999, true, true))).unwrap();
        let expected = json!({
            "state": "Normal",
            "channelId": "aa",
            "balanceSat": 5,
            "inboundLiquiditySat": 7,
            "capacitySat": 100_000,
            "fundingTxId": "bb",
        });
        assert_eq!(shown, expected);
        assert_eq!(state(&channel(0, true, false)), "Offline");
        assert_eq!(state(&channel(0, false, false)), "WaitForFundingConfirmed");
    }

    #[test]
    fn why_nothing_is_sent_is_told_in_phoenixds_words() {
        for (channels, expected) in [
            (vec![], "not enough funds in wallet"),
            (vec![channel(9, true, true)], "not enough funds in wallet"),
            (vec![channel(90, false, false)], "channel creation is in progress"),
            (vec![channel(90, true, false)], "channel is not connected yet"),
            (vec![channel(90, true, true)], "payment could not be sent through"),
        ] {
            let why = Channels(channels).why_not(10);
            assert!(why.starts_with(expected), "{why}");
        }
    }
}
