//! Channels and peers. At the end most channels are closed.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::until;
use ldk_server_client::events::ChannelState;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::Channel;
use serde_json::{Value, json};

use super::Nodes;
use super::faces::{FACES, Face, Faces, text_of};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 200_000;
const IN_SATS: u64 = 50_000;
const OUT_SATS: u64 = 20_000;
const COIN_SATS: u64 = 500_000;
const BLOCKS_TO_READY: u32 = 6;

pub(super) async fn compare(faces: &mut Faces<'_>, nodes: &Nodes) -> Result<()> {
    let Nodes { bob, carol, .. } = nodes;
    let address = bob.address();
    let request = |_| json!({ "node_pubkey": bob.id(), "address": address, "channel_amount_sats": CHANNEL_SATS });
    let volatile = [("user_channel_id", "is that of a new channel")];
    let opened = faces.each("OpenChannel", request, &volatile).await?;
    confirmed(nodes).await?;
    let ids = opened.iter().map(|answer| text_of(answer, "user_channel_id"));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let named =
        |face: usize| json!({ "user_channel_id": ids[face], "counterparty_node_id": bob.id() });
    configure(faces, nodes, &ids, named).await?;
    splice(faces, nodes, &ids, named).await?;
    faces.read("ListChannels", json!({}), &[]).await?;
    let ready = json!({ "user_channel_id": ids[0], "state": "CHANNEL_PROGRESS_READY" });
    faces.read("WaitChannel", ready, &[]).await?;
    faces.each("CloseChannel", named, &[]).await?;
    without(nodes, &ids).await?;
    peers(faces, nodes).await?;
    let closed = nodes.alice.usable_channel(carol).await?.user_channel_id;
    let request = json!({ "user_channel_id": closed, "counterparty_node_id": carol.id() });
    // Of a channel of which much depends on it there is only one: what it did is looked up.
    let answer = faces.ask(Face::Rest, "ForceCloseChannel", &request).await?;
    ensure!(answer == json!({}), "{answer}");
    faces.has_compared("ForceCloseChannel");
    without(nodes, &[closed]).await
}

/// Waits for the transactions of all three ways, and confirms them.
async fn confirmed(Nodes { network, alice, bob, .. }: &Nodes) -> Result<()> {
    until("all transactions are with bitcoind", PATIENCE, async || {
        let mempool = network.bitcoind().mempool().await?;
        ensure!(mempool.len() >= FACES.len(), "{mempool:?}");
        Ok(())
    })
    .await?;
    network.mine(BLOCKS_TO_READY).await?;
    network.usable(alice, bob).await
}

async fn configure(
    faces: &mut Faces<'_>,
    nodes: &Nodes,
    ids: &[String],
    named: impl Fn(usize) -> Value,
) -> Result<()> {
    let request = |face| {
        let mut request = named(face);
        request["channel_config"] = json!({ "forwarding_fee_base_msat": 77 });
        request
    };
    faces.each("UpdateChannelConfig", request, &[]).await?;
    for channel in of(nodes, ids).await? {
        let fee = channel.channel_config.and_then(|config| config.forwarding_fee_base_msat);
        ensure!(fee == Some(77), "{fee:?}");
    }
    Ok(())
}

async fn splice(
    faces: &mut Faces<'_>,
    nodes: &Nodes,
    ids: &[String],
    named: impl Fn(usize) -> Value,
) -> Result<()> {
    let request = |sats: u64| {
        let named = &named;
        move |face| {
            let mut request = named(face);
            request["splice_amount_sats"] = sats.into();
            request
        }
    };
    // Only confirmed coins are spliced in: one for each, in place of the change of the one before.
    let alice = &*nodes.alice;
    nodes.network.fund(&[alice; 3], COIN_SATS).await?;
    let mut events = alice.events().await?;
    faces.each("SpliceIn", request(IN_SATS), &[]).await?;
    confirmed(nodes).await?;
    // Until it has told of that, the daemon takes no other splice.
    for _ in ids {
        events.wait_for("ChannelStateChanged", ready).await?;
    }
    for channel in of(nodes, ids).await? {
        ensure!(channel.channel_value_sats == CHANNEL_SATS + IN_SATS, "{channel:?}");
    }
    let volatile = [("address", "is a new one of the wallet")];
    faces.each("SpliceOut", request(OUT_SATS), &volatile).await?;
    confirmed(nodes).await?;
    let values = of(nodes, ids).await?.into_iter().map(|channel| channel.channel_value_sats);
    let values: Vec<_> = values.collect();
    ensure!(values[0] < CHANNEL_SATS + IN_SATS - OUT_SATS, "{values:?}");
    ensure!(values.iter().all(|value| *value == values[0]), "{values:?}");
    Ok(())
}

fn ready(event: Event) -> Option<()> {
    match event {
        Event::ChannelStateChanged(changed) if changed.state() == ChannelState::Ready => Some(()),
        _ => None,
    }
}

async fn of(nodes: &Nodes, ids: &[String]) -> Result<Vec<Channel>> {
    let mut channels = nodes.alice.channels().await?;
    channels.retain(|channel| ids.contains(&channel.user_channel_id));
    ensure!(channels.len() == ids.len(), "{channels:?}");
    Ok(channels)
}

/// Waits until these channels are no more.
async fn without(nodes: &Nodes, ids: &[String]) -> Result<()> {
    until("the channels are closed", PATIENCE, async || {
        let channels = nodes.alice.channels().await?;
        let left = channels.iter().find(|channel| ids.contains(&channel.user_channel_id));
        ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
    .await
}

async fn peers(faces: &mut Faces<'_>, Nodes { carol, .. }: &Nodes) -> Result<()> {
    faces.read("ListPeers", json!({}), &[]).await?;
    let request = |_| json!({ "node_pubkey": carol.id() });
    faces.each("DisconnectPeer", request, &[]).await?;
    let address = carol.address();
    let request = |_| json!({ "node_pubkey": carol.id(), "address": address, "persist": true });
    faces.each("ConnectPeer", request, &[]).await?;
    let peers = faces.read("ListPeers", json!({}), &[]).await?;
    let found = peers["peers"].as_array().into_iter().flatten();
    let connected =
        found.filter(|peer| peer["node_id"] == carol.id() && peer["is_connected"] == true);
    ensure!(connected.count() == 1, "{peers}");
    Ok(())
}
