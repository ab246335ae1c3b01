//! The mirror of the database: a node whose disk is lost goes on from it.

use anyhow::Result;
use e2e_tests::{ConfigBuilder, Mirror, Network};
use ldk_server_client::types::PaymentStatus;

const CHANNEL_SATS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_from_its_mirror() -> Result<()> {
    let network = Network::start().await?;
    let mirror = Mirror::new(&network, "alice")?;
    let alice = network.node_with("alice", mirror.section()).await?;
    let bob = network.node("bob").await?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let mut paid = Vec::new();
    for _ in 0..3 {
        paid.push(alice.pays(&bob, 10_000_000).await?);
    }
    let spendable = Network::at_rest(&alice, &bob).await?;

    mirror.until_level().await?;
    alice.kill().await?;
    mirror.take_the_place()?;
    alice.start_again().await?;
    alice.connect_to(&bob).await?;
    assert_eq!(Network::at_rest(&alice, &bob).await?, spendable);
    for payment_id in &paid {
        assert_eq!(alice.payment(payment_id).await?.status(), PaymentStatus::Succeeded);
    }
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;

    alice.stop().await?;
    assert!(!mirror.log().exists(), "the mirror is one file after a stop in good order");
    let backup = mirror.directory().display().to_string();
    let refused =
        ConfigBuilder::new(&network, "carol")?.set("backup.directory", backup)?.refused().await?;
    assert!(refused.stderr.contains("the mirror of another node"), "{refused:?}");
    network.stop().await
}
