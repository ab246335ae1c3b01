//! What Prometheus is told about the node.
//!
//! The node is asked in the background, every so often: peers, channels, balances and events are as
//! of the last time. Payments are counted as they are written, and always up to date. Nothing is added up
//! from events, so no number can go astray.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use ldk_node::{BalanceDetails, ChannelDetails, Node};
use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::certificate::Certificate;
use crate::clock::Ticks;
use crate::store::{EventCounts, PaymentCounts, Store};

/// What there is to tell; nothing before the node was asked for the first time.
pub type Latest = watch::Receiver<Option<Metrics>>;

/// What there is to tell.
pub struct Metrics {
    reading: Reading,
    store: Arc<Store>,
    certificate: Certificate,
}

/// What the node answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Those that ListPeers has: connected, or to be reconnected to.
    peers: usize,
    /// Those that ListChannels has, open or being opened, and are or will be announced.
    public_channels: usize,
    /// The others that ListChannels has.
    private_channels: usize,
    /// These four are those of GetBalances.
    total_onchain_sats: u64,
    spendable_onchain_sats: u64,
    anchor_reserve_sats: u64,
    lightning_sats: u64,
    events: EventCounts,
}

/// Asks the node at once and then every `poll_interval`, until `stop` is cancelled.
pub async fn watch_node(
    node: Arc<Node>,
    store: Arc<Store>,
    certificate: Certificate,
    poll_interval: Duration,
    latest: watch::Sender<Option<Metrics>>,
    stop: CancellationToken,
) {
    let mut ticks = Ticks::after(Duration::ZERO, poll_interval, stop);
    while ticks.next().await {
        let (node, reader) = (Arc::clone(&node), Arc::clone(&store));
        match spawn_blocking(move || Reading::of(&node, &reader)).await {
            Ok(Ok(reading)) => {
                let (store, certificate) = (Arc::clone(&store), certificate.clone());
                latest.send_replace(Some(Metrics { reading, store, certificate }));
            },
            Ok(Err(error)) => tracing::error!("cannot read the metrics: {error}"),
            Err(error) => tracing::error!("cannot read the metrics: {error}"),
        }
    }
}

impl Reading {
    fn of(node: &Node, store: &Store) -> io::Result<Self> {
        let channels = node.list_channels();
        let is_public = |channel: &&ChannelDetails| channel.is_announced;
        let public_channels = channels.iter().filter(is_public).count();
        let BalanceDetails {
            total_onchain_balance_sats,
            spendable_onchain_balance_sats,
            total_anchor_channels_reserve_sats,
            total_lightning_balance_sats,
            lightning_balances: _,
            pending_balances_from_channel_closures: _,
        } = node.list_balances();
        Ok(Self {
            peers: node.list_peers().len(),
            public_channels,
            private_channels: channels.len() - public_channels,
            total_onchain_sats: total_onchain_balance_sats,
            spendable_onchain_sats: spendable_onchain_balance_sats,
            anchor_reserve_sats: total_anchor_channels_reserve_sats,
            lightning_sats: total_lightning_balance_sats,
            events: store.event_counts()?,
        })
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    pub fn text(&self) -> prometheus::Result<String> {
        let text = text(&self.reading, self.store.payment_counts())?;
        let certificate = self.certificate.metric()?.collect();
        Ok(text + &TextEncoder::new().encode_to_string(&certificate)?)
    }
}

/// The registry is made anew each time, because values that are known need not be kept in step.
fn text(reading: &Reading, payments: PaymentCounts) -> prometheus::Result<String> {
    let registry = Registry::new();
    let add = |metric: Box<dyn Collector>| registry.register(metric);
    for (name, help, value) in gauges(reading, payments) {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        add(Box::new(gauge))?;
    }
    for (name, help, value) in counters(payments, reading.events) {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(value);
        add(Box::new(counter))?;
    }
    TextEncoder::new().encode_to_string(&registry.gather())
}

/// A name, what it means, and its value.
type Sample = (&'static str, &'static str, u64);

fn gauges(reading: &Reading, payments: PaymentCounts) -> [Sample; 12] {
    let Reading {
        peers,
        public_channels,
        private_channels,
        total_onchain_sats,
        spendable_onchain_sats,
        anchor_reserve_sats,
        lightning_sats,
        events,
    } = *reading;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        (
            "ldk_server_total_peers_count",
            "Peers that are connected, or that the node reconnects to.",
            count(peers),
        ),
        (
            "ldk_server_total_pending_payments_count",
            "Payments that have neither succeeded nor failed: under way, invoices not paid yet, \
             transactions with fewer than 6 confirmations.",
            payments.pending,
        ),
        (
            "ldk_server_total_channels_count",
            "Channels that are open or being opened.",
            count(public_channels.saturating_add(private_channels)),
        ),
        (
            "ldk_server_total_public_channels_count",
            "Those of the channels that are announced to the network.",
            count(public_channels),
        ),
        (
            "ldk_server_total_private_channels_count",
            "Those of the channels that are not announced.",
            count(private_channels),
        ),
        (
            "ldk_server_total_onchain_balance_sats",
            "All that the on-chain wallet holds, in satoshis.",
            total_onchain_sats,
        ),
        (
            "ldk_server_spendable_onchain_balance_sats",
            "What the on-chain wallet can spend now without touching the reserve, in satoshis.",
            spendable_onchain_sats,
        ),
        (
            "ldk_server_total_anchor_channels_reserve_sats",
            "What the on-chain wallet holds back to be able to close channels, in satoshis.",
            anchor_reserve_sats,
        ),
        (
            "ldk_server_total_lightning_balance_sats",
            "What would come back if every channel were closed now, in satoshis.",
            lightning_sats,
        ),
        (
            "ldk_server_events_head_index",
            "The number of the newest event; 0 before the first.",
            events.head_index,
        ),
        (
            "ldk_server_events_oldest_index",
            "The number of the oldest event that is kept; one more than the newest if none is.",
            events.oldest_index,
        ),
        (
            "ldk_server_event_consumers_count",
            "Consumers of events whose place is remembered.",
            count(events.consumers),
        ),
    ]
}

fn counters(payments: PaymentCounts, events: EventCounts) -> [Sample; 4] {
    let PaymentCounts { begun, pending: _, succeeded, failed } = payments;
    [
        (
            "ldk_server_total_payments_count",
            "Payments of every kind, direction and state: those stored at the start, and each \
             that began since.",
            begun,
        ),
        (
            "ldk_server_total_successful_payments_count",
            "Payments of every kind that had succeeded at the start, and each success since.",
            succeeded,
        ),
        (
            "ldk_server_total_failed_payments_count",
            "Payments of every kind that had failed at the start, and each failure since.",
            failed,
        ),
        (
            "ldk_server_events_removed_unacknowledged_total",
            "Events that were removed since the start before a consumer had acknowledged them, \
             once for each such consumer.",
            events.removed_unacknowledged,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_help_its_type_and_its_value() {
        let reading = Reading {
            peers: 1,
            public_channels: 2,
            private_channels: 3,
            total_onchain_sats: 4,
            spendable_onchain_sats: 2_100_000_000_000_000,
            anchor_reserve_sats: 6,
            lightning_sats: 7,
            events: EventCounts {
                head_index: 12,
                oldest_index: 13,
                consumers: 14,
                removed_unacknowledged: 15,
            },
        };
        let counts = PaymentCounts { begun: 8, pending: 9, succeeded: 10, failed: 11 };
        let text = text(&reading, counts).unwrap();
        for (name, kind, value) in [
            ("total_peers_count", "gauge", 1),
            ("total_payments_count", "counter", 8),
            ("total_pending_payments_count", "gauge", 9),
            ("total_successful_payments_count", "counter", 10),
            ("total_failed_payments_count", "counter", 11),
            ("total_channels_count", "gauge", 5),
            ("total_public_channels_count", "gauge", 2),
            ("total_private_channels_count", "gauge", 3),
            ("total_onchain_balance_sats", "gauge", 4),
            ("spendable_onchain_balance_sats", "gauge", 2_100_000_000_000_000_u64),
            ("total_anchor_channels_reserve_sats", "gauge", 6),
            ("total_lightning_balance_sats", "gauge", 7),
            ("events_head_index", "gauge", 12),
            ("events_oldest_index", "gauge", 13),
            ("event_consumers_count", "gauge", 14),
            ("events_removed_unacknowledged_total", "counter", 15),
        ] {
            let lines = format!("# TYPE ldk_server_{name} {kind}\nldk_server_{name} {value}\n");
            assert!(text.contains(&lines), "{lines} is not in {text}");
            assert!(text.contains(&format!("# HELP ldk_server_{name} ")), "{name}");
        }
        assert_eq!(text.lines().count(), 16 * 3, "{text}");
    }

    #[test]
    fn every_metric_is_documented_with_its_type() {
        let document = include_str!("../../docs/metrics.md");
        let (reading, counts) = (Reading::default(), PaymentCounts::default());
        for (kind, (name, ..)) in gauges(&reading, counts)
            .map(|sample| ("gauge", sample))
            .into_iter()
            .chain(counters(counts, reading.events).map(|sample| ("counter", sample)))
        {
            assert!(document.contains(&format!("| `{name}` | {kind} |")), "{name}");
        }
        // With that of the certificate, which is not read from the node.
        assert_eq!(document.matches("| `ldk_server_").count(), 16 + 1);
    }
}
