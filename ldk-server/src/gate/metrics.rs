//! Metrics of the connections through the gate.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Result};

const HOLD_BUCKETS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

/// Which side has made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

impl Direction {
    fn label(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There are too many.
    #[error("limits.max_peer_connections is reached")]
    Total,
    /// There are too many from the same address.
    #[error("limits.max_peer_connections_per_address is reached")]
    Address,
    /// Too few file descriptors are left.
    #[error("too few open files are left for another peer")]
    Descriptors,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Total, Self::Address, Self::Descriptors];

    fn label(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
            Self::Descriptors => "descriptors",
        }
    }
}

/// Why a connection was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Dropped {
    /// It did not begin as a Lightning connection does.
    #[error("it does not speak the Lightning protocol")]
    NotLightning,
    /// It did not finish the handshake in time.
    #[error("the handshake took too long")]
    Handshake,
    /// Its permit was needed for another connection.
    #[error("another connection needed its place before the handshake finished")]
    Evicted,
    /// The peer did not read what was sent to it.
    #[error("the peer does not read")]
    Write,
    /// The state that the messages depend on will never be durable.
    #[error("the state that the messages depend on cannot be written")]
    NotDurable,
}

impl Dropped {
    const ALL: [Self; 5] =
        [Self::NotLightning, Self::Handshake, Self::Evicted, Self::Write, Self::NotDurable];

    fn label(self) -> &'static str {
        match self {
            Self::NotLightning => "not_lightning",
            Self::Handshake => "handshake",
            Self::Evicted => "evicted",
            Self::Write => "write",
            Self::NotDurable => "not_durable",
        }
    }
}

/// The metrics; clones share them.
#[derive(Clone)]
pub(super) struct GateMetrics {
    connections: IntGaugeVec,
    refused: IntCounterVec,
    dropped: IntCounterVec,
    bypassed: IntCounterVec,
    held_bytes: IntGauge,
    hold: Histogram,
}

/// Counts held bytes, until this is dropped.
pub(super) struct Held {
    gauge: IntGauge,
    bytes: i64,
}

/// Counts an open connection, until this is dropped.
pub(super) struct Open(IntGauge);

impl GateMetrics {
    /// Creates the metrics, all at 0.
    pub(super) fn new() -> Result<Self> {
        let connections =
            Opts::new("ldk_server_peer_connections", "Connections to and from Lightning peers.");
        let refused = Opts::new(
            "ldk_server_peer_connections_refused_total",
            "Connections of peers that were closed at once since the start, by what there was too \
             little of.",
        );
        let dropped = Opts::new(
            "ldk_server_peer_connections_dropped_total",
            "Connections to and from peers that were broken off since the start, by reason.",
        );
        let bypassed = Opts::new(
            "ldk_server_peer_gate_bypassed_total",
            "Connections of the node library since the start that did not go through the gate, and \
             were ended.",
        );
        let hold = HistogramOpts::new(
            "ldk_server_peer_hold_duration_seconds",
            "How long messages to peers were held until the state they rest on was on disk, in \
             seconds.",
        );
        let metrics = Self {
            connections: IntGaugeVec::new(connections, &["direction"])?,
            refused: IntCounterVec::new(refused, &["reason"])?,
            dropped: IntCounterVec::new(dropped, &["reason"])?,
            bypassed: IntCounterVec::new(bypassed, &["direction"])?,
            held_bytes: IntGauge::new(
                "ldk_server_peer_held_bytes",
                "Bytes of messages to peers that wait until the state they rest on is on disk, or \
                 until the peer takes them.",
            )?,
            hold: Histogram::with_opts(hold.buckets(HOLD_BUCKETS.to_vec()))?,
        };
        metrics.initialize_labels();
        Ok(metrics)
    }

    /// Exports all labels from the beginning, so that a rate includes the first increment.
    fn initialize_labels(&self) {
        for direction in [Direction::Inbound, Direction::Outbound] {
            self.connections.with_label_values(&[direction.label()]);
            self.bypassed.with_label_values(&[direction.label()]);
        }
        for reason in Refusal::ALL {
            self.refused.with_label_values(&[reason.label()]);
        }
        for reason in Dropped::ALL {
            self.dropped.with_label_values(&[reason.label()]);
        }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.connections.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.dropped.clone()),
            Box::new(self.bypassed.clone()),
            Box::new(self.held_bytes.clone()),
            Box::new(self.hold.clone()),
        ]
    }

    pub(super) fn opened(&self, direction: Direction) -> Open {
        let gauge = self.connections.with_label_values(&[direction.label()]);
        gauge.inc();
        Open(gauge)
    }

    pub(super) fn refused(&self, reason: Refusal) {
        self.refused.with_label_values(&[reason.label()]).inc();
    }

    pub(super) fn dropped(&self, reason: Dropped) {
        self.dropped.with_label_values(&[reason.label()]).inc();
    }

    pub(super) fn bypassed(&self, direction: Direction) {
        self.bypassed.with_label_values(&[direction.label()]).inc();
    }

    pub(super) fn held(&self, bytes: usize) -> Held {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.held_bytes.add(bytes);
        Held { gauge: self.held_bytes.clone(), bytes }
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> i64 {
        self.held_bytes.get()
    }

    #[cfg(test)]
    pub(super) fn was_refused(&self, reason: Refusal) -> u64 {
        self.refused.with_label_values(&[reason.label()]).get()
    }

    pub(super) fn released_after(&self, held: std::time::Duration) {
        self.hold.observe(held.as_secs_f64());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes);
    }
}

#[cfg(test)]
impl Open {
    pub(super) fn number(&self) -> i64 {
        self.0.get()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
