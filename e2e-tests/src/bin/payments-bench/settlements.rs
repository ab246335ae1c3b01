//! What has become of payments, as the payer's events tell it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e_tests::Events;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::events::{PaymentFailed, PaymentSuccessful};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The end of a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settled {
    /// Its PaymentSuccessful came at this moment.
    Succeeded(Instant),
    Failed,
}

enum Entry {
    /// The event has not come yet.
    Awaited(oneshot::Sender<Settled>),
    /// The event came before the call that began the payment returned.
    Settled(Settled),
}

/// The payments that are under way, by their ids.
#[derive(Default)]
pub(crate) struct Settlements {
    entries: Mutex<HashMap<String, Entry>>,
    settled: Notify,
}

impl Settlements {
    /// Takes note of every event, until the stream fails.
    pub(crate) async fn follow(&self, mut events: Events) -> Result<Infallible> {
        loop {
            match events.next().await? {
                Event::PaymentSuccessful(PaymentSuccessful { payment: Some(payment) }) => {
                    self.note(payment.id, Settled::Succeeded(Instant::now()));
                },
                Event::PaymentFailed(PaymentFailed { payment: Some(payment) }) => {
                    self.note(payment.id, Settled::Failed);
                },
                _ => {},
            }
        }
    }

    /// Waits until this payment is settled.
    pub(crate) async fn of(&self, payment_id: String) -> Result<Settled> {
        let coming = {
            let mut entries = self.entries();
            if let Some(Entry::Settled(settled)) = entries.remove(&payment_id) {
                return Ok(settled);
            }
            let (sender, coming) = oneshot::channel();
            entries.insert(payment_id, Entry::Awaited(sender));
            coming
        };
        Ok(coming.await?)
    }

    /// Waits for the next payment to be settled, but not for long: a place in the channel becomes free
    /// at another moment.
    pub(crate) async fn next(&self) {
        let _ = timeout(LOOK_AGAIN_AFTER, self.settled.notified()).await;
    }

    fn note(&self, payment_id: String, settled: Settled) {
        let mut entries = self.entries();
        match entries.remove(&payment_id) {
            // Nobody may wait any more.
            Some(Entry::Awaited(sender)) => drop(sender.send(settled)),
            _ => drop(entries.insert(payment_id, Entry::Settled(settled))),
        }
        self.settled.notify_waiters();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
