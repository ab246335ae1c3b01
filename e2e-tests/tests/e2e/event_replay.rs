//! Events that are asked for later: over a restart, over kill -9, by consumers whose place the server
//! remembers, and until they are removed.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    Network, Nginx, Node, RawAnswer, RawConnection, grpc_frame, invalid, refused, signed_request,
    until,
};
use futures_util::StreamExt as _;
use ldk_server_client::api::{
    AckEventsRequest, DeleteEventConsumerRequest, GetNodeInfoRequest, ListEventConsumersRequest,
    ListEventConsumersResponse, SubscribeEventsRequest,
};
use ldk_server_client::events::EventEnvelope;
use ldk_server_client::types::EventConsumer;
use ldk_server_client::{Code, ConnectionChange, Error, EventStream};
use prost::Message as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 3_000_000;
const AMOUNT_MSAT: u64 = 1_000_000;
const KEEP_3: &str = "[events]\nkeep_count = 3\n";

#[tokio::test(flavor = "multi_thread")]
async fn events_outlive_the_stream_and_the_process() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    pay(&alice, &bob, 3).await?;
    let first = all(&bob).await?;
    what_lies_in_the_future_is_refused(&bob, first.len() as u64).await?;
    consumers_have_names(&bob).await?;
    the_head_comes_first(&bob).await?;
    // This one begins now and acknowledges nothing.
    drop(subscribe(&bob, None, "late").await?);
    drop(subscribe(&bob, Some(1), "books").await?);
    a_consumer_goes_on_where_it_was(&bob, &first).await?;

    let proxy = Nginx::before(bob.config()).await?;
    let mut through_proxy = Following::begin(&proxy).await?;
    through_proxy.takes(&first).await?;
    bob.stop().await?;
    through_proxy.is_told("HTTP status 502").await?;
    let answer = proxy.client()?.get_node_info(GetNodeInfoRequest {}).await;
    refused(answer, Code::Unavailable, &["not gRPC", "502 Bad Gateway"]);
    bob.start_again().await?;
    network.usable(&alice, &bob).await?;
    assert_eq!(all(&bob).await?[..first.len()], first);
    pay(&alice, &bob, 1).await?;
    let more = all(&bob).await?;
    through_proxy.takes(&more[first.len()..]).await?;
    assert!(more.len() > first.len(), "{more:?}");
    each_consumer_has_a_place_of_its_own(&bob, &more, first.len()).await?;

    Network::at_rest(&alice, &bob).await?;
    bob.kill().await?;
    bob.start_again().await?;
    assert_eq!(all(&bob).await?[..more.len()], more);
    for resume_after in 0..more.len() {
        let mut stream = subscribe(&bob, Some(resume_after as u64), "").await?;
        let rest = &more[resume_after..];
        assert_eq!(take(&mut stream, rest.len()).await?, rest);
    }
    commands_do_the_same(&bob, &more).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_not_passed_over_in_silence() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node_with("bob", KEEP_3))?;
    drop(subscribe(&bob, Some(0), "slow").await?);
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    pay(&alice, &bob, 5).await?;
    let (oldest, head) = until("only the newest are kept", PATIENCE, async || {
        let ListEventConsumersResponse { head_index, oldest_index, .. } = consumers(&bob).await?;
        ensure!(oldest_index > 1 && head_index - oldest_index < 3, "{oldest_index} {head_index}");
        Ok((oldest_index, head_index))
    })
    .await?;
    let words = [format!("oldest is {oldest}"), format!("newest {head}")];
    let words = words.each_ref().map(String::as_str);
    for (resume_after_index, consumer) in
        [(Some(0), ""), (Some(oldest - 2), ""), (None, "slow"), (Some(0), "new")]
    {
        let answer = subscribe(&bob, resume_after_index, consumer).await;
        refused(answer, Code::OutOfRange, &words);
    }
    assert_eq!(names(&consumers(&bob).await?), ["slow"]);
    bob.log().says("removed events that a consumer had not acknowledged").await?;

    // It goes on when it knows what it has missed.
    ack(&bob, "slow", oldest - 1).await?;
    let kept = take(&mut subscribe(&bob, None, "slow").await?, 3).await?;
    assert_eq!(
        kept.iter().map(|event| event.event_index).collect::<Vec<_>>(),
        [oldest, oldest + 1, head]
    );
    bob.stop().await?;
    bob.start_again().await?;
    network.usable(&alice, &bob).await?;
    let mut stream = subscribe(&bob, Some(head), "").await?;
    pay(&alice, &bob, 1).await?;
    assert_eq!(take(&mut stream, 1).await?[0].event_index, head + 1);
    network.stop().await
}

/// Who follows all events through a proxy, and what it is told of its connection meanwhile.
struct Following {
    events: JoinHandle<Error>,
    followed: UnboundedReceiver<EventEnvelope>,
    failures: UnboundedReceiver<String>,
}

impl Following {
    async fn begin(proxy: &Nginx) -> Result<Self> {
        let (told, failures) = unbounded_channel();
        let request = SubscribeEventsRequest { resume_after_index: Some(0), ..Default::default() };
        let mut events = proxy
            .client()?
            .subscribe_events_resumable(request)
            .retry_delays(Duration::from_millis(10), Duration::from_millis(200))
            .on_connection_change(move |change| {
                if let ConnectionChange::Retrying { error, .. } = change {
                    let _ = told.send(error.to_string());
                }
            })
            .await?;
        let (took, followed) = unbounded_channel();
        let events = tokio::spawn(async move {
            loop {
                match events.next().await {
                    Some(Ok(envelope)) => drop(took.send(envelope)),
                    Some(Err(error)) => return error,
                    None => return Error::DataLoss("an end without an error".to_owned()),
                }
            }
        });
        Ok(Self { events, followed, failures })
    }

    /// Waits until these have come, as the next ones.
    async fn takes(&mut self, events: &[EventEnvelope]) -> Result<()> {
        for expected in events {
            let next = tokio::select! {
                next = timeout(PATIENCE, self.followed.recv()) => next?,
                ended = &mut self.events => bail!("it ended: {:?}", ended?),
            };
            assert_eq!(next.as_ref(), Some(expected));
        }
        Ok(())
    }

    /// Waits until an attempt has failed for this.
    async fn is_told(&mut self, text: &str) -> Result<()> {
        let told = async {
            while let Some(failure) = self.failures.recv().await {
                if failure.contains(text) {
                    return Ok(());
                }
            }
            bail!("it has ended")
        };
        timeout(PATIENCE, told).await.with_context(|| format!("no failure has {text:?}"))?
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.events.abort();
    }
}

/// Pays so many times, and waits until the payee has told of all that.
async fn pay(payer: &Node, payee: &Node, times: usize) -> Result<()> {
    let mut witness = payee.events().await?;
    for _ in 0..times {
        let payment_id = payer.pays(payee, AMOUNT_MSAT).await?;
        witness.payment_received(&payment_id).await?;
    }
    Ok(())
}

async fn subscribe(
    node: &Node,
    resume_after_index: Option<u64>,
    consumer: &str,
) -> Result<EventStream, Error> {
    let consumer = consumer.to_owned();
    node.client().subscribe_events(SubscribeEventsRequest { resume_after_index, consumer }).await
}

/// The next events, which must come.
async fn take(stream: &mut EventStream, number: usize) -> Result<Vec<EventEnvelope>> {
    let mut events = Vec::new();
    while events.len() < number {
        let next = timeout(PATIENCE, stream.next()).await.context("there is no next event")?;
        events.push(next.context("the stream ended")??);
    }
    Ok(events)
}

/// All events there are, numbered from 1 without gap.
async fn all(node: &Node) -> Result<Vec<EventEnvelope>> {
    let head = consumers(node).await?.head_index;
    let events = take(&mut subscribe(node, Some(0), "").await?, head.try_into()?).await?;
    let indices = events.iter().map(|event| event.event_index);
    ensure!(indices.eq(1..=head), "{events:?}");
    Ok(events)
}

async fn consumers(node: &Node) -> Result<ListEventConsumersResponse> {
    Ok(node.client().list_event_consumers(ListEventConsumersRequest {}).await?)
}

fn names(response: &ListEventConsumersResponse) -> Vec<&str> {
    response.consumers.iter().map(|consumer| consumer.name.as_str()).collect()
}

async fn consumer(node: &Node, name: &str) -> Result<EventConsumer> {
    let found = consumers(node).await?.consumers.into_iter().find(|found| found.name == name);
    found.with_context(|| format!("there is no consumer {name}"))
}

async fn ack(node: &Node, consumer: &str, event_index: u64) -> Result<u64, Error> {
    let request = AckEventsRequest { consumer: consumer.to_owned(), event_index };
    Ok(node.client().ack_events(request).await?.acknowledged_index)
}

async fn delete(node: &Node, consumer: &str) -> Result<(), Error> {
    let request = DeleteEventConsumerRequest { consumer: consumer.to_owned() };
    node.client().delete_event_consumer(request).await.map(|_| ())
}

async fn what_lies_in_the_future_is_refused(node: &Node, head: u64) -> Result<()> {
    let newest = format!("newest {head}");
    let words = ["oldest is 1", newest.as_str()];
    for index in [head + 1, u64::MAX] {
        refused(subscribe(node, Some(index), "").await, Code::OutOfRange, &words);
        refused(subscribe(node, Some(index), "new").await, Code::OutOfRange, &words);
    }
    refused(ack(node, "new", 1).await, Code::NotFound, &["new"]);
    drop(subscribe(node, Some(0), "new").await?);
    refused(ack(node, "new", head + 1).await, Code::OutOfRange, &words);
    delete(node, "new").await?;
    refused(delete(node, "new").await, Code::NotFound, &["new"]);
    Ok(())
}

async fn consumers_have_names(node: &Node) -> Result<()> {
    for name in ["a b", "a/b", "é", &"x".repeat(65)] {
        invalid(subscribe(node, None, name).await, "consumer");
        invalid(ack(node, name, 0).await, "consumer");
        invalid(delete(node, name).await, "consumer");
    }
    invalid(ack(node, "", 0).await, "consumer");
    invalid(delete(node, "").await, "consumer");
    assert!(consumers(node).await?.consumers.is_empty());
    Ok(())
}

/// Which events there are is in the head of the answer, also when no event follows.
async fn the_head_comes_first(node: &Node) -> Result<()> {
    let head = consumers(node).await?.head_index;
    for resume_after_index in [None, Some(0), Some(head)] {
        let request = SubscribeEventsRequest { resume_after_index, ..Default::default() };
        let frame = grpc_frame(&request.encode_to_vec());
        let request = signed_request(node.config(), "SubscribeEvents", frame)?;
        let RawAnswer { headers, .. } =
            RawConnection::open(node.config()).await?.begin(request).await?;
        assert_eq!(headers["event-head-index"], head.to_string());
        assert_eq!(headers["event-oldest-index"], "1");
    }
    Ok(())
}

async fn a_consumer_goes_on_where_it_was(node: &Node, events: &[EventEnvelope]) -> Result<()> {
    let mut stream = subscribe(node, None, "books").await?;
    assert_eq!(take(&mut stream, 2).await?, events[1..3]);
    // What was sent and not acknowledged comes again.
    let mut stream = subscribe(node, None, "books").await?;
    assert_eq!(take(&mut stream, 2).await?, events[1..3]);
    for (event_index, acknowledged) in [(0, 1), (2, 2), (1, 2), (2, 2)] {
        assert_eq!(ack(node, "books", event_index).await?, acknowledged);
    }
    let consumer = consumer(node, "books").await?;
    assert_eq!(consumer.acknowledged_index, 2);
    assert_eq!(consumer.unacknowledged_events, events.len() as u64 - 2);
    assert!(consumer.last_acknowledged_at >= Some(consumer.created_at));
    // Asking for another place does not change it.
    assert_eq!(take(&mut subscribe(node, Some(0), "books").await?, 1).await?, events[..1]);
    assert_eq!(take(&mut subscribe(node, None, "books").await?, 1).await?, events[2..3]);
    Ok(())
}

/// `late` began when there were so many events.
async fn each_consumer_has_a_place_of_its_own(
    node: &Node,
    events: &[EventEnvelope],
    late: usize,
) -> Result<()> {
    assert_eq!(names(&consumers(node).await?), ["books", "late"]);
    for (name, begin) in [("books", 2), ("late", late)] {
        let mut stream = subscribe(node, None, name).await?;
        assert_eq!(take(&mut stream, events.len() - begin).await?, events[begin..], "{name}");
    }
    assert_eq!(consumer(node, "late").await?.last_acknowledged_at, None);
    Ok(())
}

async fn commands_do_the_same(node: &Node, events: &[EventEnvelope]) -> Result<()> {
    let last = events.len() as u64;
    let acknowledged = node.cli(&["ack-events", "late", &last.to_string()]).await?;
    assert_eq!(acknowledged["acknowledged_index"], last);
    let listed = node.cli(&["list-event-consumers"]).await?;
    assert_eq!(listed["consumers"][0]["name"], "books");
    assert_eq!(listed["consumers"][1]["acknowledged_index"], last);
    assert_eq!(listed["oldest_index"], 1);
    node.cli(&["delete-event-consumer", "books"]).await?;
    assert_eq!(names(&consumers(node).await?), ["late"]);
    assert!(node.cli(&["delete-event-consumer", "books"]).await.is_err());
    Ok(())
}
