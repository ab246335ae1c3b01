//! Peers that are trusted by the configuration.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, until};
use ldk_server_client::api::OpenChannelRequest;
use ldk_server_client::api::open_channel_request::Amount;

const PATIENCE: Duration = Duration::from_secs(60);
const FUNDS_SATS: u64 = 500_000;
const CHANNEL_SATS: u64 = 200_000;

/// Bob has nothing on chain, so that he takes an anchor channel only from those he trusts.
#[tokio::test]
async fn a_channel_from_a_trusted_peer_is_used_before_it_is_confirmed() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let trusted = format!(
        "[channels]\ntrusted_peers_0conf = [\"{0}\"]\nanchor_trusted_peers = [\"{0}\"]\n",
        alice.id()
    );
    let bob = network.node_with("bob", trusted).await?;
    network.fund(&[&alice], FUNDS_SATS).await?;
    let height = network.bitcoind().height().await?;
    let request = OpenChannelRequest {
        node_pubkey: bob.id().to_owned(),
        address: bob.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(CHANNEL_SATS / 2 * 1_000),
        ..Default::default()
    };
    alice.client().open_channel(request).await?;
    network.usable(&alice, &bob).await?;
    alice.pays(&bob, 1_000_000).await?;
    bob.pays(&alice, 1_000_000).await?;
    until("the funding transaction waits for a block", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;
    assert_eq!(network.bitcoind().height().await?, height, "a block has confirmed the channel");
    network.stop().await
}
