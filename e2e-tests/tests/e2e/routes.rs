//! What a payment would cost, before it is made. The nodes are those of `forwarding`: alice reaches
//! carol through bob.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, invalid, refused, until};
use ldk_server_client::api::{
    EstimateFeeRequest, EstimateFeeResponse, GraphListChannelsRequest, ProbePaymentRequest,
    QueryRouteRequest, QueryRouteResponse,
};
use ldk_server_client::types::{PaymentStatus, RouteHop, RouteParametersConfig};
use ldk_server_client::{Code, Error};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);
const AMOUNT_MSAT: u64 = 12_345_000;
/// Less than a third of what alice can send: the library probes no more of a channel.
const PROBED_MSAT: u64 = 30_000_000;
const SMALL_MSAT: u64 = 10_000;
const TOO_MUCH_MSAT: u64 = 1_000_000_000;
/// A node that nobody knows.
const STRANGER: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

pub(crate) async fn are_known_before_the_payment(nodes: &[Arc<Node>; 3]) -> Result<()> {
    let [alice, bob, carol] = nodes;
    alice.hears_of_channels(1, bob).await?;
    the_cost_is_what_is_paid_then(alice, bob, carol).await?;
    what_cannot_be_paid_is_an_answer(alice, carol).await?;
    wrong_questions_are_refused(alice, bob, carol).await?;
    probes_cost_nothing_and_teach(alice, carol).await
}

async fn the_cost_is_what_is_paid_then(alice: &Node, bob: &Node, carol: &Node) -> Result<()> {
    let invoice = carol.invoice(AMOUNT_MSAT).await?;
    let estimate = estimate(alice, &invoice, None).await?;
    assert!(estimate.payable, "{estimate:?}");
    assert_eq!((estimate.amount_msat, &*estimate.reason), (AMOUNT_MSAT, ""));
    let fee_msat = estimate.fee_msat.context("no fee")?;
    let ours = alice.usable_channel(bob).await?;
    let channel = &estimate.channels[..];
    assert_eq!(channel.len(), 1, "{channel:?}");
    assert_eq!(channel[0].user_channel_id, ours.user_channel_id);
    assert_eq!(channel[0].counterparty_node_id, bob.id());
    assert_eq!(channel[0].sendable_msat, ours.next_outbound_htlc_limit_msat);
    assert_eq!(estimate.sendable_msat, ours.next_outbound_htlc_limit_msat);

    let printed = alice.cli(&["query-route", &invoice]).await?;
    assert_eq!(printed["fee_msat"], json!(fee_msat));
    let route = query(alice, &invoice, None).await?;
    assert_eq!((route.amount_msat, route.fee_msat), (AMOUNT_MSAT, fee_msat));
    assert!(route.graph_age_secs <= 60, "{route:?}");
    let [path] = &route.paths[..] else { bail!("not one path: {route:?}") };
    assert_eq!((path.amount_msat, path.fee_msat, path.is_blinded), (AMOUNT_MSAT, fee_msat, false));
    let [first, last] = &path.hops[..] else { bail!("not two hops: {path:?}") };
    let expected = |node: &Node, amount_msat, fee_msat, hop: &RouteHop| RouteHop {
        node_id: node.id().to_owned(),
        amount_msat,
        fee_msat,
        ..hop.clone()
    };
    assert_eq!(*first, expected(bob, AMOUNT_MSAT + fee_msat, fee_msat, first));
    assert_eq!(*last, expected(carol, AMOUNT_MSAT, 0, last));
    assert!(first.total_cltv_expiry_delta > last.total_cltv_expiry_delta, "{path:?}");
    assert_eq!(estimate.max_total_cltv_expiry_delta, Some(first.total_cltv_expiry_delta));

    let payment_id = alice.send(&invoice).await?;
    let paid = alice.settled(&payment_id).await?;
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    assert_eq!(paid.fee_paid_msat, Some(fee_msat));
    let to_node = query(alice, carol.id(), Some(AMOUNT_MSAT)).await?;
    assert_eq!(to_node.fee_msat, fee_msat);
    // An invoice may name a channel by its alias; to a node there are only public ones.
    let public = bob.client().graph_list_channels(GraphListChannelsRequest {}).await?;
    let by = to_node.paths.iter().filter_map(|path| path.hops.last());
    assert_eq!(by.map(|hop| hop.short_channel_id).collect::<Vec<_>>(), public.short_channel_ids);
    Ok(())
}

async fn what_cannot_be_paid_is_an_answer(alice: &Node, carol: &Node) -> Result<()> {
    let too_much = estimate(alice, carol.id(), Some(TOO_MUCH_MSAT)).await?;
    assert!(!too_much.payable && too_much.fee_msat.is_none(), "{too_much:?}");
    assert!(too_much.sendable_msat > 0 && too_much.sendable_msat < TOO_MUCH_MSAT);
    let figure = too_much.sendable_msat.to_string();
    assert!(too_much.reason.contains(&figure), "{too_much:?}");

    let unknown = estimate(alice, STRANGER, Some(SMALL_MSAT)).await?;
    assert!(!unknown.payable && unknown.reason.starts_with("no route"), "{unknown:?}");

    let free = RouteParametersConfig { max_total_routing_fee_msat: Some(0), ..Default::default() };
    let request = EstimateFeeRequest {
        payee: carol.id().to_owned(),
        amount_msat: Some(SMALL_MSAT),
        route_parameters: Some(free),
    };
    let too_dear = alice.client().estimate_fee(request).await?;
    assert!(!too_dear.payable, "{too_dear:?}");
    Ok(())
}

async fn wrong_questions_are_refused(alice: &Node, bob: &Node, carol: &Node) -> Result<()> {
    let no_route = query(alice, STRANGER, Some(SMALL_MSAT)).await;
    refused(no_route, Code::FailedPrecondition, &["no route"]);
    let asked = carol.invoice(SMALL_MSAT).await?;
    for (payee, amount_msat, field) in [
        ("", Some(1), "payee"),
        ("lnbcrt1nonsense", None, "payee"),
        (alice.id(), Some(1), "payee"),
        (&*alice.invoice(SMALL_MSAT).await?, None, "payee"),
        (bob.id(), None, "amount_msat"),
        (bob.id(), Some(0), "amount_msat"),
        (&*asked, Some(SMALL_MSAT - 1), "amount_msat"),
        (&*asked, Some(2 * SMALL_MSAT + 1), "amount_msat"),
    ] {
        invalid(query(alice, payee, amount_msat).await, field);
    }
    let request = ProbePaymentRequest {
        payee: bob.id().to_owned(),
        amount_msat: Some(SMALL_MSAT),
        route_parameters: Some(RouteParametersConfig::default()),
    };
    invalid(alice.client().probe_payment(request).await, "route_parameters");
    Ok(())
}

async fn probes_cost_nothing_and_teach(alice: &Node, carol: &Node) -> Result<()> {
    let before = alice.balances().await?;
    let likely = query(alice, carol.id(), Some(PROBED_MSAT)).await?.success_probability_ppm;
    let likely = likely.context("alice has paid carol before")?;
    assert!(likely < 1_000_000, "{likely}");
    // An invoice would name an alias of the last channel, over which the library does not probe.
    let probed = ["probe-payment", carol.id(), &format!("{PROBED_MSAT}msat")];
    assert_eq!(alice.cli(&probed).await?, json!({}));
    // The library stores what it has learned after a payment.
    until("alice knows that so much can pass", PATIENCE, async || {
        let payment_id = alice.send(&carol.invoice(SMALL_MSAT).await?).await?;
        alice.settled(&payment_id).await?;
        let known = query(alice, carol.id(), Some(PROBED_MSAT)).await?.success_probability_ppm;
        ensure!(known > Some(likely), "{known:?}, not more than {likely}");
        Ok(())
    })
    .await?;
    let after = alice.balances().await?;
    let spent = before.total_lightning_balance_sats - after.total_lightning_balance_sats;
    assert!(spent < PROBED_MSAT / 1_000, "{spent} sat");

    let too_much = ["probe-payment", carol.id(), "900000sat"];
    let output = alice.cli_output(&too_much).await?;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("no probe was sent: the channels can send"), "{output:?}");
    Ok(())
}

async fn estimate(
    node: &Node,
    payee: &str,
    amount_msat: Option<u64>,
) -> Result<EstimateFeeResponse> {
    let payee = payee.to_owned();
    let request = EstimateFeeRequest { payee, amount_msat, route_parameters: None };
    Ok(node.client().estimate_fee(request).await?)
}

async fn query(
    node: &Node,
    payee: &str,
    amount_msat: Option<u64>,
) -> Result<QueryRouteResponse, Error> {
    let payee = payee.to_owned();
    let request = QueryRouteRequest { payee, amount_msat, route_parameters: None };
    node.client().query_route(request).await
}
