//! What is counted of deliveries.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, Opts};

use super::delivery::Attempt;

const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";

/// The attempts of all webhooks. Clones count together.
#[derive(Clone)]
pub(super) struct AttemptMetrics(IntCounterVec);

impl AttemptMetrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let attempts = Opts::new(
            "ldk_server_webhook_attempts_total",
            "Attempts to deliver an event to a webhook since the start.",
        );
        let attempts = IntCounterVec::new(attempts, &["result"])?;
        for result in [DELIVERED, FAILED] {
            attempts.with_label_values(&[result]);
        }
        Ok(Self(attempts))
    }

    pub(super) fn attempted(&self, attempt: &Attempt) {
        let result = if attempt.is_delivered() { DELIVERED } else { FAILED };
        self.0.with_label_values(&[result]).inc();
    }

    pub(super) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.0.clone())
    }
}
