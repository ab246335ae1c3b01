//! What subscribers are sent: every event from their first moment on, once and in order.

use anyhow::Result;
use e2e_tests::{Events, Network, Node};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::Payment;

const PAYMENTS: usize = 5;
const AMOUNT_MSAT: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_subscriber_gets_every_event_once_and_in_order() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    all_subscribers_get_the_same(&alice, &bob).await?;
    who_comes_back_gets_what_is_new(&alice, &bob).await?;
    network.stop().await
}

async fn all_subscribers_get_the_same(payer: &Node, payee: &Node) -> Result<()> {
    let mut received = [payee.events().await?, payee.events().await?];
    let mut sent = [payer.events().await?, payer.events().await?];
    let mut expected = Vec::new();
    for _ in 0..PAYMENTS {
        expected.push(payer.pays(payee, AMOUNT_MSAT).await?);
    }
    for events in received.iter_mut().chain(&mut sent) {
        let mut seen = Vec::new();
        for _ in 0..PAYMENTS {
            seen.push(next_payment(events).await?.id);
        }
        assert_eq!(seen, expected);
    }
    // And nothing came twice: the next of each is the next there is.
    let last = payer.pays(payee, AMOUNT_MSAT).await?;
    for events in received.iter_mut().chain(&mut sent) {
        assert_eq!(next_payment(events).await?.id, last);
    }
    Ok(())
}

async fn who_comes_back_gets_what_is_new(payer: &Node, payee: &Node) -> Result<()> {
    let mut witness = payee.events().await?;
    let mut events = payee.events().await?;
    let before = payer.pays(payee, AMOUNT_MSAT).await?;
    assert_eq!(next_payment(&mut events).await?.id, before);
    drop(events);
    let meanwhile = payer.pays(payee, AMOUNT_MSAT).await?;
    // A payment is settled a moment before that is told.
    witness.payment_received(&meanwhile).await?;

    let mut events = payee.events().await?;
    let after = payer.pays(payee, AMOUNT_MSAT).await?;
    assert_eq!(next_payment(&mut events).await?.id, after);
    Ok(())
}

/// The payment that the next event tells of; events of channels are passed over.
async fn next_payment(events: &mut Events) -> Result<Payment> {
    let told = events.wait_for("a payment that was sent or received", |event| match event {
        Event::PaymentReceived(received) => received.payment,
        Event::PaymentSuccessful(sent) => sent.payment,
        _ => None,
    });
    told.await
}
