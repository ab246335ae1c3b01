//! Transactions that the node has made and the chain source has not answered when the node is killed:
//! the library would not make them again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, NodeConfig, TcpProxy, until};
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::splice_in_request::Amount as SpliceAmount;
use ldk_server_client::api::{CloseChannelRequest, OpenChannelRequest, SpliceInRequest};
use ldk_server_client::types::OutPoint;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 500_000;
/// How much later bitcoind answers.
const SLOW: Duration = Duration::from_millis(600);
/// What the library says when the chain source has not taken a transaction.
const NOT_TAKEN: &str = "Failed to broadcast transaction";

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_that_nobody_has_seen_is_no_closing_by_force_after_a_kill() -> Result<()> {
    let Pair { network, proxies, alice, bob } = Pair::start().await?;
    let funding = open_channel(&network, &alice, &bob).await?;

    proxies.close();
    close_channel(&alice, &bob).await?;
    kill_when_not_taken(&[&alice, &bob]).await?;
    assert!(is_unspent(&network, &funding).await?, "it was seen");
    proxies.open(&network).await?;
    start_again(&[&alice, &bob]).await?;

    is_closed_by_agreement(&network, &funding).await?;
    network.mine(6).await?;
    for node in [&alice, &bob] {
        assert_eq!(node.channels().await?.len(), 0);
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_that_one_is_killed_amid_is_no_closing_by_force() -> Result<()> {
    let Pair { network, proxies, alice, bob } = Pair::start().await?;
    let funding = open_channel(&network, &alice, &bob).await?;

    proxies.close();
    close_channel(&alice, &bob).await?;
    // By now the transaction may still be held.
    alice.kill().await?;
    kill_when_not_taken(&[&bob]).await?;
    proxies.open(&network).await?;
    start_again(&[&alice]).await?;
    if !alice.channels().await?.is_empty() {
        // What she has forgotten the two agree on again.
        start_again(&[&bob]).await?;
        alice.connect_to(&bob).await?;
    }
    is_closed_by_agreement(&network, &funding).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_nobody_has_seen_goes_on_after_a_kill() -> Result<()> {
    let Pair { network, proxies, alice, bob } = Pair::start().await?;
    open_channel(&network, &alice, &bob).await?;
    proxies.close();
    begin_to_open(&alice, &bob).await?;
    kill_when_not_taken(&[&alice]).await?;
    assert_eq!(network.bitcoind().mempool().await?.len(), 0);
    proxies.open(&network).await?;
    start_again(&[&alice]).await?;
    alice.connect_to(&bob).await?;
    network.confirm_funding(&alice).await?;
    until("both channels are usable", PATIENCE, async || {
        for node in [&alice, &bob] {
            let channels = node.channels().await?;
            let usable = channels.iter().filter(|channel| channel.is_usable).count();
            ensure!(usable == 2, "{channels:?}");
        }
        Ok(())
    })
    .await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_splice_that_nobody_has_seen_goes_on_after_a_kill() -> Result<()> {
    let Pair { network, proxies, alice, bob } = Pair::start().await?;
    open_channel(&network, &alice, &bob).await?;
    let channel = alice.usable_channel(&bob).await?;
    proxies.close();
    let request = SpliceInRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: bob.id().to_owned(),
        amount: Some(SpliceAmount::SpliceAmountSats(CHANNEL_SATS / 2)),
        ..Default::default()
    };
    alice.client().splice_in(request).await?;
    kill_when_not_taken(&[&alice, &bob]).await?;
    proxies.open(&network).await?;
    start_again(&[&alice, &bob]).await?;
    alice.connect_to(&bob).await?;
    until("the splice is broadcast", PATIENCE, async || {
        ensure!(network.bitcoind().mempool().await?.len() == 1);
        Ok(())
    })
    .await?;
    network.mine(6).await?;
    until("the channel is larger", PATIENCE, async || {
        let channel = alice.usable_channel(&bob).await?;
        ensure!(channel.channel_value_sats == CHANNEL_SATS + CHANNEL_SATS / 2, "{channel:?}");
        Ok(())
    })
    .await?;
    alice.pays(&bob, 10_000_000).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_broadcast_at_a_stop_gets_out() -> Result<()> {
    let Pair { network, proxies, alice, bob } = Pair::start().await?;
    let first = open_channel(&network, &alice, &bob).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let channels = alice.channels().await?;
    let funding: Vec<_> = channels.into_iter().filter_map(|channel| channel.funding_txo).collect();
    assert!(funding.len() == 2 && funding.contains(&first), "{funding:?}");

    // One of the two waits in the library until bitcoind has answered the other.
    proxies.close();
    until("bitcoind is slow", PATIENCE, async || {
        proxies.alice.open_slowly(network.bitcoind().rpc_address(), SLOW).await
    })
    .await?;
    for _ in &funding {
        close_any_channel(&alice, &bob).await?;
    }
    until("both channels are closed", PATIENCE, async || {
        let channels = alice.channels().await?;
        ensure!(channels.is_empty(), "{channels:?}");
        Ok(())
    })
    .await?;
    alice.stop().await?;
    for output in &funding {
        is_closed_by_agreement(&network, output).await?;
    }
    network.stop().await
}

/// Two nodes with money, whose bitcoind can be shut off.
struct Pair {
    network: Network,
    proxies: Proxies,
    alice: Arc<Node>,
    bob: Arc<Node>,
}

/// What each of them reaches bitcoind through.
struct Proxies {
    alice: TcpProxy,
    bob: TcpProxy,
}

impl Proxies {
    fn close(&self) {
        self.alice.close();
        self.bob.close();
    }

    async fn open(&self, network: &Network) -> Result<()> {
        self.alice.open(network.bitcoind().rpc_address()).await?;
        self.bob.open(network.bitcoind().rpc_address()).await
    }
}

impl Pair {
    async fn start() -> Result<Self> {
        let network = Network::start().await?;
        let proxies = Proxies { alice: TcpProxy::closed()?, bob: TcpProxy::closed()? };
        proxies.open(&network).await?;
        let (alice, bob) = tokio::try_join!(
            network.node_of(behind(&proxies.alice, &network, "alice")?),
            network.node_of(behind(&proxies.bob, &network, "bob")?)
        )?;
        network.fund(&[&alice, &bob], 3 * CHANNEL_SATS).await?;
        Ok(Self { network, proxies, alice, bob })
    }
}

fn behind(proxy: &TcpProxy, network: &Network, alias: &str) -> Result<NodeConfig> {
    let mut config = network.config(alias)?;
    config.args = vec!["--bitcoind-rpc-address".to_owned(), proxy.address()];
    Ok(config)
}

/// Opens a channel; gives its funding output.
async fn open_channel(network: &Network, alice: &Node, bob: &Node) -> Result<OutPoint> {
    network.open_channel(alice, bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    alice.usable_channel(bob).await?.funding_txo.context("it has no funding output")
}

async fn begin_to_open(alice: &Node, bob: &Node) -> Result<()> {
    let request = OpenChannelRequest {
        node_pubkey: bob.id().to_owned(),
        address: bob.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        ..Default::default()
    };
    alice.client().open_channel(request).await?;
    Ok(())
}

/// Closes the channel by agreement, and waits until neither has it any more.
async fn close_channel(alice: &Node, bob: &Node) -> Result<()> {
    close_any_channel(alice, bob).await?;
    until("the channel is closed", PATIENCE, async || {
        for node in [alice, bob] {
            let channels = node.channels().await?;
            ensure!(channels.is_empty(), "{channels:?}");
        }
        Ok(())
    })
    .await
}

async fn close_any_channel(alice: &Node, bob: &Node) -> Result<()> {
    let request = CloseChannelRequest {
        user_channel_id: alice.usable_channel(bob).await?.user_channel_id,
        counterparty_node_id: bob.id().to_owned(),
    };
    alice.client().close_channel(request).await?;
    Ok(())
}

/// Kills each of them when its chain source has not taken what it broadcasts.
async fn kill_when_not_taken(nodes: &[&Node]) -> Result<()> {
    for node in nodes {
        until(&format!("{} has broadcast in vain", node.alias()), PATIENCE, async || {
            ensure!(node.log().text().contains(NOT_TAKEN));
            Ok(())
        })
        .await?;
    }
    for node in nodes {
        node.kill().await?;
    }
    Ok(())
}

async fn start_again(nodes: &[&Node]) -> Result<()> {
    for node in nodes {
        node.start_again().await?;
    }
    Ok(())
}

async fn is_unspent(network: &Network, output: &OutPoint) -> Result<bool> {
    let params = [json!(output.txid), json!(output.vout), json!(true)];
    Ok(network.bitcoind().call("gettxout", &params).await? != Value::Null)
}

/// Waits for a transaction that spends this output, and checks that it is no commitment: those have
/// half of their number in the sequence of their input.
async fn is_closed_by_agreement(network: &Network, funding: &OutPoint) -> Result<()> {
    let bitcoind = network.bitcoind();
    let input = until("the channel is closed on chain", PATIENCE, async || {
        for txid in bitcoind.mempool().await? {
            let transaction = bitcoind.transaction(&txid).await?;
            let input = transaction["vin"][0].clone();
            if input["txid"] == funding.txid && input["vout"] == funding.vout {
                return Ok(input);
            }
        }
        anyhow::bail!("nothing spends {funding:?}")
    })
    .await?;
    let sequence = input["sequence"].as_u64().context("no sequence")?;
    ensure!(sequence >> 24 != 0x80, "it was closed by force: {input}");
    Ok(())
}
