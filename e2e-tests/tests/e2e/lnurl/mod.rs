//! LNURL: services that are paid, and that pay out. Nothing may be paid that differs from what was asked
//! for.

mod refused;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Authority, LNURL_COMMENT_CHARS, LNURL_MSAT, LnurlReaction, LnurlService, Network, Node,
    refused, until,
};
use ldk_server_client::api::resolve_lnurl_response::Offer;
use ldk_server_client::api::{
    LnurlPayRequest, LnurlPayResponse, LnurlWithdrawRequest, LnurlWithdrawResponse,
    ResolveLnurlRequest,
};
use ldk_server_client::types::lnurl_success_action::Action;
use ldk_server_client::types::{PaymentDirection, PaymentStatus};
use ldk_server_client::{Code, Error};
use serde_json::json;

const AMOUNT_MSAT: u64 = 5_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
const TIMEOUT_SECS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn services_are_paid_and_pay_out() -> Result<()> {
    let network = Network::start_for(3).await?;
    let authority = Authority::new("localhost")?;
    let lnurl = format!(
        "[lnurl]\nenabled = true\nallow_private = true\ntimeout_secs = {TIMEOUT_SECS}\n\
         ca_cert_path = \"{}\"\n",
        authority.ca_cert_path().display()
    );
    let (alice, bob, carol) = tokio::try_join!(
        network.node_with("alice", &lnurl),
        network.node("bob"),
        network.node_with("carol", lnurl.replace("allow_private = true\n", ""))
    )?;
    network.fund(&[&alice, &bob], 2_000_000).await?;
    network.open_channel(&alice, &bob, 1_000_000, 500_000).await?;
    let service = LnurlService::start(&bob, &authority).await?;

    an_offer_is_shown(&alice, &service).await?;
    a_service_is_paid(&alice, &bob, &service).await?;
    a_service_pays_out(&alice, &bob, &service).await?;
    let before_msat = at_rest_msat(&alice, &bob).await?;
    refused::wrong_requests_ask_for_no_invoice(&alice, &service).await?;
    refused::what_differs_from_the_offer_is_not_paid(&alice, &service).await?;
    refused::what_does_not_answer_is_not_waited_for(&alice, &service).await?;
    refused::no_payout_is_not_one(&alice, &service).await?;
    refused::budgets_bound_it(&alice, &service).await?;
    assert_eq!(at_rest_msat(&alice, &bob).await?, before_msat, "nothing was paid");
    an_unclear_payout_is_told_as_such(&alice, &bob, &service).await?;
    off_unless_configured(&bob, &service).await?;
    nobody_on_this_machine_is_asked(&carol, &service).await?;
    no_secret_is_in_the_log(&alice)?;
    network.stop().await
}

async fn at_rest_msat(alice: &Node, bob: &Node) -> Result<u64> {
    Network::at_rest(alice, bob).await?;
    Ok(alice.usable_channel(bob).await?.outbound_capacity_msat)
}

async fn pay(node: &Node, lnurl: &str, amount_msat: u64) -> Result<LnurlPayResponse, Error> {
    let (lnurl, amount_msat) = (lnurl.to_owned(), Some(amount_msat));
    let request = LnurlPayRequest { lnurl, amount_msat, ..Default::default() };
    node.client().lnurl_pay(request).await
}

async fn withdraw(node: &Node, service: &LnurlService) -> Result<LnurlWithdrawResponse, Error> {
    let lnurl = service.link("lnurlw", "withdraw");
    let request =
        LnurlWithdrawRequest { lnurl, amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
    node.client().lnurl_withdraw(request).await
}

async fn an_offer_is_shown(alice: &Node, service: &LnurlService) -> Result<()> {
    for lnurl in [service.address().to_uppercase(), service.link("lnurlp", "pay")] {
        let shown =
            alice.client().resolve_lnurl(ResolveLnurlRequest { lnurl: lnurl.clone() }).await?;
        assert_eq!(shown.domain, "localhost");
        let Some(Offer::Pay(terms)) = shown.offer else { anyhow::bail!("{lnurl}: {shown:?}") };
        assert_eq!((terms.min_amount_msat, terms.max_amount_msat), LNURL_MSAT);
        assert_eq!(terms.description, "green tea");
        assert_eq!(terms.identifier.as_deref(), Some("shop@localhost"));
        assert_eq!(terms.max_comment_chars, LNURL_COMMENT_CHARS as u64);
        assert_eq!((terms.description_hash.len(), terms.long_description), (64, None));
    }
    let shown = alice.cli(&["resolve-lnurl", &service.link("lnurlw", "withdraw")]).await?;
    assert_eq!(shown["offer"]["withdraw"]["description"], "a prize");
    Ok(())
}

async fn a_service_is_paid(alice: &Node, bob: &Node, service: &LnurlService) -> Result<()> {
    let mut events = alice.events().await?;
    let _ = service.asked();
    let address = service.address();
    let paid =
        alice.cli(&["lnurl-pay", &address, "5000sat", "--comment", "with lemon & ☕"]).await?;
    let id = paid["payment_id"].as_str().context("no payment_id")?;
    assert_eq!(paid["description"], "green tea");
    let action = &paid["success_action"]["action"];
    assert_eq!(action["message"], "your tea is on its way", "{paid}");
    let sent = events.payment_successful(id).await?;
    assert_eq!(sent.amount_msat, Some(AMOUNT_MSAT));
    assert_eq!(bob.payment(id).await?.status(), PaymentStatus::Succeeded);
    let asked = service.asked();
    let [offer, callback] = &asked[..] else { anyhow::bail!("{asked:?}") };
    assert_eq!(offer, "/.well-known/lnurlp/shop");
    assert_eq!(callback, "/callback?amount=5000000&comment=with+lemon+%26+%E2%98%95");

    // What is of one amount only needs none, and a redirect is followed.
    service.offers(LnurlReaction::With(json!({ "minSendable": 7_000, "maxSendable": 7_000 })));
    service.accepts(LnurlReaction::With(json!({ "successAction": null })));
    let request = LnurlPayRequest { lnurl: address, ..Default::default() };
    let paid = alice.client().lnurl_pay(request).await?;
    assert_eq!((paid.amount_msat, paid.success_action), (7_000, None));
    assert_eq!(alice.settled(&paid.payment_id).await?.status(), PaymentStatus::Succeeded);
    let url = json!({ "tag": "url", "description": "ticket", "url": "https://localhost/ticket" });
    service.accepts(LnurlReaction::With(json!({ "successAction": url })));
    service.offers(LnurlReaction::Honest);
    let paid = pay(alice, &service.link("lnurlp", "pay"), 8_000).await?;
    let action = paid.success_action.and_then(|action| action.action);
    assert!(matches!(action, Some(Action::Url(link)) if link.url.ends_with("/ticket")));
    alice.settled(&paid.payment_id).await?;
    service.accepts(LnurlReaction::Honest);
    a_key_pays_once(alice, service).await
}

/// The answer is told again, whatever the service says by then.
async fn a_key_pays_once(alice: &Node, service: &LnurlService) -> Result<()> {
    let request = LnurlPayRequest {
        lnurl: service.address(),
        amount_msat: Some(9_000),
        idempotency_key: "tea-17".to_owned(),
        label: "tea".to_owned(),
        ..Default::default()
    };
    let first = alice.client().lnurl_pay(request.clone()).await?;
    assert_eq!(alice.settled(&first.payment_id).await?.label, "tea");
    let _ = service.asked();
    let again = alice.client().lnurl_pay(request.clone()).await?;
    assert_eq!(again, LnurlPayResponse { repeated: true, ..first });
    assert_eq!(service.asked().len(), 0, "the service is not asked");
    let other = LnurlPayRequest { amount_msat: Some(9_001), ..request };
    refused(alice.client().lnurl_pay(other).await, Code::AlreadyExists, &["tea-17"]);
    Ok(())
}

async fn a_service_pays_out(alice: &Node, bob: &Node, service: &LnurlService) -> Result<()> {
    let mut events = bob.events().await?;
    let withdrawn = withdraw(alice, service).await?;
    assert_eq!((withdrawn.amount_msat, withdrawn.unconfirmed_reason), (AMOUNT_MSAT, None));
    events.payment_successful(&withdrawn.payment_id).await?;
    until("the payment has arrived", PATIENCE, async || {
        let received = alice.payment(&withdrawn.payment_id).await?;
        ensure!(received.status() == PaymentStatus::Succeeded, "{received:?}");
        ensure!(received.direction() == PaymentDirection::Inbound, "{received:?}");
        ensure!(received.amount_msat == Some(AMOUNT_MSAT), "{received:?}");
        Ok(())
    })
    .await?;
    let most = alice.cli(&["lnurl-withdraw", &service.link("lnurlw", "withdraw")]).await?;
    assert_eq!(most["amount_msat"], json!(LNURL_MSAT.1), "as much as there is");
    let id = most["payment_id"].as_str().context("no payment_id")?;
    events.payment_successful(id).await.map(drop)
}

/// The service may pay an invoice that it has got, whatever it answers.
async fn an_unclear_payout_is_told_as_such(
    alice: &Node,
    bob: &Node,
    service: &LnurlService,
) -> Result<()> {
    service.accepts(LnurlReaction::Silent);
    let withdrawn = withdraw(alice, service).await?;
    let reason = withdrawn.unconfirmed_reason.context("it was confirmed")?;
    assert!(reason.contains("no answer"), "{reason}");
    bob.send(&withdrawn.invoice).await?;
    until("the payment has arrived all the same", PATIENCE, async || {
        let received = alice.payment(&withdrawn.payment_id).await?;
        ensure!(received.status() == PaymentStatus::Succeeded, "{received:?}");
        Ok(())
    })
    .await?;
    service.accepts(LnurlReaction::Honest);
    Ok(())
}

async fn off_unless_configured(bob: &Node, service: &LnurlService) -> Result<()> {
    let _ = service.asked();
    for lnurl in ["a@example.org", "lnurlp://example.org/"] {
        let off = pay(bob, lnurl, AMOUNT_MSAT).await;
        refused(off, Code::FailedPrecondition, &["lnurl.enabled"]);
    }
    let private = pay(bob, "lnurlp://127.0.0.1/", AMOUNT_MSAT).await;
    refused(private, Code::InvalidArgument, &["lnurl: ", "lnurl.allow_private"]);
    assert_eq!(service.asked(), Vec::<String>::new());
    Ok(())
}

/// Unless the configuration allows it, as it does for alice.
async fn nobody_on_this_machine_is_asked(carol: &Node, service: &LnurlService) -> Result<()> {
    let private = pay(carol, &service.address(), AMOUNT_MSAT).await;
    let reasons = ["was not asked", "not a public address", "lnurl.allow_private"];
    refused(private, Code::FailedPrecondition, &reasons);
    assert_eq!(service.asked(), Vec::<String>::new());
    Ok(())
}

fn no_secret_is_in_the_log(alice: &Arc<Node>) -> Result<()> {
    let log = alice.log().text();
    ensure!(!log.contains("/withdraw") && !log.contains("k1="), "an LNURL is in the log");
    Ok(())
}
