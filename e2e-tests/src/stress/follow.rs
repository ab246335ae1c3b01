//! A consumer of the events of one node, across its restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use ldk_server_client::api::{AckEventsRequest, ListEventConsumersRequest, SubscribeEventsRequest};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChanged, EventEnvelope, SpliceState,
};
use ldk_server_client::types::Payment;
use ldk_server_client::{Client, EventStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ledger::Ledger;
use super::violation::{Kind, Violation};
use crate::node::Node;
use crate::wait::until;

const CONSUMER: &str = "stress";
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes the events of a node and acknowledges each.
pub(super) struct Follower {
    ledger: Arc<Ledger>,
    seen: Arc<Mutex<Seen>>,
    task: Option<JoinHandle<()>>,
}

impl Follower {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), seen: Arc::default(), task: None }
    }

    /// Subscribes, after each start of the node. What the stream before had is taken first.
    pub(super) async fn follow(&mut self, node: &Node) -> Result<()> {
        if let Some(before) = self.task.take() {
            timeout(PATIENCE, before).await.context("the stream of a killed node goes on")??;
        }
        let request =
            SubscribeEventsRequest { consumer: CONSUMER.to_owned(), ..Default::default() };
        let stream = node.client().subscribe_events(request).await?;
        lock(&self.seen).resubscribed();
        let (ledger, seen) = (Arc::clone(&self.ledger), Arc::clone(&self.seen));
        self.task = Some(tokio::spawn(take_all(node.client().clone(), stream, ledger, seen)));
        Ok(())
    }

    /// Waits until the newest event has been taken. Returns what has been wrong with the events.
    pub(super) async fn violations(&self, node: &Node) -> Result<Vec<Violation>> {
        until(&format!("all events of {} are taken", node.alias()), PATIENCE, async || {
            let request = ListEventConsumersRequest {};
            let head = node.client().list_event_consumers(request).await?.head_index;
            let taken = lock(&self.seen).taken;
            ensure!(taken >= head, "{taken} of {head}");
            Ok(())
        })
        .await?;
        Ok(std::mem::take(&mut lock(&self.seen).violations))
    }

    /// How many numbered events were taken.
    pub(super) fn count(&self) -> u64 {
        lock(&self.seen).taken
    }

    /// The channels that were closed.
    pub(super) fn closures(&self) -> Vec<Closure> {
        lock(&self.seen).closures.clone()
    }

    /// The transactions of splices that were agreed on, as far as nothing else was told of them.
    pub(super) fn pending_splices(&self) -> Vec<String> {
        lock(&self.seen).splices.values().flatten().cloned().collect()
    }

    /// Whether an event told that the node received this payment.
    pub(super) fn has_received(&self, id: &str) -> bool {
        lock(&self.seen).received.contains(id)
    }

    /// Whether an event told that the node made this payment.
    pub(super) fn has_paid(&self, id: &str) -> bool {
        lock(&self.seen).successful.contains(id)
    }
}

/// What an event told of the end of a channel.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    pub(super) channel_id: String,
    pub(super) reason: String,
    /// Whether the node that told so closed it.
    pub(super) is_own: bool,
}

impl Closure {
    fn new(change: &ChannelStateChanged) -> Self {
        let reason = change.reason.as_ref().map(|reason| reason.message.clone());
        Self {
            channel_id: change.channel_id.clone(),
            reason: reason.unwrap_or_else(|| "no reason".to_owned()),
            is_own: change.closure_initiator() == ChannelClosureInitiator::Local,
        }
    }
}

/// Ends with the stream, when the node is killed.
async fn take_all(
    client: Client,
    mut stream: EventStream,
    ledger: Arc<Ledger>,
    seen: Arc<Mutex<Seen>>,
) {
    while let Some(Ok(envelope)) = stream.next().await {
        let event_index = envelope.event_index;
        lock(&seen).take(envelope, &ledger);
        let request = AckEventsRequest { consumer: CONSUMER.to_owned(), event_index };
        match client.ack_events(request).await {
            Ok(answer) => lock(&seen).acknowledged = answer.acknowledged_index,
            Err(_) => break,
        }
    }
}

/// What has come so far. Events are numbered from 1 without gap; what was taken and not
/// acknowledged comes again, the same, after the next start.
#[derive(Default)]
struct Seen {
    taken: u64,
    acknowledged: u64,
    /// The number that the next event of this stream must have; `None` if it is the first.
    next: Option<u64>,
    /// Those that have not been acknowledged when the stream began, or were taken since.
    unacknowledged: BTreeMap<u64, EventEnvelope>,
    received: BTreeSet<String>,
    successful: BTreeSet<String>,
    closures: Vec<Closure>,
    /// For each channel, the transaction of a splice that was agreed on.
    splices: BTreeMap<String, Option<String>>,
    violations: Vec<Violation>,
}

impl Seen {
    fn resubscribed(&mut self) {
        self.next = None;
        let acknowledged = self.acknowledged;
        self.unacknowledged.retain(|index, _| *index > acknowledged);
    }

    fn take(&mut self, envelope: EventEnvelope, ledger: &Ledger) {
        if !self.is_next(&envelope) {
            return;
        }
        match &envelope.event {
            Some(Event::PaymentReceived(received)) => {
                if let Some(payment) = &received.payment {
                    ledger.change(&payment.id, |entry| entry.payee_told_success = true);
                    self.once("PaymentReceived", payment);
                }
            },
            Some(Event::PaymentSuccessful(successful)) => {
                if let Some(payment) = &successful.payment {
                    ledger.change(&payment.id, |entry| entry.payer_told_success = true);
                    self.once("PaymentSuccessful", payment);
                }
            },
            Some(Event::PaymentFailed(failed)) => {
                if let Some(payment) = &failed.payment {
                    ledger.change(&payment.id, |entry| entry.payer_told_failure = true);
                }
            },
            Some(Event::ChannelStateChanged(change)) if change.state() == ChannelState::Closed => {
                self.closures.push(Closure::new(change));
            },
            Some(Event::SpliceStateChanged(change)) => {
                let is_pending = change.state() == SpliceState::Pending;
                let txid = change.funding_txo.as_deref().and_then(|txo| txo.split(':').next());
                let txid = txid.filter(|_| is_pending).map(str::to_owned);
                self.splices.insert(change.channel_id.clone(), txid);
            },
            _ => {},
        }
        self.taken = envelope.event_index;
        self.unacknowledged.insert(envelope.event_index, envelope);
    }

    /// Checks the number of an event. False for one that was taken before.
    fn is_next(&mut self, envelope: &EventEnvelope) -> bool {
        let index = envelope.event_index;
        let is_in_order = match self.next {
            Some(next) => index == next,
            // The last acknowledgement may have been written down although its answer was lost.
            None => index > self.acknowledged && index <= self.taken + 1,
        };
        if !is_in_order {
            self.violate(format!(
                "event {index} has come, the one awaited is {:?}; taken are {}, acknowledged {}",
                self.next, self.taken, self.acknowledged
            ));
        }
        self.next = Some(index + 1);
        if let Some(before) = self.unacknowledged.get(&index)
            && before != envelope
        {
            self.violate(format!("event {index} was {before:?}, and is {envelope:?}"));
        }
        index > self.taken
    }

    fn once(&mut self, what: &str, payment: &Payment) {
        let told =
            if what == "PaymentReceived" { &mut self.received } else { &mut self.successful };
        if !told.insert(payment.id.clone()) {
            self.violate(format!("{what} has come twice for {}", payment.id));
        }
    }

    fn violate(&mut self, text: String) {
        self.violations.push(Violation::new(Kind::Events, text));
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
