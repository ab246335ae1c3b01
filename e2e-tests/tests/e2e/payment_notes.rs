//! Labels and metadata of payments: noted before anything leaves the node, shown wherever the payment is, and
//! changed by UpdatePayment.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, invalid, refused};
use futures_util::TryStreamExt as _;
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11SendRequest, Bolt12ReceiveRequest, Bolt12SendRequest, CreateRefundRequest,
    ExportPaymentsRequest, ListPaymentsRequest, OnchainSendRequest, SpontaneousSendRequest,
    UnifiedSendRequest, UpdatePaymentRequest, WaitPaymentRequest,
};
use ldk_server_client::types::{Payment, PaymentStatus};

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 20_000_000;
const STRANGE: &str = "5e1f0a77c3d94b2286fd10e95a3c84b7f6029d4ce8137ba5406bd2f9183ea6c5";

type Metadata = BTreeMap<String, String>;

fn metadata(order: &str) -> Metadata {
    [("order".to_owned(), order.to_owned())].into()
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_go_with_the_payment() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let sent = every_call_takes_notes(&network, &alice, &bob).await?;
    notes_are_shown_wherever_the_payment_is(&alice, &bob).await?;
    notes_are_part_of_the_request_of_a_key(&alice, &bob).await?;
    notes_are_changed(&alice, &bob).await?;
    wrong_notes_are_refused(&alice, &bob).await?;
    the_command_changes_them(&alice, &sent[0]).await?;
    // Payments were killed on the disk with their notes, or not at all.
    alice.kill().await?;
    alice.start_again().await?;
    for (name, id) in Calls::NAMES.iter().zip(&sent).skip(1) {
        ensure!(alice.payment(id).await?.label == *name, "{name}");
    }
    network.stop().await
}

/// The calls that pay, each with notes.
struct Calls;

impl Calls {
    const NAMES: [&str; 6] = ["bolt11", "bolt12", "keysend", "unified", "refund", "onchain"];
}

/// Returns the payment of each call.
async fn every_call_takes_notes(
    network: &Network,
    alice: &Arc<Node>,
    bob: &Node,
) -> Result<Vec<String>> {
    let mut sent = Vec::new();
    for name in Calls::NAMES {
        let id = send(alice, bob, name).await.with_context(|| name)?;
        let payment = alice.payment(&id).await?;
        assert_eq!((&*payment.label, &payment.metadata), (name, &metadata(name)));
        sent.push(payment.id);
    }
    network.mine(1).await?;
    Ok(sent)
}

async fn send(alice: &Node, bob: &Node, name: &str) -> Result<String> {
    let (client, label, metadata) = (alice.client(), name.to_owned(), metadata(name));
    Ok(match name {
        "bolt11" => {
            let invoice = bob.invoice(AMOUNT_MSAT).await?;
            let request = Bolt11SendRequest { invoice, label, metadata, ..Default::default() };
            client.bolt11_send(request).await?.payment_id
        },
        "bolt12" => {
            let request = Bolt12ReceiveRequest {
                description: "tea".to_owned(),
                amount_msat: Some(AMOUNT_MSAT),
                ..Default::default()
            };
            let offer = bob.client().bolt12_receive(request).await?.offer;
            let request = Bolt12SendRequest { offer, label, metadata, ..Default::default() };
            client.bolt12_send(request).await?.payment_id
        },
        "keysend" => {
            let (amount_msat, node_id) = (AMOUNT_MSAT, bob.id().to_owned());
            let request = SpontaneousSendRequest {
                amount_msat,
                node_id,
                label,
                metadata,
                ..Default::default()
            };
            client.spontaneous_send(request).await?.payment_id
        },
        "unified" => {
            let uri = format!("lightning:{}", bob.invoice(AMOUNT_MSAT).await?);
            let request = UnifiedSendRequest { uri, label, metadata, ..Default::default() };
            let answer = client.unified_send(request).await?;
            match answer.payment_result.context("nothing was paid")? {
                ldk_server_client::api::unified_send_response::PaymentResult::Bolt11PaymentId(
                    id,
                ) => id,
                other => anyhow::bail!("{other:?}"),
            }
        },
        "refund" => {
            let amount_msat = AMOUNT_MSAT;
            let request =
                CreateRefundRequest { amount_msat, label, metadata, ..Default::default() };
            client.create_refund(request).await?.payment_id
        },
        _ => {
            let (address, amount_sats) = (bob.new_address().await?, Some(50_000));
            let request =
                OnchainSendRequest { address, amount_sats, label, metadata, ..Default::default() };
            client.onchain_send(request).await?.txid
        },
    })
}

async fn notes_are_shown_wherever_the_payment_is(alice: &Node, bob: &Node) -> Result<()> {
    let mut events = alice.events().await?;
    let invoice = bob.invoice(AMOUNT_MSAT).await?;
    let request = Bolt11SendRequest {
        invoice,
        label: "shown".to_owned(),
        metadata: metadata("18"),
        ..Default::default()
    };
    let id = alice.client().bolt11_send(request).await?.payment_id;
    let told = events.payment_successful(&id).await?;
    let request = WaitPaymentRequest { payment_id: id.clone(), timeout_secs: Some(60) };
    let waited = alice.client().wait_payment(request).await?.payment.context("no payment")?;
    let listed = alice.client().list_payments(ListPaymentsRequest::default()).await?.payments;
    let listed = listed.into_iter().find(|payment| payment.id == id).context("not listed")?;
    for payment in [told, waited, listed] {
        assert_eq!((&*payment.label, &payment.metadata), ("shown", &metadata("18")));
    }
    let request = ExportPaymentsRequest::default();
    let stream = alice.client().export_payments(request).await?;
    let entries: Vec<_> = stream.try_collect().await?;
    let entry = entries.iter().find(|entry| entry.payment_id == id).context("not in the books")?;
    assert_eq!((&*entry.label, &entry.metadata), ("shown", &metadata("18")));
    let onchain = entries.iter().filter(|entry| entry.label == "onchain").count();
    assert_eq!(onchain, 1, "the transaction has its label in the books");
    let payee = bob.payment(&id).await?;
    assert_eq!((&*payee.label, payee.metadata), ("", Metadata::new()), "they are nobody else's");
    Ok(())
}

async fn notes_are_part_of_the_request_of_a_key(alice: &Node, bob: &Node) -> Result<()> {
    let request = Bolt11SendRequest {
        invoice: bob.invoice(AMOUNT_MSAT).await?,
        idempotency_key: "noted".to_owned(),
        label: "one".to_owned(),
        metadata: metadata("1"),
        ..Default::default()
    };
    alice.client().bolt11_send(request.clone()).await?;
    assert!(alice.client().bolt11_send(request.clone()).await?.repeated);
    for other in [
        Bolt11SendRequest { label: "two".to_owned(), ..request.clone() },
        Bolt11SendRequest { metadata: metadata("2"), ..request },
    ] {
        let answer = alice.client().bolt11_send(other).await;
        refused(answer, Code::AlreadyExists, &["idempotency_key", "noted"]);
    }
    Ok(())
}

async fn update(
    node: &Node,
    id: &str,
    label: Option<&str>,
    metadata: Metadata,
) -> Result<Payment, ldk_server_client::Error> {
    let (payment_id, label) = (id.to_owned(), label.map(str::to_owned));
    let request = UpdatePaymentRequest { payment_id, label, metadata, clear_metadata: false };
    Ok(node.client().update_payment(request).await?.payment.unwrap_or_default())
}

/// Of payments either way, without any other change.
async fn notes_are_changed(alice: &Node, bob: &Node) -> Result<()> {
    let id = alice.pays(bob, AMOUNT_MSAT).await?;
    for node in [alice, bob] {
        let before = node.settled(&id).await?;
        let changed = update(node, &id, Some("breakfast"), metadata("19")).await?;
        let label = "breakfast".to_owned();
        assert_eq!(changed, Payment { label, metadata: metadata("19"), ..before.clone() });
        assert_eq!(node.payment(&id).await?, changed);
        let renamed = update(node, &id, Some("lunch"), Metadata::new()).await?;
        assert_eq!((&*renamed.label, renamed.metadata), ("lunch", metadata("19")));
        let payment_id = id.clone();
        let request =
            UpdatePaymentRequest { payment_id, clear_metadata: true, ..Default::default() };
        let cleared = node.client().update_payment(request).await?.payment;
        assert_eq!(cleared, Some(Payment { label: "lunch".to_owned(), ..before }));
    }
    // One on chain goes by its txid, too.
    let (address, amount_sats) = (bob.new_address().await?, Some(30_000));
    let request = OnchainSendRequest { address, amount_sats, ..Default::default() };
    let txid = alice.client().onchain_send(request).await?.txid;
    assert_eq!(update(alice, &txid, Some("rent"), Metadata::new()).await?.label, "rent");
    Ok(())
}

async fn wrong_notes_are_refused(alice: &Node, bob: &Node) -> Result<()> {
    refused(update(alice, STRANGE, Some("a"), Metadata::new()).await, Code::NotFound, &[STRANGE]);
    invalid(update(alice, STRANGE, None, Metadata::new()).await, "label");
    invalid(update(alice, "zz", Some("a"), Metadata::new()).await, "payment_id");
    let too_many = (0..17).map(|n| (n.to_string(), String::new())).collect();
    invalid(update(alice, STRANGE, None, too_many).await, "metadata");
    let request = UpdatePaymentRequest {
        payment_id: STRANGE.to_owned(),
        metadata: metadata("1"),
        clear_metadata: true,
        ..Default::default()
    };
    invalid(alice.client().update_payment(request).await, "clear_metadata");
    let request = Bolt11SendRequest {
        invoice: bob.invoice(AMOUNT_MSAT).await?,
        label: "x".repeat(257),
        ..Default::default()
    };
    invalid(alice.client().bolt11_send(request.clone()).await, "label");
    let paid = Bolt11SendRequest { label: "x".repeat(256), ..request };
    let id = alice.client().bolt11_send(paid).await?.payment_id;
    let paid = alice.settled(&id).await?;
    assert_eq!((paid.status(), paid.label.len()), (PaymentStatus::Succeeded, 256));
    Ok(())
}

async fn the_command_changes_them(node: &Node, id: &str) -> Result<()> {
    let changed =
        node.cli(&["update-payment", id, "--label", "by hand", "--metadata", "order=20=a"]).await?;
    assert_eq!(changed["payment"]["label"], "by hand");
    assert_eq!(changed["payment"]["metadata"]["order"], "20=a");
    let cleared = node.cli(&["update-payment", id, "--label", "", "--clear-metadata"]).await?;
    assert!(cleared["payment"].get("label").is_none(), "{cleared}");
    Ok(())
}
