//! How an event reaches many subscribers.
//!
//! The events are the PaymentSuccessful of small payments, one at a time: the next is made when
//! every subscriber has the event of the one before. The subscribers are here, so that what this
//! process takes to read a thousand streams is in the times, but not in the daemon's CPU time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use ldk_server_client::api::{SpontaneousSendRequest, SubscribeEventsRequest};
use ldk_server_client::events::PaymentSuccessful;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::{Client, EventStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::figures::{Millis, millis_between};
use crate::pair::{Pair, Side};

/// Below the dust limit, for the event costs the same.
const AMOUNT_MSAT: u64 = 1_000;
/// What the daemon allows.
const MAX_STREAMS_PER_CONNECTION: usize = 256;
/// How long it may take until everybody has an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the delivery of events took.
pub(crate) struct FanOut {
    pub(crate) subscribers: usize,
    pub(crate) events: usize,
    /// From the call that makes a payment to its answer.
    pub(crate) call: Millis,
    /// From the first subscriber's receipt of an event to that of each, the first aside.
    pub(crate) first_to_each: Millis,
    /// From the first subscriber's receipt of an event to that of the last.
    pub(crate) first_to_last: Millis,
    /// From the answer to the call that made the payment to each subscriber's receipt.
    pub(crate) answer_to_each: Millis,
    /// What the daemon used in all, for the payments too.
    pub(crate) cpu: Duration,
}

impl FanOut {
    pub(crate) fn deliveries(&self) -> usize {
        self.events * self.subscribers
    }
}

/// Fails if the daemon would not let so many subscribers share so few connections.
pub(crate) fn check(subscribers: usize, connections: usize) -> Result<()> {
    let most = connections.saturating_mul(MAX_STREAMS_PER_CONNECTION);
    ensure!(subscribers <= most, "{connections} connections carry {most} subscribers at most");
    Ok(())
}

/// A subscriber has got the event of this payment.
struct Arrival {
    payment_id: String,
    at: Instant,
}

/// One event and its arrivals, in their order.
struct Delivery {
    called: Instant,
    answered: Instant,
    arrivals: Vec<Instant>,
}

/// Makes payments, and takes the time until each of the subscribers knows of them.
pub(crate) async fn measure(
    pair: &Pair,
    subscribers: usize,
    connections: usize,
    payments: usize,
) -> Result<FanOut> {
    let [payer, payee] = pair.sides();
    let (sender, mut arrivals) = mpsc::channel(subscribers);
    let _subscribers = subscribe(payer, subscribers, connections, &sender).await?;
    let before = payer.usage().await?;
    let mut deliveries = Vec::with_capacity(payments);
    for _ in 0..payments {
        let delivery = deliver(payer, payee, subscribers, &mut arrivals);
        let delivery = timeout(PATIENCE, delivery).await;
        deliveries.push(delivery.context("not every subscriber has got the event")??);
    }
    let cpu = payer.usage().await?.since(before).cpu;
    Ok(FanOut {
        subscribers,
        events: payments,
        call: deliveries.iter().map(Delivery::call_ms).collect(),
        first_to_each: deliveries.iter().flat_map(Delivery::first_to_each_ms).collect(),
        first_to_last: deliveries.iter().filter_map(|one| one.first_to_each_ms().last()).collect(),
        answer_to_each: deliveries.iter().flat_map(Delivery::answer_to_each_ms).collect(),
        cpu,
    })
}

impl Delivery {
    fn call_ms(&self) -> f64 {
        millis_between(self.called, self.answered)
    }

    fn first_to_each_ms(&self) -> impl Iterator<Item = f64> {
        self.arrivals.first().into_iter().flat_map(|first| {
            self.arrivals.iter().skip(1).map(|arrival| millis_between(*first, *arrival))
        })
    }

    fn answer_to_each_ms(&self) -> impl Iterator<Item = f64> {
        self.arrivals.iter().map(|arrival| millis_between(self.answered, *arrival))
    }
}

/// Starts the subscribers, who share the connections evenly.
async fn subscribe(
    payer: &Side,
    subscribers: usize,
    connections: usize,
    sender: &mpsc::Sender<Arrival>,
) -> Result<JoinSet<Result<()>>> {
    let clients: Vec<Client> = (0..connections)
        .map(|_| Client::from_config_file(payer.node.config_file()))
        .collect::<Result<_, _>>()?;
    let mut tasks = JoinSet::new();
    for client in clients.iter().cycle().take(subscribers) {
        let events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
        tasks.spawn(tell(events, sender.clone()));
    }
    Ok(tasks)
}

/// Tells of every payment that succeeds, as long as somebody listens.
async fn tell(mut events: EventStream, sender: mpsc::Sender<Arrival>) -> Result<()> {
    while let Some(envelope) = events.next().await {
        let at = Instant::now();
        if let Some(Event::PaymentSuccessful(PaymentSuccessful { payment: Some(payment) })) =
            envelope?.event
        {
            sender.send(Arrival { payment_id: payment.id, at }).await?;
        }
    }
    Ok(())
}

/// Makes a payment, and waits until all the subscribers have its event.
async fn deliver(
    payer: &Side,
    payee: &Side,
    subscribers: usize,
    arrivals: &mut mpsc::Receiver<Arrival>,
) -> Result<Delivery> {
    let request = SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: payee.node.id().to_owned(),
        ..Default::default()
    };
    let called = Instant::now();
    let payment_id = payer.node.client().spontaneous_send(request).await?.payment_id;
    let answered = Instant::now();
    let mut times = Vec::with_capacity(subscribers);
    while times.len() < subscribers {
        let arrival = arrivals.recv().await.context("all the streams of events have ended")?;
        ensure!(arrival.payment_id == payment_id, "an event of another payment");
        times.push(arrival.at);
    }
    times.sort_unstable();
    Ok(Delivery { called, answered, arrivals: times })
}
