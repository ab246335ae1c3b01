//! Waiting for payments: no thread, no polling, and a time that is over is no failure.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e_tests::{Network, Node, invalid, refused, until};
use futures_util::future::join_all;
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest,
    Bolt11SendRequest, Bolt11SendResponse, SpontaneousSendRequest, WaitPaymentRequest,
};
use ldk_server_client::types::{
    CustomTlvRecord, PaymentFailureReason, PaymentOutcome, PaymentOutcomeStatus, PaymentStatus,
};
use sha2::{Digest as _, Sha256};

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// More than there are threads for calls.
const WAITING: usize = 200;
const STRANGE: &str = "5e1f0a77c3d94b2286fd10e95a3c84b7f6029d4ce8137ba5406bd2f9183ea6c5";

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_is_told_when_it_is_there() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    success_has_a_proof(&alice, &bob).await?;
    a_failure_has_a_reason(&alice, &bob).await?;
    what_is_held_is_waited_for_by_many(&alice, &bob).await?;
    a_held_payment_that_fails_is_told(&alice, &bob).await?;
    let unknown = wait(&alice, STRANGE, 1).await;
    refused(unknown, Code::NotFound, &["payment_id"]);
    invalid(wait(&alice, STRANGE, 86_401).await, "timeout_secs");
    let too_long = Bolt11SendRequest { wait_timeout_secs: Some(86_401), ..Default::default() };
    invalid(alice.client().bolt11_send(too_long).await, "wait_timeout_secs");
    network.stop().await
}

async fn wait(
    node: &Node,
    payment_id: &str,
    timeout_secs: u32,
) -> Result<PaymentOutcome, ldk_server_client::Error> {
    let request =
        WaitPaymentRequest { payment_id: payment_id.to_owned(), timeout_secs: Some(timeout_secs) };
    let answer = node.client().wait_payment(request).await?;
    Ok(answer.outcome.unwrap_or_default())
}

async fn pay(node: &Node, invoice: &str, secs: u32) -> Result<Bolt11SendResponse> {
    let request = Bolt11SendRequest {
        invoice: invoice.to_owned(),
        idempotency_key: format!("pays-{}", &invoice[invoice.len() - 20..]),
        wait_timeout_secs: Some(secs),
        ..Default::default()
    };
    Ok(node.client().bolt11_send(request).await?)
}

async fn success_has_a_proof(alice: &Node, bob: &Node) -> Result<()> {
    let invoice = bob.invoice(AMOUNT_MSAT).await?;
    for is_again in [false, true] {
        let paid = pay(alice, &invoice, 60).await?;
        assert_eq!(paid.repeated, is_again);
        let outcome = paid.outcome.context("no outcome")?;
        assert_eq!(outcome.status(), PaymentOutcomeStatus::Succeeded, "{outcome:?}");
        let preimage = hex::decode(outcome.preimage.as_deref().unwrap_or_default())?;
        assert_eq!(hex::encode(Sha256::digest(preimage)), paid.payment_id);
        assert_eq!((outcome.fee_paid_msat, outcome.timed_out), (Some(0), false));
        assert_eq!(outcome, wait(alice, &paid.payment_id, 0).await?);
    }
    Ok(())
}

async fn a_failure_has_a_reason(alice: &Node, bob: &Node) -> Result<()> {
    let request = SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: bob.id().to_owned(),
        // The payee does not know an even type.
        custom_tlvs: vec![CustomTlvRecord { type_num: 65_538, value: vec![1] }],
        wait_timeout_secs: Some(60),
        ..Default::default()
    };
    let answer = alice.client().spontaneous_send(request).await?;
    let outcome = answer.outcome.context("no outcome")?;
    assert_eq!(outcome.status(), PaymentOutcomeStatus::Failed, "{outcome:?}");
    assert!(outcome.failure_reason.is_some() && !outcome.failure_text.is_empty(), "{outcome:?}");
    assert!(!outcome.timed_out && outcome.preimage.is_none(), "{outcome:?}");
    let payment = alice.payment(&answer.payment_id).await?;
    assert_eq!(payment.status(), PaymentStatus::Failed);
    assert_eq!(payment.failure_reason, outcome.failure_reason, "it is kept");
    Ok(())
}

/// An invoice whose payment waits for Bob's decision.
async fn held_invoice(bob: &Node, preimage: [u8; 32]) -> Result<(String, String)> {
    let payment_hash = hex::encode(Sha256::digest(preimage));
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(AMOUNT_MSAT),
        payment_hash: payment_hash.clone(),
        expiry_secs: 3_600,
        ..Default::default()
    };
    Ok((bob.client().bolt11_receive_for_hash(request).await?.invoice, payment_hash))
}

async fn what_is_held_is_waited_for_by_many(alice: &Node, bob: &Node) -> Result<()> {
    let preimage = [5; 32];
    let (invoice, id) = held_invoice(bob, preimage).await?;
    let paid = pay(alice, &invoice, 1).await?;
    let outcome = paid.outcome.context("no outcome")?;
    assert_eq!(outcome.status(), PaymentOutcomeStatus::Pending, "{outcome:?}");
    assert!(outcome.timed_out, "{outcome:?}");

    let waiting = join_all((0..WAITING).map(|_| wait(alice, &id, 60)));
    let claim = async {
        // Others are answered meanwhile.
        let paid = pay(alice, &bob.invoice(AMOUNT_MSAT).await?, 60).await?;
        assert_eq!(paid.outcome.unwrap_or_default().status(), PaymentOutcomeStatus::Succeeded);
        let request = Bolt11ClaimForHashRequest {
            payment_hash: Some(id.clone()),
            preimage: hex::encode(preimage),
            ..Default::default()
        };
        until("the payment is claimed", PATIENCE, async || {
            bob.client().bolt11_claim_for_hash(request.clone()).await?;
            Ok(())
        })
        .await?;
        anyhow::Ok(Instant::now())
    };
    let (outcomes, claimed) = tokio::join!(waiting, claim);
    let took = claimed?.elapsed();
    for outcome in outcomes {
        assert_eq!(outcome?.status(), PaymentOutcomeStatus::Succeeded);
    }
    assert!(took < Duration::from_secs(30), "{took:?}");
    Ok(())
}

async fn a_held_payment_that_fails_is_told(alice: &Node, bob: &Node) -> Result<()> {
    let (invoice, id) = held_invoice(bob, [6; 32]).await?;
    pay(alice, &invoice, 1).await?;
    let fail = async {
        let request = Bolt11FailForHashRequest { payment_hash: id.clone() };
        until("the payment is failed", PATIENCE, async || {
            bob.client().bolt11_fail_for_hash(request.clone()).await?;
            Ok(())
        })
        .await
    };
    let (outcome, failed) = tokio::join!(wait(alice, &id, 60), fail);
    failed?;
    let outcome = outcome?;
    assert_eq!(outcome.status(), PaymentOutcomeStatus::Failed, "{outcome:?}");
    assert_eq!(outcome.failure_reason(), PaymentFailureReason::RecipientRejected, "{outcome:?}");
    Ok(())
}
