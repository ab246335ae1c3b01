//! The one consumer of the library's events. Each is recorded, which publishes it, and then
//! acknowledged. After a crash in between the library delivers it again, and it is known to be
//! recorded.

use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::{Event, Node};
use ldk_server_grpc::events::event_envelope::Event as Published;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::effect::Effect;
use super::meaning::Change;
use crate::books::Books;
use crate::crash_points::{self, CrashPoint};
use crate::hold::{HeldPayments, HoldError};
use crate::store::Store;
use crate::wallet::{Spending, Splices};

/// Takes the library's events.
pub struct EventLoop {
    /// Whose events they are.
    pub node: Arc<Node>,
    /// Where they are recorded.
    pub store: Arc<Store>,
    /// Payments that wait to be claimed.
    pub held: Arc<HeldPayments>,
    /// On-chain transactions, one after the other.
    pub spending: Arc<Spending>,
    /// Channels that are being spliced.
    pub splices: Arc<Splices>,
    /// What is written down of channels.
    pub books: Arc<Books>,
}

/// Why no more events are taken.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A thread was lost.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// An event cannot be written down.
    #[error("cannot record {event}: {source}")]
    Record {
        /// Its name.
        event: &'static str,
        /// Why.
        source: RecordError,
    },
    /// An event cannot be taken out of the library's queue.
    #[error("cannot acknowledge {event}: {reason}")]
    Acknowledge {
        /// Its name.
        event: &'static str,
        /// Why.
        reason: String,
    },
}

/// Why an event is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A held payment is not looked after.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] io::Error),
}

impl EventLoop {
    /// Takes events until `stop` is cancelled. Returns an error if an event cannot be written down or
    /// acknowledged: the library may then have dropped it from memory without saving that, and only a
    /// restart makes the two agree again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), EventError> {
        let this = Arc::new(self);
        // Only the first can be one that was recorded before, by a process that ended too early.
        let mut is_first = true;
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                event = this.node.next_event_async() => event,
            };
            let this = Arc::clone(&this);
            // Looking up the payment takes the library's locks, and acknowledging may write to disk.
            tokio::task::spawn_blocking(move || this.handle(event, is_first)).await??;
            is_first = false;
        }
    }

    /// The record of the event is written before the acknowledgement, or with it, whoever waits.
    fn handle(&self, event: Event, is_first: bool) -> Result<(), EventError> {
        let effect = Effect::of(event);
        if effect.payment.is_some() {
            crash_points::reached(CrashPoint::Event);
        }
        let event = effect.event;
        if !is_first || !self.store.is_recorded(&effect.source_digest) {
            self.record(effect).map_err(|source| EventError::Record { event, source })?;
        }
        let acknowledged = self.store.acknowledging(|| self.node.event_handled());
        acknowledged.map_err(|error| EventError::Acknowledge { event, reason: error.to_string() })
    }

    fn record(&self, mut effect: Effect) -> Result<(), RecordError> {
        let is_news = match effect.change.take() {
            Some(change) => self.apply(change, &mut effect)?,
            None => true,
        };
        self.write_down(&effect)?;
        if is_news {
            let (payment, failure) = (effect.payment, effect.failure);
            let compose = move |payment| effect.into_row(payment);
            self.store.record_library_event(payment, failure, compose);
        }
        Ok(())
    }

    /// Writes down what happens to channels.
    fn write_down(&self, effect: &Effect) -> io::Result<()> {
        match effect.published() {
            Published::ChannelStateChanged(change) => self.books.channel_changed(change),
            Published::SpliceStateChanged(change) => self.books.splice_changed(change),
            _ => Ok(()),
        }
    }

    /// Tells whether there is something to publish.
    fn apply(&self, change: Change, effect: &mut Effect) -> Result<bool, RecordError> {
        match change {
            Change::Held(held) => {
                // Whether the caller has decided on it already is looked up on the disk.
                self.store.barrier()?;
                return Ok(self.held.arrived(held)?);
            },
            Change::Received(hash, amount_msat) => self.received(hash, amount_msat)?,
            Change::ChannelFunded(channel, txid) => self.spending.channel_funded(channel, txid),
            Change::ChannelReady(channel) => self.splices.ended(channel),
            Change::ChannelClosed(channel, id) => {
                self.splices.ended(channel);
                if !self.store.was_funded(id)? {
                    effect.has_failed_to_open();
                }
            },
            Change::SplicePending(channel, txid) => {
                self.spending.splice_pending(channel, txid);
                self.splices.pending(channel);
            },
            Change::SpliceFailed(channel) => {
                self.spending.splice_failed(channel);
                self.splices.ended(channel);
            },
        }
        Ok(true)
    }

    /// A payment has arrived for good.
    fn received(&self, payment_hash: PaymentHash, amount_msat: u64) -> Result<(), RecordError> {
        self.held.claimed(payment_hash)?;
        let id = PaymentId(payment_hash.0);
        let payment = self.store.durable_payment(id)?;
        if payment.is_some_and(|payment| payment.expired) {
            tracing::warn!(%payment_hash, "payment received after its invoice was pruned");
            self.store.paid_after_all(id, amount_msat)?;
        }
        Ok(())
    }
}
