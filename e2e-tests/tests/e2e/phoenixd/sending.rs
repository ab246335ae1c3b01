//! Paying.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::until;
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest,
    Bolt12ReceiveRequest,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Pair;
use super::client::{Phoenix, members, text};

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn an_invoice_is_paid_once(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let invoice = bob.invoice(2_500_000).await?;
    let paid = phoenix.post("/payinvoice", &[("invoice", &invoice)]).await?.json()?;
    assert_eq!(
        members(&paid),
        ["paymentHash", "paymentId", "paymentPreimage", "recipientAmountSat", "routingFeeSat"]
    );
    let amounts = (&paid["recipientAmountSat"], &paid["routingFeeSat"]);
    assert_eq!(amounts, (&json!(2_500), &json!(0)));
    bob.settled(text(&paid, "paymentHash")?).await?;
    let again = phoenix.post("/payinvoice", &[("invoice", &invoice)]).await?.json()?;
    let reason = "this invoice has already been paid";
    assert_eq!(again, json!({"paymentHash": paid["paymentHash"], "reason": reason}));

    let by_hash = format!("/payments/outgoingbyhash/{}", text(&paid, "paymentHash")?);
    let row = phoenix.get(&by_hash).await?.json()?;
    for (name, expected) in [
        ("type", json!("outgoing_payment")),
        ("subType", json!("lightning")),
        ("paymentId", paid["paymentId"].clone()),
        ("paymentHash", paid["paymentHash"].clone()),
        ("preimage", paid["paymentPreimage"].clone()),
        ("isPaid", json!(true)),
        ("sent", json!(2_500)),
        ("fees", json!(0)),
        ("invoice", json!(invoice)),
    ] {
        assert_eq!(row[name], expected, "{name} in {row}");
    }
    ensure!(row["completedAt"].is_u64() && row["createdAt"].is_u64(), "{row}");
    let by_id = format!("/payments/outgoing/{}", text(&paid, "paymentId")?);
    assert_eq!(phoenix.get(&by_id).await?.json()?, row);
    Ok(())
}

pub(super) async fn an_offer_is_paid(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let request = Bolt12ReceiveRequest { description: "book".to_owned(), ..Default::default() };
    let offer = bob.client().bolt12_receive(request).await?.offer;
    let form = [("offer", offer.as_str()), ("amountSat", "400"), ("message", "thanks")];
    let paid = phoenix.post("/payoffer", &form).await?.json()?;
    assert_eq!(paid["recipientAmountSat"], 400);
    let by_id = format!("/payments/outgoing/{}", text(&paid, "paymentId")?);
    let row = phoenix.get(&by_id).await?.json()?;
    assert_eq!((&row["isPaid"], &row["paymentHash"]), (&json!(true), &paid["paymentHash"]));
    let missing = phoenix.post("/payoffer", &form[..1]).await?;
    missing.is_refusal(400, "Request parameter amountSat is missing");
    Ok(())
}

/// What is answered to whoever wants to pay this.
async fn failure(phoenix: &Phoenix, invoice: &str) -> Result<Value> {
    phoenix.post("/payinvoice", &[("invoice", invoice)]).await?.json()
}

pub(super) async fn what_cannot_be_paid_says_why(pair: &Pair) -> Result<()> {
    let Pair { alice, bob, phoenix, .. } = pair;
    let too_much = failure(phoenix, &bob.invoice(900_000_000).await?).await?;
    assert_eq!(members(&too_much), ["paymentHash", "reason"]);
    assert_eq!(too_much["reason"], "not enough funds in wallet to afford payment");
    let own = failure(phoenix, &alice.invoice(1_000).await?).await?;
    ensure!(text(&own, "reason")?.contains("this node's own"), "{own}");
    // Nothing was sent, and there is nothing to be found.
    let by_hash = format!("/payments/outgoingbyhash/{}", text(&too_much, "paymentHash")?);
    phoenix.get(&by_hash).await?.is_refusal(404, "Not found");

    let failed = rejected(pair).await?;
    ensure!(text(&failed, "reason")?.contains("the recipient refused it"), "{failed}");
    let by_hash = format!("/payments/outgoingbyhash/{}", text(&failed, "paymentHash")?);
    let row = phoenix.get(&by_hash).await?.json()?;
    ensure!(row["isPaid"] == false && row["completedAt"].is_u64(), "{row}");
    let listed = phoenix.get("/payments/outgoing?limit=1000").await?.json()?;
    let has = |rows: &Value, hash: &Value| {
        rows.as_array().is_some_and(|rows| rows.iter().any(|row| row["paymentHash"] == *hash))
    };
    ensure!(!has(&listed, &failed["paymentHash"]), "{listed}");
    let all = phoenix.get("/payments/outgoing?all=true&limit=1000").await?.json()?;
    ensure!(has(&all, &failed["paymentHash"]), "{all}");
    Ok(())
}

/// What is answered to whoever pays an invoice of bob that bob does not take the payment of.
async fn rejected(Pair { bob, phoenix, .. }: &Pair) -> Result<Value> {
    let payment_hash = hex::encode(Sha256::digest([9; 32]));
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(1_000_000),
        payment_hash: payment_hash.clone(),
        ..Default::default()
    };
    let invoice = bob.client().bolt11_receive_for_hash(request).await?.invoice;
    let mut events = bob.events().await?;
    let failing = async {
        events.payment_claimable(&payment_hash).await?;
        let request = Bolt11FailForHashRequest { payment_hash: payment_hash.clone() };
        Ok(bob.client().bolt11_fail_for_hash(request).await?)
    };
    let (failed, _) = tokio::try_join!(failure(phoenix, &invoice), failing)?;
    Ok(failed)
}

/// Whoever asks for a payment that is on its way is never told that there is none.
pub(super) async fn what_is_under_way_is_found(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let preimage = [7; 32];
    let hash = hex::encode(Sha256::digest(preimage));
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(1_000_000),
        payment_hash: hash.clone(),
        ..Default::default()
    };
    let invoice = bob.client().bolt11_receive_for_hash(request).await?.invoice;
    let mut events = bob.events().await?;
    let form = [("invoice", invoice.as_str())];
    let paying = phoenix.post("/payinvoice", &form);
    let by_hash = format!("/payments/outgoingbyhash/{hash}");
    phoenix.get(&by_hash).await?.is_refusal(404, "Not found");
    let asking = async {
        // From the moment on that it is found, it is found each time.
        until("the payment is found", PATIENCE, async || phoenix.get(&by_hash).await?.json())
            .await?;
        for _ in 0..200 {
            let row = phoenix.get(&by_hash).await?.json()?;
            ensure!(row["isPaid"] == false && row["completedAt"].is_null(), "{row}");
        }
        events.payment_claimable(&hash).await?;
        // Whoever hangs up and asks to pay again is told what comes of the same payment.
        let hung_up = phoenix.clone();
        let invoice = invoice.clone();
        let second =
            tokio::spawn(
                async move { hung_up.post("/payinvoice", &[("invoice", &invoice)]).await },
            );
        let third =
            tokio::time::timeout(Duration::from_millis(300), phoenix.post("/payinvoice", &form));
        ensure!(third.await.is_err(), "it is on its way");
        let row = phoenix.get(&by_hash).await?.json()?;
        assert_eq!((&row["isPaid"], &row["sent"]), (&json!(false), &json!(1_000)));
        let claim =
            Bolt11ClaimForHashRequest { preimage: hex::encode(preimage), ..Default::default() };
        bob.client().bolt11_claim_for_hash(claim).await?;
        second.await?
    };
    let (first, second) = tokio::join!(paying, asking);
    let (first, second) = (first?.json()?, second?.json()?);
    assert_eq!(first, second);
    assert_eq!(first["paymentPreimage"], hex::encode(preimage));
    let row = phoenix.get(&by_hash).await?.json()?;
    assert_eq!((&row["isPaid"], &row["preimage"]), (&json!(true), &first["paymentPreimage"]));
    first["routingFeeSat"].as_u64().context("no fee").map(drop)
}
