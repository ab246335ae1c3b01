//! The events of a node, one after the other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use ldk_server_client::EventStream;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::events::{
    PaymentClaimable, PaymentFailedBack, PaymentReceived, PaymentSuccessful,
};
use ldk_server_client::types::Payment;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// What [`Node::events`](crate::Node::events) follows.
#[derive(Debug)]
pub struct Events {
    alias: String,
    stream: EventStream,
}

impl Events {
    pub(crate) fn new(alias: &str, stream: EventStream) -> Self {
        Self { alias: alias.to_owned(), stream }
    }

    /// The next event. An event stream that ends is a failure.
    pub async fn next(&mut self) -> Result<Event> {
        let envelope = self.stream.next().await;
        let envelope = envelope.with_context(|| format!("{}'s events ended", self.alias))??;
        envelope.event.with_context(|| format!("{} sent an empty event", self.alias))
    }

    /// Waits for the event that this payment succeeded, and returns the payment.
    pub async fn payment_successful(&mut self, payment_id: &str) -> Result<Payment> {
        self.wait_for("PaymentSuccessful", |event| {
            match event {
                Event::PaymentSuccessful(PaymentSuccessful { payment }) => payment,
                _ => None,
            }
            .filter(|payment| payment.id == payment_id)
        })
        .await
    }

    /// Waits for the event that this payment was received, and returns the payment.
    pub async fn payment_received(&mut self, payment_id: &str) -> Result<Payment> {
        self.wait_for("PaymentReceived", |event| {
            match event {
                Event::PaymentReceived(PaymentReceived { payment, .. }) => payment,
                _ => None,
            }
            .filter(|payment| payment.id == payment_id)
        })
        .await
    }

    /// Waits for the event that this payment is held, and returns the event.
    pub async fn payment_claimable(&mut self, payment_id: &str) -> Result<PaymentClaimable> {
        self.wait_for("PaymentClaimable", |event| match event {
            Event::PaymentClaimable(claimable) => claimable
                .payment
                .as_ref()
                .is_some_and(|held| held.id == payment_id)
                .then_some(claimable),
            _ => None,
        })
        .await
    }

    /// Waits for the event that this held payment was sent back, and returns the event.
    pub async fn payment_failed_back(&mut self, payment_id: &str) -> Result<PaymentFailedBack> {
        self.wait_for("PaymentFailedBack", |event| match event {
            Event::PaymentFailedBack(back) => {
                back.payment.as_ref().is_some_and(|failed| failed.id == payment_id).then_some(back)
            },
            _ => None,
        })
        .await
    }

    /// The next event that `pick` takes something from; those before it are passed over, and named
    /// if it does not come in time.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> Result<T> {
        let mut passed_over = Vec::new();
        let search = async {
            loop {
                let event = self.next().await?;
                if let Some(picked) = pick(event.clone()) {
                    return Ok(picked);
                }
                passed_over.push(event);
            }
        };
        timeout(PATIENCE, search)
            .await
            .with_context(|| format!("no event within {PATIENCE:?}: {what}"))
            .flatten()
            .with_context(|| format!("passed over: {passed_over:?}"))
    }
}
