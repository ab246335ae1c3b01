//! Payments that are held: claimed with the caller's preimage, sent back on request, and sent back by
//! the node itself when their deadline is near.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Events, Network, Node, invalid, refused, until};
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11FailForHashRequest, Bolt11ReceiveForHashRequest,
    Bolt11ReceiveRequest, Bolt11SendRequest,
};
use ldk_server_client::events::PaymentFailedBackReason;
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{Bolt11, Payment, PaymentStatus};
use ldk_server_client::{Code, Error};
use sha2::{Digest as _, Sha256};

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_held_until_claimed_or_failed() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    unusable_requests_are_refused(&alice, &bob).await?;
    a_held_payment_is_claimed(&alice, &bob).await?;
    any_amount_can_be_held(&alice, &bob).await?;
    a_held_payment_is_sent_back(&alice, &bob).await?;
    a_cancelled_invoice_is_not_paid(&alice, &bob).await?;
    of_two_calls_at_once_one_decides(&alice, &bob).await?;
    a_held_payment_survives_a_restart(&alice, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_nobody_claims_are_sent_back() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    before_the_deadline(&network, &alice, &bob).await?;
    after_a_deadline_that_was_slept_through(&network, &alice, &bob).await?;
    network.stop().await
}

/// What the caller of the payee knows of a payment, and the payer does not.
struct Secret {
    preimage: String,
    hash: String,
}

impl Secret {
    fn new(number: u8) -> Self {
        let preimage = [number; 32];
        Self { preimage: hex::encode(preimage), hash: hex::encode(Sha256::digest(preimage)) }
    }

    async fn invoice(&self, payee: &Node, amount_msat: Option<u64>) -> Result<String> {
        let request = Bolt11ReceiveForHashRequest {
            amount_msat,
            expiry_secs: 3_600,
            payment_hash: self.hash.clone(),
            ..Default::default()
        };
        Ok(payee.client().bolt11_receive_for_hash(request).await?.invoice)
    }

    /// Begins to pay, and returns the block by which the payment must be claimed.
    async fn hold(&self, payer: &Node, payee: &Node, amount_msat: Option<u64>) -> Result<u32> {
        let mut events = payee.events().await?;
        let invoice = self.invoice(payee, amount_msat).await?;
        pay(payer, &invoice, amount_msat).await?;
        let claimable = events.payment_claimable(&self.hash).await?;
        let height = payee.height().await?;
        let held = claimable.payment.context("no payment")?;
        assert_eq!((held.status(), held.amount_msat), (PaymentStatus::Pending, amount_msat));
        assert_eq!(claimable.claimable_amount_msat, Some(AMOUNT_MSAT));
        assert_eq!(claimable.custom_records, []);
        let deadline = claimable.claim_deadline.context("no deadline")?;
        ensure!(deadline >= height + 2, "{deadline} at {height}");
        Ok(deadline)
    }

    async fn claim(&self, payee: &Node) -> Result<(), Error> {
        let request =
            Bolt11ClaimForHashRequest { preimage: self.preimage.clone(), ..Default::default() };
        payee.client().bolt11_claim_for_hash(request).await.map(drop)
    }

    async fn fail(&self, payee: &Node) -> Result<(), Error> {
        let request = Bolt11FailForHashRequest { payment_hash: self.hash.clone() };
        payee.client().bolt11_fail_for_hash(request).await.map(drop)
    }

    async fn is_pending(&self, nodes: [&Node; 2]) -> Result<()> {
        for node in nodes {
            let payment = node.payment(&self.hash).await?;
            assert_eq!(payment.status(), PaymentStatus::Pending, "{} has it", node.alias());
        }
        Ok(())
    }

    async fn has_failed(&self, nodes: [&Node; 2]) -> Result<()> {
        for node in nodes {
            let payment = node.settled(&self.hash).await?;
            assert_eq!(payment.status(), PaymentStatus::Failed, "{} has it", node.alias());
        }
        Ok(())
    }

    /// That it was paid, and the payer has the preimage for it.
    async fn was_paid(&self, payer: &Node, payee_events: &mut Events) -> Result<()> {
        let sent = payer.settled(&self.hash).await?;
        let received = payee_events.payment_received(&self.hash).await?;
        for payment in [&sent, &received] {
            assert_eq!(payment.status(), PaymentStatus::Succeeded);
            assert_eq!(payment.amount_msat, Some(AMOUNT_MSAT));
        }
        assert_eq!(known_preimage(&sent).as_ref(), Some(&self.preimage));
        Ok(())
    }
}

fn known_preimage(payment: &Payment) -> Option<String> {
    match payment.kind.clone()?.kind? {
        Kind::Bolt11(Bolt11 { preimage, .. }) => preimage,
        _ => None,
    }
}

/// Begins to pay an invoice, of [`AMOUNT_MSAT`] if it names no amount.
async fn pay(payer: &Node, invoice: &str, named_msat: Option<u64>) -> Result<()> {
    let amount_msat = named_msat.is_none().then_some(AMOUNT_MSAT);
    let invoice = invoice.to_owned();
    let request = Bolt11SendRequest { invoice, amount_msat, ..Default::default() };
    payer.client().bolt11_send(request).await?;
    Ok(())
}

async fn a_held_payment_is_claimed(alice: &Node, bob: &Node) -> Result<()> {
    let secret = Secret::new(1);
    let before = Network::at_rest(alice, bob).await?;
    let mut events = bob.events().await?;
    let invoice = secret.invoice(bob, Some(AMOUNT_MSAT)).await?;
    refused(secret.claim(bob).await, Code::FailedPrecondition, &["not arrived yet"]);
    pay(alice, &invoice, Some(AMOUNT_MSAT)).await?;
    events.payment_claimable(&secret.hash).await?;

    let claim = |amount_msat, preimage: &str| {
        bob.client().bolt11_claim_for_hash(Bolt11ClaimForHashRequest {
            payment_hash: Some(secret.hash.clone()),
            claimable_amount_msat: Some(amount_msat),
            preimage: preimage.to_owned(),
        })
    };
    let wrong = claim(AMOUNT_MSAT, &Secret::new(2).preimage).await;
    refused(wrong, Code::InvalidArgument, &["preimage: ", "belong", &secret.hash]);
    let less = claim(AMOUNT_MSAT - 1, &secret.preimage).await;
    refused(less, Code::InvalidArgument, &["claimable_amount_msat: ", "less"]);
    let more = claim(AMOUNT_MSAT + 1, &secret.preimage).await;
    refused(more, Code::InvalidArgument, &["claimable_amount_msat: ", "more"]);
    secret.is_pending([alice, bob]).await?;

    claim(AMOUNT_MSAT, &secret.preimage).await?;
    secret.was_paid(alice, &mut events).await?;
    let after = Network::at_rest(alice, bob).await?;
    assert_eq!(after, [before[0] - AMOUNT_MSAT, before[1] + AMOUNT_MSAT]);
    refused(secret.claim(bob).await, Code::FailedPrecondition, &["claimed already"]);
    refused(secret.fail(bob).await, Code::FailedPrecondition, &["has been claimed"]);
    assert_eq!(bob.payment(&secret.hash).await?.status(), PaymentStatus::Succeeded);
    Ok(())
}

async fn any_amount_can_be_held(alice: &Node, bob: &Node) -> Result<()> {
    let secret = Secret::new(3);
    let mut events = bob.events().await?;
    secret.hold(alice, bob, None).await?;
    let request = Bolt11ClaimForHashRequest {
        payment_hash: None,
        claimable_amount_msat: Some(AMOUNT_MSAT + 1),
        preimage: secret.preimage.clone(),
    };
    let more = bob.client().bolt11_claim_for_hash(request).await;
    refused(more, Code::InvalidArgument, &["claimable_amount_msat: ", "more"]);
    secret.claim(bob).await?;
    secret.was_paid(alice, &mut events).await
}

async fn a_held_payment_is_sent_back(alice: &Node, bob: &Node) -> Result<()> {
    let secret = Secret::new(4);
    let before = Network::at_rest(alice, bob).await?;
    let mut events = bob.events().await?;
    let deadline = secret.hold(alice, bob, Some(AMOUNT_MSAT)).await?;
    secret.fail(bob).await?;

    let back = events.payment_failed_back(&secret.hash).await?;
    assert_eq!(back.reason(), PaymentFailedBackReason::Requested);
    assert_eq!(back.claim_deadline, Some(deadline));
    assert_eq!(back.payment.map(|payment| payment.status()), Some(PaymentStatus::Failed));
    secret.has_failed([alice, bob]).await?;
    assert_eq!(Network::at_rest(alice, bob).await?, before);
    refused(secret.fail(bob).await, Code::FailedPrecondition, &["failed already"]);
    refused(secret.claim(bob).await, Code::FailedPrecondition, &["has failed"]);
    Ok(())
}

async fn a_cancelled_invoice_is_not_paid(alice: &Node, bob: &Node) -> Result<()> {
    let secret = Secret::new(5);
    let before = Network::at_rest(alice, bob).await?;
    let mut events = bob.events().await?;
    let invoice = secret.invoice(bob, Some(AMOUNT_MSAT)).await?;
    secret.fail(bob).await?;
    pay(alice, &invoice, Some(AMOUNT_MSAT)).await?;
    secret.has_failed([alice, bob]).await?;
    assert_eq!(Network::at_rest(alice, bob).await?, before);
    refused(secret.claim(bob).await, Code::FailedPrecondition, &["has failed"]);

    // Nobody was told of it: the next payment is what subscribers hear of next.
    let next = alice.pays(bob, AMOUNT_MSAT).await?;
    let told = events.wait_for("a payment", |event| match event {
        Event::PaymentClaimable(event) => event.payment,
        Event::PaymentReceived(event) => event.payment,
        Event::PaymentFailedBack(event) => event.payment,
        _ => None,
    });
    assert_eq!(told.await?.id, next);
    Ok(())
}

async fn of_two_calls_at_once_one_decides(alice: &Node, bob: &Node) -> Result<()> {
    for number in 20..24 {
        let secret = Secret::new(number);
        let made = tokio::join!(secret.invoice(bob, None), secret.invoice(bob, None));
        let invoice = match made {
            (Ok(invoice), Err(_)) | (Err(_), Ok(invoice)) => invoice,
            other => bail!("one of two invoices must be refused: {other:?}"),
        };
        let mut events = bob.events().await?;
        pay(alice, &invoice, None).await?;
        events.payment_claimable(&secret.hash).await?;
        match tokio::join!(secret.claim(bob), secret.fail(bob), secret.claim(bob)) {
            (Ok(()), failed, again) | (again, failed, Ok(())) => {
                refused(failed, Code::FailedPrecondition, &["claimed"]);
                refused(again, Code::FailedPrecondition, &["claimed"]);
                secret.was_paid(alice, &mut events).await?;
            },
            (claimed, Ok(()), again) => {
                refused(claimed, Code::FailedPrecondition, &["has failed"]);
                refused(again, Code::FailedPrecondition, &["has failed"]);
                secret.has_failed([alice, bob]).await?;
            },
            other => bail!("nobody decided: {other:?}"),
        }
    }
    Network::at_rest(alice, bob).await?;
    Ok(())
}

async fn a_held_payment_survives_a_restart(alice: &Node, bob: &Node) -> Result<()> {
    let [claimed, failed] = [Secret::new(6), Secret::new(7)];
    for secret in [&claimed, &failed] {
        secret.hold(alice, bob, Some(AMOUNT_MSAT)).await?;
    }
    restart(bob, async || Ok(())).await?;
    reconnect(alice, bob).await?;

    let mut events = bob.events().await?;
    failed.is_pending([alice, bob]).await?;
    claimed.claim(bob).await?;
    claimed.was_paid(alice, &mut events).await?;
    failed.fail(bob).await?;
    events.payment_failed_back(&failed.hash).await?;
    failed.has_failed([alice, bob]).await?;
    Network::at_rest(alice, bob).await?;

    // What is over stays over.
    restart(bob, async || Ok(())).await?;
    reconnect(alice, bob).await?;
    refused(claimed.claim(bob).await, Code::FailedPrecondition, &["claimed already"]);
    refused(failed.claim(bob).await, Code::FailedPrecondition, &["has failed"]);
    Ok(())
}

async fn restart(node: &Node, meanwhile: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    node.stop().await?;
    meanwhile().await?;
    node.start_again().await
}

/// Sooner than the payer would by itself, once in a minute.
async fn reconnect(payer: &Node, payee: &Node) -> Result<()> {
    until("the two are connected", PATIENCE, async || {
        payer.connect_to(payee).await?;
        payer.usable_channel(payee).await
    })
    .await?;
    Ok(())
}

async fn before_the_deadline(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let secret = Secret::new(1);
    let before = Network::at_rest(alice, bob).await?;
    let mut events = bob.events().await?;
    let deadline = secret.hold(alice, bob, Some(AMOUNT_MSAT)).await?;
    mine_to(network, deadline - 1).await?;

    let back = events.payment_failed_back(&secret.hash).await?;
    assert_eq!(back.reason(), PaymentFailedBackReason::Deadline);
    assert_eq!(back.claim_deadline, Some(deadline));
    let payment = back.payment.context("no payment")?;
    assert_eq!(payment.status(), PaymentStatus::Failed);
    secret.has_failed([alice, bob]).await?;
    // The channel is open, and the money is back.
    assert_eq!(Network::at_rest(alice, bob).await?, before);
    refused(secret.claim(bob).await, Code::FailedPrecondition, &["has failed"]);
    refused(secret.fail(bob).await, Code::FailedPrecondition, &["failed already"]);
    Ok(())
}

async fn after_a_deadline_that_was_slept_through(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let secret = Secret::new(2);
    let before = Network::at_rest(alice, bob).await?;
    let deadline = secret.hold(alice, bob, Some(AMOUNT_MSAT)).await?;
    restart(bob, async || mine_to(network, deadline + 1).await).await?;
    // The node is failed by itself, with nobody to send it back to yet.
    let payment = bob.settled(&secret.hash).await?;
    assert_eq!(payment.status(), PaymentStatus::Failed);
    reconnect(alice, bob).await?;
    secret.has_failed([alice, bob]).await?;
    assert_eq!(Network::at_rest(alice, bob).await?, before);
    Ok(())
}

async fn mine_to(network: &Network, height: u32) -> Result<()> {
    let blocks = height.checked_sub(network.bitcoind().height().await?);
    network.mine(blocks.context("the chain is beyond that")?).await
}

async fn unusable_requests_are_refused(alice: &Node, bob: &Node) -> Result<()> {
    unusable_invoices(alice, bob).await?;
    unusable_claims(alice, bob).await?;
    unusable_failures(alice, bob).await
}

async fn unusable_invoices(alice: &Node, bob: &Node) -> Result<()> {
    let make = |request| bob.client().bolt11_receive_for_hash(request);
    let sound = || Bolt11ReceiveForHashRequest {
        expiry_secs: 3_600,
        payment_hash: Secret::new(100).hash,
        ..Default::default()
    };
    for payment_hash in ["", "ab", &"z".repeat(64)] {
        let payment_hash = payment_hash.to_owned();
        let answer = make(Bolt11ReceiveForHashRequest { payment_hash, ..sound() }).await;
        refused(answer, Code::InvalidArgument, &["payment_hash: ", "64 hex digits"]);
    }
    for amount in [0, u64::MAX] {
        let answer =
            make(Bolt11ReceiveForHashRequest { amount_msat: Some(amount), ..sound() }).await;
        invalid(answer, "amount_msat");
    }
    // None of these has used the hash up; a second invoice would.
    make(sound()).await?;
    let again = make(sound()).await;
    refused(again, Code::FailedPrecondition, &["payment_hash", &sound().payment_hash, "once"]);
    let [received, sent] = [alice.pays(bob, 1_000).await?, bob.pays(alice, 1_000).await?];
    for payment_hash in [received, sent] {
        let answer = make(Bolt11ReceiveForHashRequest { payment_hash, ..sound() }).await;
        refused(answer, Code::FailedPrecondition, &["payment_hash"]);
    }
    Ok(())
}

async fn unusable_claims(alice: &Node, bob: &Node) -> Result<()> {
    let unknown = Secret::new(101);
    let claim = |payment_hash: Option<&str>, preimage: &str| {
        bob.client().bolt11_claim_for_hash(Bolt11ClaimForHashRequest {
            payment_hash: payment_hash.map(str::to_owned),
            claimable_amount_msat: None,
            preimage: preimage.to_owned(),
        })
    };
    for preimage in ["", "ab", &unknown.preimage[2..], &"deadbeefz".repeat(8)[..64]] {
        let answer = claim(None, preimage).await;
        let message = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(message, "preimage: must be 64 hex digits");
        refused(answer, Code::InvalidArgument, &[]);
    }
    let answer = claim(Some("ab"), &unknown.preimage).await;
    invalid(answer, "payment_hash");
    let answer = claim(Some(&Secret::new(102).hash), &unknown.preimage).await;
    refused(answer, Code::InvalidArgument, &["preimage: ", "does not belong"]);
    for payment_hash in [None, Some(unknown.hash.as_str())] {
        let answer = claim(payment_hash, &unknown.preimage).await;
        refused(answer, Code::InvalidArgument, &["payment_hash: ", &unknown.hash, "unknown"]);
    }
    // An outbound payment, whose preimage the payer knows from its payee.
    let sent = bob.payment(&bob.pays(alice, 1_000).await?).await?;
    let preimage = known_preimage(&sent).context("no preimage")?;
    let answer = claim(Some(&sent.id), &preimage).await;
    refused(answer, Code::FailedPrecondition, &["outbound"]);
    // An invoice that is settled without the caller.
    let own = own_invoice(bob).await?;
    let preimage = known_preimage(&bob.payment(&own).await?).context("no preimage")?;
    let answer = claim(Some(&own), &preimage).await;
    refused(answer, Code::FailedPrecondition, &["by itself"]);
    Ok(())
}

/// The hash of an invoice whose preimage the node itself knows.
async fn own_invoice(node: &Node) -> Result<String> {
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    Ok(node.client().bolt11_receive(request).await?.payment_hash)
}

async fn unusable_failures(alice: &Node, bob: &Node) -> Result<()> {
    let fail = |payment_hash: &str| {
        let payment_hash = payment_hash.to_owned();
        bob.client().bolt11_fail_for_hash(Bolt11FailForHashRequest { payment_hash })
    };
    for payment_hash in ["", "ab", &"z".repeat(64)] {
        refused(fail(payment_hash).await, Code::InvalidArgument, &["payment_hash: ", "64 hex"]);
    }
    let unknown = Secret::new(103).hash;
    let answer = fail(&unknown).await;
    refused(answer, Code::InvalidArgument, &["payment_hash: ", &unknown, "unknown"]);

    let [received, sent] = [alice.pays(bob, 1_000).await?, bob.pays(alice, 1_000).await?];
    refused(fail(&received).await, Code::FailedPrecondition, &["has been claimed"]);
    refused(fail(&sent).await, Code::FailedPrecondition, &["outbound"]);
    for payment in [received, sent] {
        assert_eq!(bob.payment(&payment).await?.status(), PaymentStatus::Succeeded);
    }
    let own = own_invoice(bob).await?;
    refused(fail(&own).await, Code::FailedPrecondition, &["by itself"]);
    assert_eq!(bob.payment(&own).await?.status(), PaymentStatus::Pending);
    Ok(())
}
