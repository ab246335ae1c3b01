//! Events as server-sent events, over WebSockets and over Socket.IO.

mod http2;
mod server_sent;
mod slow;
mod socket_io;
mod websocket;

use anyhow::Result;
use e2e_tests::{Network, Node};
use hyper::StatusCode;

use crate::permissions::rune;
use server_sent::ServerSent;
use websocket::Socket;

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 1_000_000;

/// A rune that allows to read and acknowledge events, and nothing else.
async fn rune_for_events(node: &Node) -> Result<String> {
    rune(node, &["group=events"]).await
}

/// Pays, and waits until the payee has told of it.
async fn pay(payer: &Node, payee: &Node) -> Result<()> {
    let mut witness = payee.events().await?;
    let payment_id = payer.pays(payee, AMOUNT_MSAT).await?;
    witness.payment_received(&payment_id).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_repeated_over_restarts_and_kills() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let rune = rune_for_events(&bob).await?;
    pay(&alice, &bob).await?;
    let mut head = server_sent::head(&bob, &rune).await?;
    let mut events = ServerSent::open(&bob, "/v1/events?after=0", &rune, None).await?;
    events.are_numbered(1..=head).await?;
    let mut socket = Socket::open(&bob, Some(&rune)).await?;
    socket.subscribes(r#"{"subscribe":{"after":0,"consumer":"shop"}}"#).await?;
    socket.are_numbered(1..=head).await?;
    socket.acknowledges(head - 1).await?;

    for is_kill in [false, true] {
        if is_kill {
            bob.kill().await?;
        } else {
            bob.stop().await?;
        }
        events.has_ended().await?;
        bob.start_again().await?;
        network.usable(&alice, &bob).await?;
        let last = head;
        pay(&alice, &bob).await?;
        head = server_sent::head(&bob, &rune).await?;
        // By the event it had last, and by what it has acknowledged.
        events = ServerSent::open(&bob, "/v1/events?after=0", &rune, Some(last)).await?;
        events.are_numbered(last + 1..=head).await?;
        socket = Socket::open(&bob, None).await?;
        socket.says(&serde_json::json!({"rune": rune}).to_string()).await?;
        socket.subscribes(r#"{"subscribe":{"consumer":"shop"}}"#).await?;
        socket.are_numbered(last..=head).await?;
        socket.acknowledges(head - 1).await?;
    }
    let path = "/v1/events?after=0&kinds=payment_received";
    let received = ServerSent::open(&bob, path, &rune, None).await?.next().await?;
    assert!(received.get("payment_received").is_some(), "{received}");
    drop((events, socket));
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_events_gets_none() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let reads = rune(&alice, &["group=read"]).await?;
    for path in ["/v1/events", "/v1/ws", "/socket.io/?EIO=4&transport=polling"] {
        for (rune, expected) in
            [("forged", StatusCode::UNAUTHORIZED), (&*reads, StatusCode::FORBIDDEN)]
        {
            // Over a WebSocket the subscription is refused, which is asked for later.
            if path == "/v1/ws" && expected == StatusCode::FORBIDDEN {
                continue;
            }
            let answer = server_sent::answer(&alice, path, &[("rune", rune)]).await?;
            assert_eq!(answer.status(), expected, "{path}");
        }
    }
    let none = server_sent::answer(&alice, "/v1/events", &[]).await?;
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    let events = rune_for_events(&alice).await?;
    let of_others = [("rune", &*events), ("origin", "https://evil.example")];
    let refused = server_sent::answer(&alice, "/v1/events", &of_others).await?;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    for (path, expected) in [
        ("/v1/events?after=x", StatusCode::BAD_REQUEST),
        ("/v1/events?after=999999", StatusCode::BAD_REQUEST),
        ("/v1/events?kinds=x", StatusCode::BAD_REQUEST),
        ("/v1/events?consumer=a%20b", StatusCode::BAD_REQUEST),
        ("/v1/events?after=0", StatusCode::OK),
    ] {
        let answer = server_sent::answer(&alice, path, &[("rune", &events)]).await?;
        assert_eq!(answer.status(), expected, "{path}");
    }
    websocket::hostile_messages_are_refused(&alice, &events, &reads).await?;
    revoked(&alice, &events).await?;
    network.stop().await
}

/// A rune that is revoked ends what it has begun.
async fn revoked(node: &Node, rune: &str) -> Result<()> {
    let mut events = ServerSent::open(node, "/v1/events", rune, None).await?;
    let mut socket = Socket::open(node, Some(rune)).await?;
    socket.subscribes(r#"{"subscribe":{}}"#).await?;
    // The second that was made.
    node.cli(&["revoke-rune", "1"]).await?;
    assert!(events.next().await?["message"].to_string().contains("revoked"));
    socket.is_refused("permission_denied").await
}
