//! Stopping, starting again, and starting twice.

use std::fs;

use anyhow::Result;
use e2e_tests::{Network, Node, refusal};

#[tokio::test]
async fn a_stopped_node_comes_back_with_its_data() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let payment_id = alice.pays(&bob, 25_000_000).await?;
    let spendable = Network::at_rest(&alice, &bob).await?;
    let payment = alice.payment(&payment_id).await?;
    let onchain_sats = alice.balances().await?.total_onchain_balance_sats;

    alice.stop().await?;
    // What makes a copy of the database complete.
    let log = alice.config().storage_dir.join("regtest/ldk_node_data.sqlite-wal");
    let log_bytes = fs::metadata(log).map_or(0, |file| file.len());
    assert_eq!(log_bytes, 0, "not all is in the database's own file");
    alice.start_again().await?;

    assert_eq!(alice.payment(&payment_id).await?, payment);
    assert_eq!(alice.balances().await?.total_onchain_balance_sats, onchain_sats);
    assert_eq!(Network::at_rest(&alice, &bob).await?, spendable);
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;
    network.stop().await
}

#[tokio::test]
async fn a_second_process_on_the_same_data_refuses_to_start() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;

    let refused = refusal(network.tools(), &[&twin_config(&network, &alice)?]).await?;
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    let dir = alice.config().storage_dir.display().to_string();
    assert!(refused.stderr.contains(&dir), "the message must name the directory: {refused:?}");
    assert!(refused.stderr.contains("another"), "the message must say why: {refused:?}");

    // The first is not disturbed.
    alice.new_address().await?;
    network.stop().await
}

/// The configuration of a node that has ports of its own, but the data of the other.
fn twin_config(network: &Network, node: &Node) -> Result<String> {
    let config = network.config("twin")?;
    let own_dir = config.storage_dir.display().to_string();
    let text = config.to_toml().replace(&own_dir, &node.config().storage_dir.display().to_string());
    let file = network.dir().join("twin.toml");
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}
