//! Subscriptions.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, until};
use ldk_server_client::api::{
    Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest, CloseChannelRequest,
    DisconnectPeerRequest,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::client::{Grpc, PATIENCE, hex};

/// Well below the time that calls under way are given.
const AT_ONCE: Duration = Duration::from_secs(10);

pub(super) async fn payments_are_told(grpc: &Grpc, alice: &Node, bob: &Node) -> Result<()> {
    let mut created = grpc.stream("SubscribeInvoiceCreation").await?;
    let mut received = grpc.stream("SubscribeInvoicePayment").await?;
    let mut sent = grpc.stream("SubscribeSendPaySuccess").await?;
    let mut failed = grpc.stream("SubscribeSendPayFailure").await?;
    let request = json!({
        "amount_msat": {"amount": {"msat": 7_000}}, "label": "told", "description": "",
    });
    let made = grpc.own("Invoice", request).await?;
    let told = created.next().await?;
    assert_eq!((&told["label"], &told["msat"]), (&json!("told"), &json!({"msat": "7000"})));
    bob.settled(&bob.send(made["bolt11"].as_str().unwrap_or_default()).await?).await?;
    let told = received.next().await?;
    assert_eq!((&told["label"], &told["msat"]), (&json!("told"), &json!({"msat": "7000"})));
    let row = grpc.own("ListInvoices", json!({"label": "told"})).await?;
    assert_eq!(told["preimage"], row["invoices"][0]["payment_preimage"], "{row}");

    let paid = alice.settled(&alice.send(&bob.invoice(5_000).await?).await?).await?;
    let told = sent.next().await?;
    assert_eq!(told["amount_sent_msat"], json!({"msat": "5000"}), "{told}");
    let listed = grpc.own("ListPays", json!({"payment_hash": told["payment_hash"]})).await?;
    assert_eq!(listed["pays"][0]["preimage"], told["payment_preimage"], "{listed}");
    ensure!(paid.amount_msat == Some(5_000), "{paid:?}");

    // The payee refuses it.
    let hash = hex::encode(Sha256::digest([7; 32]));
    let payment_hash = hash.clone();
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(6_000),
        expiry_secs: 3_600,
        payment_hash,
        ..Default::default()
    };
    let invoice = bob.client().bolt11_receive_for_hash(request).await?.invoice;
    let mut events = bob.events().await?;
    let payment = alice.send(&invoice).await?;
    events.payment_claimable(&hash).await?;
    let request = Bolt11FailForHashRequest { payment_hash: hash.clone() };
    bob.client().bolt11_fail_for_hash(request).await?;
    alice.settled(&payment).await?;
    let told = failed.next().await?;
    assert_eq!((&told["code"], &told["data"]["status"]), (&json!("203"), &json!("FAILED")));
    assert_eq!(hex(&told["data"]["payment_hash"])?, hash);
    Ok(())
}

pub(super) async fn blocks_and_peers_are_told(
    network: &Network,
    grpc: &Grpc,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let mut blocks = grpc.stream("SubscribeBlockAdded").await?;
    let mut joined = grpc.stream("SubscribeConnect").await?;
    let mut left = grpc.stream("SubscribeDisconnect").await?;
    network.mine(1).await?;
    let height = alice.height().await?;
    blocks.find(|block| block["height"] == height).await?;
    let request = DisconnectPeerRequest { node_pubkey: bob.id().to_owned() };
    alice.client().disconnect_peer(request).await?;
    assert_eq!(hex(&left.next().await?["id"])?, bob.id());
    bob.connect_to(alice).await?;
    let told = joined.next().await?;
    assert_eq!(hex(&told["id"])?, bob.id());
    ensure!(told["address"]["item_type"] == "IPV4" && told["address"]["port"].is_u64(), "{told}");
    until("the channel is usable again", PATIENCE, async || alice.usable_channel(bob).await)
        .await?;
    Ok(())
}

pub(super) async fn channels_are_told(
    network: &Network,
    grpc: &Grpc,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let mut states = grpc.stream("SubscribeChannelStateChanged").await?;
    let mut opened = grpc.stream("SubscribeChannelOpened").await?;
    network.open_channel(bob, alice, 300_000, 0).await?;
    let told = opened.next().await?;
    assert_eq!(hex(&told["id"])?, bob.id());
    assert_eq!(told["funding_msat"], json!({"msat": "300000000"}), "{told}");
    let waiting = states.next().await?;
    assert_eq!(waiting["new_state"], "ChanneldAwaitingLockin", "{waiting}");
    let normal = states.next().await?;
    assert_eq!(normal["new_state"], "ChanneldNormal", "{normal}");
    assert_eq!(normal["channel_id"], waiting["channel_id"]);
    let rows =
        grpc.own("ListPeerChannels", json!({"short_channel_id": normal["short_channel_id"]}));
    assert_eq!(rows.await?["channels"][0]["channel_id"], normal["channel_id"], "{normal}");

    let channel_id = hex(&normal["channel_id"])?;
    let channels = alice.channels().await?;
    let channel = channels.into_iter().find(|channel| channel.channel_id == channel_id);
    let channel = channel.unwrap_or_default();
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: channel.counterparty_node_id,
    };
    alice.client().close_channel(request).await?;
    let closed = states.next().await?;
    assert_eq!(
        (&closed["new_state"], &closed["cause"]),
        (&json!("ClosingdComplete"), &json!("USER"))
    );
    network.mine(6).await
}

pub(super) async fn a_stop_ends_them(grpc: &Grpc, alice: &Node) -> Result<()> {
    let mut streams = Vec::new();
    for call in ["SubscribeInvoicePayment", "SubscribeBlockAdded", "SubscribeCustomMsg"] {
        streams.push(grpc.stream(call).await?);
    }
    timeout(AT_ONCE, alice.stop()).await??;
    for mut stream in streams {
        let end = stream.next().await?;
        assert_eq!(end["error"]["code"], "UNAVAILABLE", "{end}");
    }
    Ok(())
}
