//! What the metrics tell beyond the basics: what happened, by its labels, and how the node is.

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, until};
use ldk_server_client::api::{
    AckEventsRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest, GetNodeInfoRequest,
    SubscribeEventsRequest,
};

use crate::metrics::{AMOUNT_MSAT, LOGIN, PATIENCE, values, values_for};

/// What the library keeps in the wallet for each channel.
const RESERVE_SATS: u64 = 25_000;
const DEADLINE: &str = "nearest_htlc_deadline_blocks";

/// What the labels of a metric are for.
pub(crate) async fn what_happens_is_counted_by_kind(node: &Node, peer: &Node) -> Result<()> {
    let before = values(node).await?;
    let grown = async |name: &str| {
        let now = values(node).await?.get(name).copied().unwrap_or_default();
        Ok::<_, anyhow::Error>(now - before.get(name).copied().unwrap_or_default())
    };
    node.pays(peer, AMOUNT_MSAT).await?;
    let succeeded = "payments{direction=\"outbound\",kind=\"bolt11\",status=\"succeeded\"}";
    assert_eq!(grown(succeeded).await?, 1);
    assert_eq!(grown("payments_sent_msat_total{kind=\"bolt11\"}").await?, AMOUNT_MSAT);
    // The peer is the recipient, who costs nothing.
    assert_eq!(grown("payments_fees_paid_msat_total{kind=\"bolt11\"}").await?, 0);
    assert_eq!(grown("rpc_total{code=\"OK\",method=\"Bolt11Send\"}").await?, 1);
    assert_eq!(grown("rpc_duration_seconds_count{method=\"Bolt11Send\"}").await?, 1);
    assert!(grown("store_commit_duration_seconds_count").await? > 0);
    assert!(grown("store_commit_writes_sum").await? > 0);
    until("the event is counted", PATIENCE, async || {
        ensure!(grown("events_recorded_total{kind=\"payment_successful\"}").await? == 1);
        Ok(())
    })
    .await?;

    let invoice = node.invoice(AMOUNT_MSAT).await?;
    let payment_id = peer.send(&invoice).await?;
    node.settled(&payment_id).await?;
    assert_eq!(grown("payments_received_msat_total{kind=\"bolt11\"}").await?, AMOUNT_MSAT);

    for _ in 0..2 {
        assert!(node.send("no invoice").await.is_err());
    }
    let refused = "rpc_total{code=\"INVALID_ARGUMENT\",method=\"Bolt11Send\"}";
    assert_eq!(grown(refused).await?, 2);
    assert_eq!(grown("rpc_duration_seconds_count{method=\"Bolt11Send\"}").await?, 3);
    assert_eq!(values(node).await?["rpc_in_flight{method=\"Bolt11Send\"}"], 0);
    Ok(())
}

/// Waits until a metric, with its labels, has this value.
async fn becomes(node: &Node, name: &str, expected: u64) -> Result<()> {
    until(&format!("{name} is {expected}"), PATIENCE, async || {
        let values = values(node).await?;
        ensure!(values.get(name) == Some(&expected), "{values:?}");
        Ok(())
    })
    .await
}

pub(crate) async fn streams_and_consumers_are_seen(node: &Node, peer: &Node) -> Result<()> {
    let streams = "rpc_in_flight{method=\"SubscribeEvents\"}";
    let other_streams = values(node).await?.get(streams).copied().unwrap_or_default();
    let request =
        SubscribeEventsRequest { consumer: "shop".to_owned(), ..SubscribeEventsRequest::default() };
    let stream = node.client().subscribe_events(request).await?;
    becomes(node, streams, other_streams + 1).await?;
    becomes(node, "event_subscribers", other_streams + 1).await?;
    node.pays(peer, AMOUNT_MSAT).await?;
    let lag = "event_consumer_lag_events{consumer=\"shop\"}";
    until("the consumer is behind", PATIENCE, async || {
        let values = values(node).await?;
        ensure!(values.get(lag).is_some_and(|events| *events > 0), "{values:?}");
        Ok(())
    })
    .await?;
    until("the consumer is not behind any more", PATIENCE, async || {
        let (consumer, event_index) = ("shop".to_owned(), values(node).await?["events_head_index"]);
        node.client().ack_events(AckEventsRequest { consumer, event_index }).await?;
        let values = values(node).await?;
        ensure!(values[lag] == 0, "{values:?}");
        Ok(())
    })
    .await?;
    drop(stream);
    becomes(node, streams, other_streams).await?;
    becomes(node, "event_subscribers", other_streams).await?;
    let given_up = "rpc_total{code=\"CANCELLED\",method=\"SubscribeEvents\"}";
    assert!(values(node).await?[given_up] > 0);
    Ok(())
}

pub(crate) async fn the_state_is_told(node: &Node) -> Result<()> {
    becomes(node, "ready", 1).await?;
    let best_block = node.client().get_node_info(GetNodeInfoRequest {}).await?.current_best_block;
    let height = best_block.context("there is no best block")?.height;
    becomes(node, "chain_height_blocks", height.into()).await?;
    becomes(node, "connected_peers", 1).await?;
    becomes(node, "channels{state=\"usable\"}", 1).await?;
    // The node has opened it itself.
    becomes(node, "inbound_channels_count", 0).await?;
    becomes(node, "inbound_channels_reserve_sats", 0).await?;
    let channels = node.channels().await?;
    let [channel] = &channels[..] else { bail!("{channels:?}") };
    let outbound = "channels_outbound_capacity_msat{state=\"usable\"}";
    becomes(node, outbound, channel.outbound_capacity_msat).await?;
    let inbound = "channels_inbound_capacity_msat{state=\"usable\"}";
    becomes(node, inbound, channel.inbound_capacity_msat).await?;

    let values = values(node).await?;
    assert!(!values.contains_key(DEADLINE), "nothing is under way: {values:?}");
    for wallet in ["onchain_wallet", "lightning_wallet"] {
        assert!(values[&format!("sync_age_seconds{{of=\"{wallet}\"}}")] < PATIENCE.as_secs());
    }
    for name in [
        "store_database_bytes",
        "store_disk_available_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(values[name] > 0, "{name}: {values:?}");
    }
    assert!(values.keys().any(|name| name.starts_with("build_info{")), "{values:?}");
    Ok(())
}

/// The node has a channel that it has not opened, and holds something back for it all the same.
pub(crate) async fn what_a_peer_has_opened_is_told(node: &Node) -> Result<()> {
    until("the channel of the peer is told", PATIENCE, async || {
        let values = values_for(node, Some(LOGIN)).await?;
        ensure!(values.get("inbound_channels_count") == Some(&1), "{values:?}");
        let reserve_sats = values.get("inbound_channels_reserve_sats");
        ensure!(reserve_sats == Some(&RESERVE_SATS), "{values:?}");
        Ok(())
    })
    .await
}

/// A payment that its recipient holds has a deadline, until it is sent back.
pub(crate) async fn the_nearest_deadline_is_told(node: &Node, peer: &Node) -> Result<()> {
    let payment_hash = hex::encode([7; 32]);
    let hold = Bolt11ReceiveForHashRequest {
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: 3_600,
        payment_hash: payment_hash.clone(),
        ..Bolt11ReceiveForHashRequest::default()
    };
    let mut events = peer.events().await?;
    let invoice = peer.client().bolt11_receive_for_hash(hold).await?.invoice;
    node.send(&invoice).await?;
    let deadline = events.payment_claimable(&payment_hash).await?.claim_deadline;
    let deadline = u64::from(deadline.context("there is no deadline")?);
    until("the deadline is told", PATIENCE, async || {
        let values = values(node).await?;
        let blocks = values.get(DEADLINE).context("no HTLC is under way")?;
        // The recipient has to claim some blocks before the sender takes it back.
        let claimable_blocks = deadline - values["chain_height_blocks"];
        ensure!((claimable_blocks..claimable_blocks + 100).contains(blocks), "{values:?}");
        Ok(())
    })
    .await?;
    peer.client().bolt11_fail_for_hash(Bolt11FailForHashRequest { payment_hash }).await?;
    until("nothing is under way", PATIENCE, async || {
        let values = values(node).await?;
        ensure!(!values.contains_key(DEADLINE), "{values:?}");
        Ok(())
    })
    .await
}
