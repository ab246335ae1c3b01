//! Being paid and paying, and what is known of it.

use anyhow::{Result, ensure};
use e2e_tests::until;
use ldk_server_client::api::DisconnectPeerRequest;
use ldk_server_client::types::PaymentStatus;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Nodes;
use super::channels::PATIENCE;
use super::faces::{Faces, Volatile, ensure_alike, text_of};

const NEW_INVOICE: Volatile = ("invoice", "is another each time");
const NEW_PAYMENT: Volatile = ("payment_id", "is that of a new payment");
const NEW_HASH: Volatile = ("payment_hash", "is that of a new secret");
const NEW_SECRET: Volatile = ("payment_secret", "is made for one invoice");
const AMOUNT_MSAT: u64 = 20_000;

pub(super) async fn compare(faces: &mut Faces<'_>, nodes: &Nodes) -> Result<()> {
    onchain(faces, nodes).await?;
    invoices(faces).await?;
    held(faces, nodes).await?;
    through_new_channels(faces).await?;
    sending(faces, nodes).await?;
    histories(faces, nodes).await?;
    lookups(faces, nodes).await
}

async fn onchain(faces: &mut Faces<'_>, nodes: &Nodes) -> Result<()> {
    let volatile = [("address", "is used once")];
    faces.each("OnchainReceive", |_| json!({}), &volatile).await?;
    faces.read("EstimateOnchainFees", json!({ "wallet_inputs": 3 }), &[]).await?;
    let address = nodes.bob.new_address().await?;
    let request = |_| json!({ "address": address, "amount_sats": 10_000 });
    let sent = faces.each("OnchainSend", request, &[("txid", "is of another transaction")]).await?;
    until("all three are with bitcoind", PATIENCE, async || {
        let mempool = nodes.network.bitcoind().mempool().await?;
        for answer in &sent {
            ensure!(mempool.contains(&text_of(answer, "txid")?), "{mempool:?}");
        }
        Ok(())
    })
    .await?;
    nodes.network.mine(1).await
}

async fn invoices(faces: &mut Faces<'_>) -> Result<()> {
    let request = |_| {
        let description = json!({ "direct": "tea" });
        json!({ "amount_msat": AMOUNT_MSAT, "description": description, "expiry_secs": 3_600 })
    };
    let volatile = [NEW_INVOICE, NEW_HASH, NEW_SECRET];
    let made = faces.each("Bolt11Receive", request, &volatile).await?;
    let mut decoded = Vec::new();
    for answer in &made {
        let request = json!({ "invoice": text_of(answer, "invoice")? });
        decoded.push(faces.read("DecodeInvoice", request, &[]).await?);
    }
    let volatile = [NEW_HASH, NEW_SECRET, ("timestamp", "is the second it was made in")];
    ensure_alike("Bolt11Receive", &decoded[0], &decoded[1], &volatile)?;
    ensure_alike("Bolt11Receive", &decoded[0], &decoded[2], &volatile)?;
    let request = |_| json!({ "description": "tea", "amount_msat": AMOUNT_MSAT });
    let volatile = [("offer", "has a random part"), ("offer_id", "is the hash of the offer")];
    let [offer, ..] = faces.each("Bolt12Receive", request, &volatile).await?;
    faces.read("DecodeOffer", json!({ "offer": text_of(&offer, "offer")? }), &[]).await?;
    Ok(())
}

fn preimage(number: usize) -> Result<[u8; 32]> {
    Ok([u8::try_from(number)? + 1; 32])
}

fn hash(number: usize) -> Result<String> {
    Ok(hex::encode(Sha256::digest(preimage(number)?)))
}

/// Six payments: three are claimed, and three sent back.
async fn held(faces: &mut Faces<'_>, Nodes { alice, bob, .. }: &Nodes) -> Result<()> {
    let hashes = (0..6).map(hash).collect::<Result<Vec<_>>>()?;
    for half in hashes.chunks(3) {
        let request = |face: usize| json!({ "payment_hash": half[face], "amount_msat": AMOUNT_MSAT, "expiry_secs": 3_600 });
        let made = faces.each("Bolt11ReceiveForHash", request, &[NEW_INVOICE]).await?;
        for (answer, hash) in made.iter().zip(half) {
            let mut events = alice.events().await?;
            bob.send(&text_of(answer, "invoice")?).await?;
            events.payment_claimable(hash).await?;
        }
    }
    let preimages = (0..3).map(|number| preimage(number).map(hex::encode));
    let preimages = preimages.collect::<Result<Vec<_>>>()?;
    faces.each("Bolt11ClaimForHash", |face| json!({ "preimage": preimages[face] }), &[]).await?;
    let request = |face: usize| json!({ "payment_hash": hashes[3 + face] });
    faces.each("Bolt11FailForHash", request, &[]).await?;
    for (number, hash) in hashes.iter().enumerate() {
        let is_claimed = number < 3;
        let expected = if is_claimed { PaymentStatus::Succeeded } else { PaymentStatus::Failed };
        let payment = bob.settled(hash).await?;
        ensure!(payment.status() == expected, "{payment:?}");
    }
    Ok(())
}

async fn through_new_channels(faces: &mut Faces<'_>) -> Result<()> {
    let request = |_| json!({ "amount_msat": 50_000_000, "expiry_secs": 3_600 });
    faces.each("Bolt11ReceiveViaJitChannel", request, &[NEW_INVOICE]).await?;
    let request = |_| json!({ "expiry_secs": 3_600 });
    let name = "Bolt11ReceiveVariableAmountViaJitChannel";
    faces.each(name, request, &[NEW_INVOICE]).await?;
    let order = json!({ "lsp_balance_sats": 1_000_000, "channel_expiry_blocks": 144 });
    faces.refused("RequestInboundChannel", order).await?;
    faces.refused("GetInboundChannelOrder", json!({ "order_id": "1" })).await?;
    faces.refused("Bolt12ReceiveAsync", json!({})).await?;
    faces.refused("SetStaticInvoiceServer", json!({ "paths": "00" })).await?;
    faces.refused("CreateAsyncRecipientPaths", json!({ "recipient_id": "carol" })).await
}

async fn sending(faces: &mut Faces<'_>, Nodes { alice, bob, .. }: &Nodes) -> Result<()> {
    let mut invoices = Vec::new();
    for _ in 0..6 {
        invoices.push(bob.invoice(AMOUNT_MSAT).await?);
    }
    let request = |face: usize| json!({ "invoice": invoices[face] });
    let mut sent = faces.each("Bolt11Send", request, &[NEW_PAYMENT]).await?.to_vec();
    let request = |face: usize| json!({ "uri": invoices[3 + face] });
    let volatile = [("bolt11_payment_id", "is that of a new payment")];
    sent.extend(faces.each("UnifiedSend", request, &volatile).await?);
    let request = |_| json!({ "node_id": bob.id(), "amount_msat": AMOUNT_MSAT });
    sent.extend(faces.each("SpontaneousSend", request, &[NEW_PAYMENT]).await?);
    let offer = bob.cli(&["bolt12-receive", "tea", "20sat"]).await?;
    let request = |_| json!({ "offer": text_of(&offer, "offer").unwrap_or_default() });
    sent.extend(faces.each("Bolt12Send", request, &[NEW_PAYMENT]).await?);
    let request = |_| json!({ "amount_msat": AMOUNT_MSAT, "payer_note": "sorry" });
    let volatile = [("refund", "has a random part"), NEW_PAYMENT];
    faces.each("CreateRefund", request, &volatile).await?;
    let refund = bob.cli(&["create-refund", "20sat"]).await?;
    let request = |_| json!({ "refund": text_of(&refund, "refund").unwrap_or_default() });
    faces.each("ClaimRefund", request, &[NEW_PAYMENT]).await?;
    for answer in &sent {
        let id = ["payment_id", "bolt11_payment_id"].map(|field| answer[field].as_str());
        let payment = alice.settled(id[0].or(id[1]).unwrap_or_default()).await?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        ensure!(payment.amount_msat == Some(AMOUNT_MSAT), "{payment:?}");
    }
    // On regtest no service is asked.
    for name in ["ResolveLnurl", "LnurlPay", "LnurlWithdraw"] {
        faces.refused(name, json!({ "lnurl": "shop@example.org" })).await?;
    }
    let request = json!({ "invoice": bob.invoice(AMOUNT_MSAT).await?, "amount_msat": 1 });
    faces.refused("Bolt11SendUnderpaying", request).await
}

async fn histories(faces: &mut Faces<'_>, Nodes { alice, bob, carol, .. }: &Nodes) -> Result<()> {
    until("bob finds a route to carol", PATIENCE, async || {
        if let Err(error) = bob.pays(carol, AMOUNT_MSAT).await {
            // What he has missed of the public channel he is told when he connects.
            let request = DisconnectPeerRequest { node_pubkey: alice.id().to_owned() };
            bob.client().disconnect_peer(request).await?;
            bob.connect_to(alice).await?;
            return Err(error);
        }
        Ok(())
    })
    .await?;
    let payments = faces.read("ListPayments", json!({ "page_size": 7 }), &[]).await?;
    ensure!(payments["payments"].as_array().is_some_and(|page| page.len() == 7), "{payments}");
    let id = text_of(&payments["payments"][0], "id")?;
    faces.read("GetPaymentDetails", json!({ "payment_id": id }), &[]).await?;
    faces.read("WaitPayment", json!({ "payment_id": id, "timeout_secs": 0 }), &[]).await?;
    let notes = |_| json!({ "payment_id": id, "label": "tea", "metadata": { "order": "17" } });
    let [updated, ..] = faces.each("UpdatePayment", notes, &[]).await?;
    ensure!(updated["payment"]["metadata"]["order"] == "17", "{updated}");
    let forwards = faces.read("ListForwardedPayments", json!({}), &[]).await?;
    ensure!(forwards["forwarded_payments"][0].is_object(), "{forwards}");
    Ok(())
}

async fn lookups(faces: &mut Faces<'_>, Nodes { alice, carol, .. }: &Nodes) -> Result<()> {
    for name in ["GetNodeInfo", "GetBalances", "ExportPathfindingScores"] {
        faces.read(name, json!({}), &[]).await?;
    }
    let payment = json!({ "payee": carol.id(), "amount_msat": AMOUNT_MSAT });
    faces.read("QueryRoute", payment.clone(), &[]).await?;
    let estimate = faces.read("EstimateFee", payment.clone(), &[]).await?;
    ensure!(estimate["payable"] == true, "{estimate}");
    faces.each("ProbePayment", |_| payment.clone(), &[]).await?;
    let message = "aGVsbG8=";
    let [signed, ..] = faces.each("SignMessage", |_| json!({ "message": message }), &[]).await?;
    let signature = text_of(&signed, "signature")?;
    let request = json!({ "message": message, "signature": signature, "public_key": alice.id() });
    let verified = faces.read("VerifySignature", request, &[]).await?;
    ensure!(verified["valid"] == true, "{verified}");
    let channels = faces.read("GraphListChannels", json!({}), &[]).await?;
    let id: &Value = &channels["short_channel_ids"][0];
    ensure!(id.is_string(), "the public channel is not in the graph: {channels}");
    faces.read("GraphGetChannel", json!({ "short_channel_id": id }), &[]).await?;
    faces.read("GraphListNodes", json!({}), &[]).await?;
    faces.read("GraphGetNode", json!({ "node_id": carol.id() }), &[]).await?;
    Ok(())
}
