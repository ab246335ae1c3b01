//! What the metrics tell of events, and of the forwards among them.

use ldk_node::lightning::io;
use ldk_server_grpc::events::PaymentForwarded;
use ldk_server_grpc::events::event_envelope::Event;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts};

use crate::store::metrics::{Metrics, metrics_error};

/// What is counted of events.
pub(in crate::store) struct EventMetrics {
    recorded: IntCounterVec,
    forwards: IntCounter,
    forwarded_msat: IntCounter,
    fees_earned_msat: IntCounter,
}

impl EventMetrics {
    pub(super) fn new() -> io::Result<Self> {
        let counter = |name, help| IntCounter::new(name, help).map_err(metrics_error);
        let recorded = Opts::new("ldk_server_events_recorded_total", "Events since the start.");
        Ok(Self {
            recorded: IntCounterVec::new(recorded, &["kind"]).map_err(metrics_error)?,
            forwards: counter(
                "ldk_server_forwards_total",
                "Payments that were forwarded for others since the start.",
            )?,
            forwarded_msat: counter(
                "ldk_server_forwarded_msat_total",
                "What was passed on in forwards since the start, in millisatoshis, where it is \
                 known.",
            )?,
            fees_earned_msat: counter(
                "ldk_server_forward_fees_earned_msat_total",
                "What was earned by forwards since the start, in millisatoshis, where it is known.",
            )?,
        })
    }

    pub(super) fn recorded(&self, event: &Event) {
        self.recorded.with_label_values(&[event_kind(event)]).inc();
        let Event::PaymentForwarded(PaymentForwarded { forwarded_payment: Some(forward) }) = event
        else {
            return;
        };
        self.forwards.inc();
        self.forwarded_msat.inc_by(forward.outbound_amount_forwarded_msat.unwrap_or(0));
        self.fees_earned_msat.inc_by(forward.total_fee_earned_msat.unwrap_or(0));
    }
}

impl Metrics for EventMetrics {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.recorded.clone()),
            Box::new(self.forwards.clone()),
            Box::new(self.forwarded_msat.clone()),
            Box::new(self.fees_earned_msat.clone()),
        ]
    }
}

/// The kinds of events: the members of `event` in `EventEnvelope`.
pub const EVENT_KINDS: [&str; 8] = [
    "payment_received",
    "payment_successful",
    "payment_failed",
    "payment_forwarded",
    "payment_claimable",
    "channel_state_changed",
    "payment_failed_back",
    "splice_state_changed",
];

/// The kind of an event: its field in the envelope.
pub fn event_kind(event: &Event) -> &'static str {
    match event {
        Event::PaymentReceived(_) => "payment_received",
        Event::PaymentSuccessful(_) => "payment_successful",
        Event::PaymentFailed(_) => "payment_failed",
        Event::PaymentForwarded(_) => "payment_forwarded",
        Event::PaymentClaimable(_) => "payment_claimable",
        Event::ChannelStateChanged(_) => "channel_state_changed",
        Event::PaymentFailedBack(_) => "payment_failed_back",
        Event::SpliceStateChanged(_) => "splice_state_changed",
    }
}
