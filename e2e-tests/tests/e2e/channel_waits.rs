//! Waiting for channels: no polling, and a time that is over is no failure.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, invalid, refused, until};
use futures_util::future::join_all;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    CloseChannelRequest, OpenChannelRequest, WaitChannelRequest, WaitChannelResponse,
};
use ldk_server_client::events::{ChannelClosureInitiator, ChannelState};
use ldk_server_client::types::ChannelProgress;
use ldk_server_client::{Code, Error};

const CHANNEL_SATS: u64 = 300_000;
const FUNDS_SATS: u64 = 2_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// Some more than there are threads for calls.
const WAITING: usize = 100;
/// So many more ask than may wait.
const MORE: usize = 20;
const LIMITS: &str = "[limits]\nmax_waiting_calls = 100\n[metrics]\nenabled = true\n";
const SECS: u32 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_channel_is_told() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node_with("alice", LIMITS), network.node("bob"))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    what_cannot_be_waited_for(&alice).await?;
    let id = ask_to_open(&alice, &bob).await?;
    from_pending_to_ready(&network, &alice, &bob, &id).await?;
    after_a_restart(&alice, &id).await?;
    a_close_ends_every_wait(&network, &alice, &bob, &id).await?;
    // Only the disk knows.
    alice.stop().await?;
    alice.start_again().await?;
    has_closed(&wait(&alice, &id, ChannelProgress::Ready, SECS).await?)?;
    a_channel_that_is_refused(&network, &alice).await?;
    network.stop().await
}

async fn wait(
    node: &Node,
    id: &str,
    state: ChannelProgress,
    timeout_secs: u32,
) -> Result<WaitChannelResponse, Error> {
    let request = WaitChannelRequest {
        user_channel_id: id.to_owned(),
        state: state.into(),
        timeout_secs: Some(timeout_secs),
    };
    node.client().wait_channel(request).await
}

async fn what_cannot_be_waited_for(alice: &Node) -> Result<()> {
    let unknown = wait(alice, "7", ChannelProgress::Ready, SECS).await;
    refused(unknown, Code::NotFound, &["user_channel_id", "7"]);
    invalid(wait(alice, "x", ChannelProgress::Ready, SECS).await, "user_channel_id");
    invalid(wait(alice, "7", ChannelProgress::Opening, SECS).await, "state");
    invalid(wait(alice, "7", ChannelProgress::Unspecified, SECS).await, "state");
    invalid(wait(alice, "7", ChannelProgress::Ready, 86_401).await, "timeout_secs");
    Ok(())
}

async fn ask_to_open(opener: &Node, accepter: &Node) -> Result<String> {
    let request = OpenChannelRequest {
        node_pubkey: accepter.id().to_owned(),
        address: accepter.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(CHANNEL_SATS * 500),
        ..Default::default()
    };
    Ok(opener.client().open_channel(request).await?.user_channel_id)
}

async fn from_pending_to_ready(
    network: &Network,
    alice: &Node,
    bob: &Node,
    id: &str,
) -> Result<()> {
    let pending = wait(alice, id, ChannelProgress::Pending, SECS).await?;
    ensure!(pending.state() == ChannelProgress::Pending && !pending.timed_out, "{pending:?}");
    ensure!(pending.end.is_none(), "{pending:?}");
    let channel = pending.channel.context("no channel")?;
    ensure!(channel.user_channel_id == id && !channel.is_channel_ready, "{channel:?}");
    for secs in [0, 1] {
        let not_yet = wait(alice, id, ChannelProgress::Ready, secs).await?;
        ensure!(not_yet.timed_out && not_yet.state() == ChannelProgress::Pending, "{not_yet:?}");
    }
    // As many as may wait while another call confirms the channel; more do not find a place.
    let callers = WAITING + MORE;
    let waiting = join_all((0..callers).map(|_| wait(alice, id, ChannelProgress::Ready, SECS)));
    let confirming = async {
        no_place_is_free(alice, id).await?;
        network.confirm_funding(alice).await
    };
    let (told, confirmed) = tokio::join!(waiting, confirming);
    confirmed?;
    let mut waited = 0;
    for told in told {
        let told = match told {
            Err(error) if error.code() == Some(Code::ResourceExhausted) => continue,
            told => told?,
        };
        ensure!(told.state() == ChannelProgress::Ready && !told.timed_out, "{told:?}");
        ensure!(told.channel.is_some_and(|channel| channel.is_channel_ready));
        waited += 1;
    }
    ensure!(waited == WAITING, "{waited} have waited");
    network.usable(alice, bob).await?;
    // What has come further is told at once.
    let further = wait(alice, id, ChannelProgress::Pending, SECS).await?;
    ensure!(further.state() == ChannelProgress::Ready && !further.timed_out, "{further:?}");
    Ok(())
}

/// Asks for no place meanwhile: whoever finds none because of that does not come back.
async fn no_place_is_free(node: &Node, id: &str) -> Result<()> {
    until("all places are taken", PATIENCE, async || {
        let waiting = node.waiting_calls().await?;
        ensure!(waiting == WAITING, "{waiting} wait");
        Ok(())
    })
    .await?;
    let refusal = wait(node, id, ChannelProgress::Pending, 0).await;
    refused(refusal, Code::ResourceExhausted, &["wait"]);
    Ok(())
}

async fn after_a_restart(alice: &Node, id: &str) -> Result<()> {
    alice.stop().await?;
    alice.start_again().await?;
    let ready = wait(alice, id, ChannelProgress::Ready, SECS).await?;
    ensure!(ready.state() == ChannelProgress::Ready && !ready.timed_out, "{ready:?}");
    // Callers who leave give their places back.
    let waiting = join_all((0..WAITING).map(|_| wait(alice, id, ChannelProgress::Closed, SECS)));
    tokio::select! {
        told = waiting => anyhow::bail!("{told:?}"),
        full = no_place_is_free(alice, id) => full?,
    }
    until("places are free", PATIENCE, async || {
        Ok(wait(alice, id, ChannelProgress::Ready, 0).await.map(drop)?)
    })
    .await
}

async fn a_close_ends_every_wait(
    network: &Network,
    alice: &Node,
    bob: &Node,
    id: &str,
) -> Result<()> {
    network.usable(alice, bob).await?;
    let waiting = wait(alice, id, ChannelProgress::Closed, SECS);
    let closing = async {
        let request = CloseChannelRequest {
            user_channel_id: id.to_owned(),
            counterparty_node_id: bob.id().to_owned(),
        };
        anyhow::Ok(alice.client().close_channel(request).await?)
    };
    let (closed, asked) = tokio::join!(waiting, closing);
    asked?;
    has_closed(&closed?)?;
    // It cannot become ready any more.
    let begun = Instant::now();
    has_closed(&wait(alice, id, ChannelProgress::Ready, SECS).await?)?;
    ensure!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    Ok(())
}

fn has_closed(told: &WaitChannelResponse) -> Result<()> {
    ensure!(told.state() == ChannelProgress::Closed && !told.timed_out, "{told:?}");
    let end = told.end.as_ref().context("no end")?;
    ensure!(told.channel.is_none() && end.state() == ChannelState::Closed, "{told:?}");
    ensure!(end.closure_initiator() == ChannelClosureInitiator::Local, "{told:?}");
    Ok(())
}

async fn a_channel_that_is_refused(network: &Network, alice: &Node) -> Result<()> {
    let mut carol =
        e2e_tests::ConfigBuilder::new(network, "carol")?.unset("node.alias")?.start()?;
    let client = carol.ready().await?;
    let carol_id = client.get_node_info(Default::default()).await?.node_id;
    // Without a name, a node takes no channel that is to be announced.
    let request = OpenChannelRequest {
        node_pubkey: carol_id,
        address: carol.config().lightning.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        announce_channel: true,
        ..Default::default()
    };
    let id = alice.client().open_channel(request).await?.user_channel_id;
    let told = wait(alice, &id, ChannelProgress::Ready, SECS).await?;
    ensure!(told.state() == ChannelProgress::OpenFailed && !told.timed_out, "{told:?}");
    ensure!(told.end.and_then(|end| end.reason).is_some());
    let cli = alice.cli(&["wait-channel", &id, "--timeout", "5"]).await?;
    ensure!(cli["state"] == "CHANNEL_PROGRESS_OPEN_FAILED" && cli["timed_out"] == false, "{cli}");
    carol.stop().await
}
