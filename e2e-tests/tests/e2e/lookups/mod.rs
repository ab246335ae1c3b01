//! Calls that change nothing: what the public network looks like, what invoices and offers say, and
//! who has signed what.

mod crypto;
mod decode;
mod graph;
mod scores;

use std::fmt::Debug;

use anyhow::Result;
use e2e_tests::Network;
use ldk_server_client::Error;

/// The key of nobody who is there.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

/// Not compressed public keys.
const BAD_KEYS: [&str; 4] = [
    "",
    "02ab",
    "zzeec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
    "020000000000000000000000000000000000000000000000000000000000000005",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_public_channel_is_looked_up_from_both_sides() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    graph::is_empty_at_first(&alice).await?;
    graph::unknown_is_refused(&alice).await?;
    scores::are_empty_at_first(&alice).await?;
    crypto::signatures_are_told_apart(&alice, &bob).await?;
    crypto::public_keys_must_be_keys(&alice).await?;
    decode::an_invoice_of_another_node(&alice, &bob).await?;

    let funding = graph::open_public_channel(&network, &alice, &bob).await?;
    alice.pays(&bob, 1_000_000).await?;
    // Starts alice again. Nodes ignore the terms of a channel that they hear of before the channel
    // itself, and they tell each other all they know once more when they connect.
    scores::come_with_experience(&alice).await?;
    network.usable(&alice, &bob).await?;
    graph::shows_the_channel(&alice, &bob, &funding).await?;
    tokio::try_join!(graph::shows_the_other(&alice, &bob), graph::shows_the_other(&bob, &alice))?;
    network.stop().await
}

/// Checks that a call was refused for a field, which is named first.
#[track_caller]
fn invalid<T: Debug>(answer: Result<T, Error>, field: &str) {
    assert!(matches!(answer, Err(Error::InvalidRequest(_))), "not refused for {field}: {answer:?}");
    let message = answer.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.starts_with(&format!("{field}: ")), "{field} is not named: {message}");
}
