//! What is refused, and of which nothing may be paid.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    LNURL_COMMENT_CHARS, LNURL_MSAT, LnurlReaction, LnurlService, Node, Port, invalid, refused,
};
use ldk_server_client::Code;
use ldk_server_client::api::{LnurlPayRequest, LnurlWithdrawRequest};
use ldk_server_client::types::RouteParametersConfig;
use serde_json::{Value, json};

use super::{AMOUNT_MSAT, pay, withdraw};

/// An invoice for mainnet, of the test vectors of BOLT 11.
const FOREIGN_INVOICE: &str = "lnbc20m1pvjluezhp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqfppqw508d6qejxtdg4y5r3zarvary0c5xw7kxqrrsssp5m6kmam774klwlh4dhmhaatd7al02m0h0m6kmam774klwlh4dhmhs9qypqqqcqpf3cwux5979a8j28d4ydwahx00saa68wq3az7v9jdgzkghtxnkf3z5t7q5suyq2dl9tqwsap8j0wptc82cpyvey9gf6zyylzrm60qtcqsq7egtsq";

pub(super) async fn wrong_requests_ask_for_no_invoice(
    alice: &Node,
    service: &LnurlService,
) -> Result<()> {
    let _ = service.asked();
    what_is_no_lnurl(alice).await?;
    assert_eq!(service.asked(), Vec::<String>::new(), "nothing was asked");
    what_the_service_does_not_take(alice, service).await?;
    let asked = service.asked();
    assert!(!asked.iter().any(|path| path.starts_with("/callback")), "{asked:?}");
    Ok(())
}

async fn what_is_no_lnurl(alice: &Node) -> Result<()> {
    for lnurl in [
        "",
        "coffee",
        "lnurl1x",
        "https://localhost/",
        "keyauth://localhost/",
        "@a.b",
        "lnurlp://abc.onion/",
    ] {
        invalid(pay(alice, lnurl, AMOUNT_MSAT).await, "lnurl");
    }
    let invoice = alice.invoice(1_000).await?;
    refused(pay(alice, &invoice, 1_000).await, Code::InvalidArgument, &["lnurl: ", "bolt11-send"]);
    Ok(())
}

async fn what_the_service_does_not_take(alice: &Node, service: &LnurlService) -> Result<()> {
    let (client, address) = (alice.client(), service.address());
    for amount_msat in [LNURL_MSAT.0 - 1, LNURL_MSAT.1 + 1] {
        let wrong = pay(alice, &address, amount_msat).await;
        refused(wrong, Code::InvalidArgument, &["amount_msat: ", "1000 to 20000000"]);
    }
    for amount_msat in [0, u64::MAX] {
        invalid(pay(alice, &address, amount_msat).await, "amount_msat");
    }
    let of =
        |amount_msat| LnurlPayRequest { lnurl: address.clone(), amount_msat, ..Default::default() };
    invalid(client.lnurl_pay(of(None)).await, "amount_msat");
    let comment = Some("a".repeat(LNURL_COMMENT_CHARS + 1));
    let request = LnurlPayRequest { comment, ..of(Some(AMOUNT_MSAT)) };
    invalid(client.lnurl_pay(request).await, "comment");
    let route_parameters =
        Some(RouteParametersConfig { max_path_count: 256, ..Default::default() });
    let request = LnurlPayRequest { route_parameters, ..of(Some(AMOUNT_MSAT)) };
    invalid(client.lnurl_pay(request).await, "route_parameters.max_path_count");
    let payout = pay(alice, &service.link("lnurlw", "withdraw"), AMOUNT_MSAT).await;
    refused(payout, Code::InvalidArgument, &["lnurl: ", "lnurl-withdraw"]);
    let request = LnurlWithdrawRequest { lnurl: address.clone(), ..Default::default() };
    refused(client.lnurl_withdraw(request).await, Code::InvalidArgument, &["lnurl-pay"]);
    Ok(())
}

pub(super) async fn what_differs_from_the_offer_is_not_paid(
    alice: &Node,
    service: &LnurlService,
) -> Result<()> {
    let address = service.address();
    let with = |members: Value| LnurlReaction::With(members);
    let answer = |status, body: &str| LnurlReaction::Answer(status, body.to_owned());
    let redirect = |to: &str| LnurlReaction::Redirect(to.to_owned());
    let link = json!({ "tag": "url", "description": "ticket", "url": "https://evil.example/" });
    for (reaction, reason) in [
        (LnurlReaction::OtherAmount, "not the 5000000 msat asked for"),
        (LnurlReaction::OtherDescription, "does not have the hash"),
        (with(json!({ "pr": "coffee" })), "no invoice to pay"),
        (with(json!({ "pr": FOREIGN_INVOICE })), "no invoice to pay"),
        (with(json!({ "successAction": link })), "LUD-09"),
        (answer(200, "[]"), "no JSON object"),
        (answer(200, "{}"), "pr"),
        (answer(500, "oops"), "status 500"),
        (answer(200, r#"{"status":"ERROR","reason":"sold out"}"#), "refuses: sold out"),
        (redirect("http://localhost:1/"), "from https:// to http://"),
        (redirect("file:///etc/passwd"), "https://"),
        (redirect("/callback"), "again and again"),
    ] {
        service.accepts(reaction);
        refused(pay(alice, &address, AMOUNT_MSAT).await, Code::FailedPrecondition, &[reason]);
    }
    service.accepts(LnurlReaction::Honest);
    for (members, reason) in [
        (json!({ "tag": "login", "k1": "00" }), "login"),
        (json!({ "callback": "http://localhost:1/" }), "http://"),
    ] {
        service.offers(with(members));
        refused(pay(alice, &address, AMOUNT_MSAT).await, Code::FailedPrecondition, &[reason]);
    }
    service.offers(LnurlReaction::Honest);
    Ok(())
}

pub(super) async fn what_does_not_answer_is_not_waited_for(
    alice: &Node,
    service: &LnurlService,
) -> Result<()> {
    for (reaction, reason) in
        [(LnurlReaction::Endless, "more than 65536 bytes"), (LnurlReaction::Silent, "no answer")]
    {
        service.offers(reaction.clone());
        let answer = pay(alice, &service.address(), AMOUNT_MSAT).await;
        refused(answer, Code::FailedPrecondition, &[reason]);
        service.offers(LnurlReaction::Honest);
        service.accepts(reaction);
        let answer = pay(alice, &service.address(), AMOUNT_MSAT).await;
        refused(answer, Code::FailedPrecondition, &[reason]);
        service.accepts(LnurlReaction::Honest);
    }
    let closed = Port::claim()?;
    let nobody = format!("a@localhost:{}", closed.number());
    let answer = pay(alice, &nobody, AMOUNT_MSAT).await;
    refused(answer, Code::FailedPrecondition, &["was not asked: cannot connect"]);
    Ok(())
}

pub(super) async fn no_payout_is_not_one(alice: &Node, service: &LnurlService) -> Result<()> {
    let refusal = json!({ "status": "ERROR", "reason": "already paid" }).to_string();
    service.accepts(LnurlReaction::Answer(400, refusal));
    refused(withdraw(alice, service).await, Code::FailedPrecondition, &["already paid"]);
    service.accepts(LnurlReaction::Honest);
    Ok(())
}

pub(super) async fn budgets_bound_it(alice: &Node, service: &LnurlService) -> Result<()> {
    let made = alice.cli(&["create-rune", "--preset", "pay", "--budget", "1sat/day"]).await?;
    let rune = made["rune"].as_str().context("no rune")?;
    let call = ["--rune", rune, "lnurl-pay", &service.address(), "5000sat"];
    let answer = alice.cli_output(&call).await?;
    ensure!(answer.code == Some(1), "{answer:?}");
    ensure!(answer.stderr.contains("budget=1sat/day: 1000 msat are left"), "{answer:?}");
    Ok(())
}
