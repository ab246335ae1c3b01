//! What the metrics tell of payments, by kind.

use ldk_node::lightning::io;
use ldk_server_grpc::types::{PaymentDirection, PaymentMethod, PaymentStatus};
use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use crate::store::metrics::{Metrics, metrics_error};
use crate::store::model::{Class, StatusChange};

/// What is counted of payments.
#[derive(Clone)]
pub(in crate::store) struct PaymentMetrics {
    number: IntGaugeVec,
    received_msat: IntCounterVec,
    sent_msat: IntCounterVec,
    fees_paid_msat: IntCounterVec,
}

impl PaymentMetrics {
    pub(super) fn new() -> io::Result<Self> {
        let by_kind = |name: &str, help: &str| {
            IntCounterVec::new(Opts::new(name, help), &["kind"]).map_err(metrics_error)
        };
        let number = Opts::new("ldk_server_payments", "Payments in the history, as they are now.");
        Ok(Self {
            number: IntGaugeVec::new(number, &["status", "direction", "kind"])
                .map_err(metrics_error)?,
            received_msat: by_kind(
                "ldk_server_payments_received_msat_total",
                "Amounts of the inbound payments that succeeded since the start, in millisatoshis.",
            )?,
            sent_msat: by_kind(
                "ldk_server_payments_sent_msat_total",
                "Amounts of the outbound payments that succeeded since the start, without fees, in \
                 millisatoshis.",
            )?,
            fees_paid_msat: by_kind(
                "ldk_server_payments_fees_paid_msat_total",
                "Fees of the outbound payments that succeeded since the start, in millisatoshis.",
            )?,
        })
    }

    pub(super) fn are_stored(&self, class: Class, number: u64) {
        self.number_of(class).add(i64::try_from(number).unwrap_or(i64::MAX));
    }

    pub(super) fn changed(&self, change: &StatusChange) {
        if change.before != Some(change.after) {
            if let Some(before) = change.before {
                self.number_of(before).dec();
            }
            self.number_of(change.after).inc();
        }
        let Class { status, direction, method } = change.after;
        if status != PaymentStatus::Succeeded || !change.is_news() {
            return;
        }
        let kind = &[kind(method)];
        match direction {
            PaymentDirection::Inbound => {
                self.received_msat.with_label_values(kind).inc_by(change.amount_msat);
            },
            PaymentDirection::Outbound => {
                self.sent_msat.with_label_values(kind).inc_by(change.amount_msat);
                self.fees_paid_msat.with_label_values(kind).inc_by(change.fee_paid_msat);
            },
        }
    }

    fn number_of(&self, class: Class) -> prometheus::IntGauge {
        let status = match class.status {
            PaymentStatus::Pending => "pending",
            PaymentStatus::Succeeded => "succeeded",
            PaymentStatus::Failed => "failed",
        };
        let direction = match class.direction {
            PaymentDirection::Inbound => "inbound",
            PaymentDirection::Outbound => "outbound",
        };
        self.number.with_label_values(&[status, direction, kind(class.method)])
    }
}

impl Metrics for PaymentMetrics {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.number.clone()),
            Box::new(self.received_msat.clone()),
            Box::new(self.sent_msat.clone()),
            Box::new(self.fees_paid_msat.clone()),
        ]
    }
}

fn kind(method: PaymentMethod) -> &'static str {
    match method {
        PaymentMethod::Unspecified => "unknown",
        PaymentMethod::Onchain => "onchain",
        PaymentMethod::Bolt11 => "bolt11",
        PaymentMethod::Bolt11Jit => "bolt11_jit",
        PaymentMethod::Bolt12Offer => "bolt12_offer",
        PaymentMethod::Bolt12Refund => "bolt12_refund",
        PaymentMethod::Spontaneous => "spontaneous",
    }
}
