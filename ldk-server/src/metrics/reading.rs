//! One reading of the node, and its metrics.

use ldk_node::lightning::io;
use ldk_node::{BalanceDetails, ChannelDetails, LightningBalance, Node, NodeStatus};
use ldk_server_grpc::types::EventConsumer;

use super::opened_by_peers::OpenedByPeers;
use super::page::{Page, signed};
use crate::clock::unix_secs;
use crate::gate::PeerGate;
use crate::store::{EventCounts, Store};
use crate::wallet::reserve;

/// One reading of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The peers of ListPeers: connected, or to be reconnected to.
    pub(super) peers: usize,
    pub(super) connected_peers: usize,
    /// The channels of ListChannels that are or will be announced.
    pub(super) public_channels: usize,
    /// The other channels of ListChannels.
    pub(super) private_channels: usize,
    /// All channels by their state.
    pub(super) channels: [Channels; 3],
    pub(super) opened_by_peers: OpenedByPeers,
    /// The next values are those of GetBalances.
    pub(super) total_onchain_sats: u64,
    pub(super) spendable_onchain_sats: u64,
    pub(super) anchor_reserve_sats: u64,
    /// The missing part of the reserve.
    pub(super) missing_reserve_sats: u64,
    pub(super) lightning_sats: u64,
    /// The lowest deadline of an HTLC; `None` without HTLCs.
    pub(super) htlc_deadline_height: Option<u32>,
    pub(super) chain_height: u32,
    pub(super) synced: Synced,
    pub(super) events: EventCounts,
    pub(super) consumers: Vec<EventConsumer>,
}

/// The channels in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channels {
    pub(super) number: usize,
    pub(super) outbound_msat: u64,
    pub(super) inbound_msat: u64,
}

/// The times of the last syncs, in Unix seconds; `None` for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Synced {
    pub(super) onchain_wallet_secs: Option<u64>,
    pub(super) lightning_wallet_secs: Option<u64>,
    pub(super) fee_rates_secs: Option<u64>,
}

impl Synced {
    fn of(status: &NodeStatus) -> Self {
        Self {
            onchain_wallet_secs: status.latest_onchain_wallet_sync_timestamp,
            lightning_wallet_secs: status.latest_lightning_wallet_sync_timestamp,
            fee_rates_secs: status.latest_fee_rate_cache_update_timestamp,
        }
    }
}

/// The states of channels, in the order of [`Reading::channels`].
const CHANNEL_STATES: [&str; 3] = ["usable", "unusable", "pending"];

fn state(channel: &ChannelDetails) -> usize {
    match (channel.is_usable, channel.is_channel_ready) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

impl Reading {
    pub(super) fn of(node: &Node, store: &Store, gate: &PeerGate) -> io::Result<Self> {
        let (channels, balances) = (node.list_channels(), node.list_balances());
        let missing_reserve_sats = reserve::missing_sats(node, &balances, &channels);
        let is_public = |channel: &&ChannelDetails| channel.is_announced;
        let public_channels = channels.iter().filter(is_public).count();
        let BalanceDetails {
            total_onchain_balance_sats,
            spendable_onchain_balance_sats,
            total_anchor_channels_reserve_sats,
            total_lightning_balance_sats,
            lightning_balances,
            pending_balances_from_channel_closures: _,
        } = balances;
        let status = node.status();
        let peers = gate.known_peers(node.list_peers());
        Ok(Self {
            peers: peers.len(),
            connected_peers: peers.iter().filter(|peer| peer.is_connected()).count(),
            public_channels,
            private_channels: channels.len() - public_channels,
            channels: by_state(&channels),
            opened_by_peers: OpenedByPeers::of(&channels, node.config().anchor_channels_config),
            total_onchain_sats: total_onchain_balance_sats,
            spendable_onchain_sats: spendable_onchain_balance_sats,
            anchor_reserve_sats: total_anchor_channels_reserve_sats,
            missing_reserve_sats,
            lightning_sats: total_lightning_balance_sats,
            htlc_deadline_height: lightning_balances.iter().filter_map(deadline_height).min(),
            chain_height: status.current_best_block.height,
            synced: Synced::of(&status),
            events: store.event_counts()?,
            consumers: store.event_consumers()?.0,
        })
    }

    pub(super) fn add(&self, page: &Page) -> prometheus::Result<()> {
        self.add_peers_and_channels(page)?;
        self.opened_by_peers.add(page)?;
        self.add_balances(page)?;
        self.add_chain(page)?;
        self.add_events(page)
    }

    fn add_peers_and_channels(&self, page: &Page) -> prometheus::Result<()> {
        let Self { public_channels, private_channels, .. } = *self;
        page.gauge(
            "ldk_server_total_peers_count",
            "Peers that are connected, or that the node reconnects to.",
            signed(self.peers),
        )?;
        page.gauge(
            "ldk_server_connected_peers",
            "Peers that are connected.",
            signed(self.connected_peers),
        )?;
        page.gauge(
            "ldk_server_total_channels_count",
            "Channels that are open or being opened.",
            signed(public_channels.saturating_add(private_channels)),
        )?;
        page.gauge(
            "ldk_server_total_public_channels_count",
            "Those of the channels that are announced to the network.",
            signed(public_channels),
        )?;
        page.gauge(
            "ldk_server_total_private_channels_count",
            "Those of the channels that are not announced.",
            signed(private_channels),
        )?;
        self.add_channels_by_state(page)
    }

    fn add_channels_by_state(&self, page: &Page) -> prometheus::Result<()> {
        let by_state = |value: fn(&Channels) -> i64| {
            CHANNEL_STATES.into_iter().zip(self.channels.iter().map(value))
        };
        page.gauges(
            "ldk_server_channels",
            "Channels: usable, ready but not usable, or pending.",
            "state",
            by_state(|channels| signed(channels.number)),
        )?;
        page.gauges(
            "ldk_server_channels_outbound_capacity_msat",
            "What can be sent over the channels, in millisatoshis.",
            "state",
            by_state(|channels| signed(channels.outbound_msat)),
        )?;
        page.gauges(
            "ldk_server_channels_inbound_capacity_msat",
            "What can be received over the channels, in millisatoshis.",
            "state",
            by_state(|channels| signed(channels.inbound_msat)),
        )
    }

    fn add_balances(&self, page: &Page) -> prometheus::Result<()> {
        page.gauge(
            "ldk_server_total_onchain_balance_sats",
            "All that the on-chain wallet holds, in satoshis.",
            signed(self.total_onchain_sats),
        )?;
        page.gauge(
            "ldk_server_spendable_onchain_balance_sats",
            "What the on-chain wallet can spend now without touching the reserve, in satoshis.",
            signed(self.spendable_onchain_sats),
        )?;
        page.gauge(
            "ldk_server_total_anchor_channels_reserve_sats",
            "What the on-chain wallet holds back to be able to close channels, in satoshis.",
            signed(self.anchor_reserve_sats),
        )?;
        page.gauge(
            "ldk_server_anchor_reserve_missing_sats",
            "What the on-chain wallet lacks of the reserve for closing channels, in satoshis.",
            signed(self.missing_reserve_sats),
        )?;
        page.gauge(
            "ldk_server_total_lightning_balance_sats",
            "What would come back if every channel were closed now, in satoshis.",
            signed(self.lightning_sats),
        )
    }

    fn add_chain(&self, page: &Page) -> prometheus::Result<()> {
        let height = i64::from(self.chain_height);
        page.gauge(
            "ldk_server_chain_height_blocks",
            "The block up to which the node knows the chain.",
            height,
        )?;
        if let Some(deadline) = self.htlc_deadline_height {
            page.gauge(
                "ldk_server_nearest_htlc_deadline_blocks",
                "Blocks until the first of the pending HTLCs has timed out; absent without any.",
                i64::from(deadline) - height,
            )?;
        }
        let now_secs = unix_secs();
        let Synced { onchain_wallet_secs, lightning_wallet_secs, fee_rates_secs } = self.synced;
        let ages = [
            ("onchain_wallet", onchain_wallet_secs),
            ("lightning_wallet", lightning_wallet_secs),
            ("fee_rates", fee_rates_secs),
        ];
        page.gauges(
            "ldk_server_sync_age_seconds",
            "How long ago the node was last in step with its chain source; absent if it never was.",
            "of",
            ages.into_iter().filter_map(|(what, synced_secs)| {
                Some((what, signed(now_secs.saturating_sub(synced_secs?))))
            }),
        )
    }

    fn add_events(&self, page: &Page) -> prometheus::Result<()> {
        let EventCounts { head_index, oldest_index, consumers, removed_unacknowledged } =
            self.events;
        page.gauge(
            "ldk_server_events_head_index",
            "The number of the newest event; 0 before the first.",
            signed(head_index),
        )?;
        page.gauge(
            "ldk_server_events_oldest_index",
            "The number of the oldest event that is kept; one more than the newest if none is.",
            signed(oldest_index),
        )?;
        page.gauge(
            "ldk_server_event_consumers_count",
            "Consumers of events whose place is remembered.",
            signed(consumers),
        )?;
        page.gauges(
            "ldk_server_event_consumer_lag_events",
            "Events that each consumer has not acknowledged.",
            "consumer",
            self.consumers
                .iter()
                .map(|consumer| (consumer.name.as_str(), signed(consumer.unacknowledged_events))),
        )?;
        page.counter(
            "ldk_server_events_removed_unacknowledged_total",
            "Events that were removed since the start before a consumer had acknowledged them, once \
             for each such consumer.",
            removed_unacknowledged,
        )
    }
}

fn by_state(details: &[ChannelDetails]) -> [Channels; 3] {
    let mut states = [Channels::default(); 3];
    for channel in details {
        let Channels { number, outbound_msat, inbound_msat } = &mut states[state(channel)];
        *number += 1;
        *outbound_msat = outbound_msat.saturating_add(channel.outbound_capacity_msat);
        *inbound_msat = inbound_msat.saturating_add(channel.inbound_capacity_msat);
    }
    states
}

/// The height at which an HTLC times out, if this is the balance of one. An HTLC with a known
/// preimage in an open channel is part of the balance of the channel.
fn deadline_height(balance: &LightningBalance) -> Option<u32> {
    match balance {
        LightningBalance::ContentiousClaimable { timeout_height: height, .. }
        | LightningBalance::MaybeTimeoutClaimableHTLC { claimable_height: height, .. }
        | LightningBalance::MaybePreimageClaimableHTLC { expiry_height: height, .. } => {
            Some(*height)
        },
        LightningBalance::ClaimableOnChannelClose { .. }
        | LightningBalance::ClaimableAwaitingConfirmations { .. }
        | LightningBalance::CounterpartyRevokedOutputClaimable { .. } => None,
    }
}
