//! Runes that are restricted in the parameters of a call, and in what may be spent: in JSON as in gRPC,
//! however the request is written.

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, RawAnswer};
use ldk_server_client::Error;
use ldk_server_client::api::Bolt11SendRequest;
use ldk_server_client::types::{PaymentStatus, RouteParametersConfig};
use serde_json::{Value, json};

use super::{code, json as body_of, post, post_json, send};
use crate::permissions::{client_with, rune};

const SHORT: &str = "/v1/bolt11-receive";
const CONNECT: &str = "/api.LightningNode/Bolt11Receive";
const PAID_MSAT: u64 = 7_000;

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_restricted_however_they_are_written() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let below = rune(&alice, &["method=Bolt11Receive", "pname_amount_msat<100000"]).await?;
    let condition = "pname_amount_msat";
    for (request, is_allowed) in [
        (json!({ "amount_msat": 99_999, "expiry_secs": 60 }), true),
        (json!({ "amount_msat": "99999", "expiry_secs": 60 }), true),
        (json!({ "amountMsat": 99_999, "expirySecs": 60 }), true),
        (json!({ "amount_msat": 100_000, "expiry_secs": 60 }), false),
        (json!({ "amount_msat": "100000", "expiry_secs": 60 }), false),
        (json!({ "amountMsat": 100_000, "expiry_secs": 60 }), false),
        (json!({ "amount_msat": null, "expiry_secs": 60 }), false),
        (json!({ "expiry_secs": 60 }), false),
    ] {
        for path in [SHORT, CONNECT] {
            let head = post_json(alice.config(), path, &below);
            let answer = send(&alice, head, request.to_string()).await?;
            is_answered(&answer, is_allowed, condition)?;
        }
    }
    for (form, is_allowed) in
        [("amount_msat=99999&expiry_secs=60", true), ("amount_msat=100000&expiry_secs=60", false)]
    {
        let head = post(alice.config(), SHORT).header("rune", &below);
        let head = head.header("content-type", "application/x-www-form-urlencoded");
        is_answered(&send(&alice, head, form).await?, is_allowed, condition)?;
    }
    a_part_of_a_message_is_restricted(&alice).await?;
    network.stop().await
}

async fn a_part_of_a_message_is_restricted(alice: &Node) -> Result<()> {
    let tea = rune(alice, &["method=Bolt11Receive", "pname_description_direct=tea"]).await?;
    for (description, is_allowed) in [("tea", true), ("coffee", false)] {
        let request = json!({ "description": { "direct": description }, "expiry_secs": 60 });
        let answer = send(alice, post_json(alice.config(), SHORT, &tea), request.to_string());
        is_answered(&answer.await?, is_allowed, "pname_description_direct")?;
    }
    Ok(())
}

fn is_answered(answer: &RawAnswer, is_allowed: bool, condition: &str) -> Result<()> {
    if is_allowed {
        ensure!(answer.status == 200 && body_of(answer)?["invoice"].is_string(), "{answer:?}");
        return Ok(());
    }
    ensure!(answer.status == 403 && code(answer)? == "permission_denied", "{answer:?}");
    let message = body_of(answer)?["message"].to_string();
    ensure!(message.contains(condition), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_spent_in_json_and_in_grpc_together() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let rune = rune(&alice, &["--preset", "pay", "budget=20sat/day"]).await?;
    let request = |invoice: String| json!({ "invoice": invoice, "route_parameters": { "max_total_routing_fee_msat": 0 } });
    for path in ["/v1/bolt11-send", "/api.LightningNode/Bolt11Send"] {
        let request = request(bob.invoice(PAID_MSAT).await?);
        let answer = send(&alice, post_json(alice.config(), path, &rune), request.to_string());
        let answer = body_of(&answer.await?)?;
        let payment = alice.settled(answer["payment_id"].as_str().unwrap_or_default()).await?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{answer}: {payment:?}");
    }
    let left = "budget=20sat/day: 6000 msat are left";
    let invoice = bob.invoice(PAID_MSAT).await?;
    for path in ["/v1/bolt11-send", "/api.LightningNode/Bolt11Send"] {
        let head = post_json(alice.config(), path, &rune);
        let answer = send(&alice, head, request(invoice.clone()).to_string()).await?;
        is_answered(&answer, false, left)?;
    }
    let refused = client_with(&alice, &rune)?.bolt11_send(in_grpc(&invoice)).await;
    let is_refused =
        matches!(&refused, Err(Error::PermissionDenied(reason)) if reason.contains(left));
    ensure!(is_refused, "{refused:?}");
    // What is left can be spent.
    let request: Value = request(bob.invoice(6_000).await?);
    let head = post_json(alice.config(), "/v1/bolt11-send", &rune);
    let answer = send(&alice, head, request.to_string()).await?;
    ensure!(answer.status == 200, "{answer:?}");
    network.stop().await
}

fn in_grpc(invoice: &str) -> Bolt11SendRequest {
    let route_parameters =
        RouteParametersConfig { max_total_routing_fee_msat: Some(0), ..Default::default() };
    Bolt11SendRequest {
        invoice: invoice.to_owned(),
        route_parameters: Some(route_parameters),
        ..Default::default()
    }
}
