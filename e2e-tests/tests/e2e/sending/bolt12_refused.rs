//! What Bolt12Receive and Bolt12Send refuse.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, invalid, refused, until};
use ldk_server_client::Code;
use ldk_server_client::api::{Bolt12ReceiveRequest, Bolt12SendRequest, UnifiedSendRequest};
use ldk_server_client::types::RouteParametersConfig;

use crate::sending::bolt12::offer;
use crate::sending::{AMOUNT_MSAT, TOO_MANY_MSATS};

/// An offer for mainnet, where none names a network.
pub(super) const MAINNET_OFFER: &str =
    "lno1pqpq86q2qqtzzqhwcuj966ma9n9nqwqtl032xeyv6755yeflt235pmww58egx6rxry";
/// An offer for regtest, of 12.81 US dollars.
pub(super) const DOLLAR_OFFER: &str = "lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua9uve2rlrm9deu7xyfzrcxqd2\
    4x3qgqyzs5qqkyypwa3eyt44h6txtxquqh7lz5djge4afgfjn7k4rgrkuag0jsd5xvxg";

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn unusable_to_make(node: &Node, alone: &Node) -> Result<()> {
    let client = node.client();
    let fixed = || Bolt12ReceiveRequest { amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
    for amount in [0, TOO_MANY_MSATS, u64::MAX] {
        let request = Bolt12ReceiveRequest { amount_msat: Some(amount), ..fixed() };
        invalid(client.bolt12_receive(request).await, "amount_msat");
    }
    let instant = Bolt12ReceiveRequest { expiry_secs: Some(0), ..fixed() };
    invalid(client.bolt12_receive(instant).await, "expiry_secs");
    let none = Bolt12ReceiveRequest { quantity: Some(0), ..fixed() };
    invalid(client.bolt12_receive(none).await, "quantity");
    let priceless = Bolt12ReceiveRequest { amount_msat: None, quantity: Some(5), ..fixed() };
    refused(
        client.bolt12_receive(priceless).await,
        Code::InvalidArgument,
        &["quantity: ", "amount_msat"],
    );
    let long = Bolt12ReceiveRequest { description: "a".repeat(4097), ..fixed() };
    invalid(client.bolt12_receive(long).await, "description");
    let lasting =
        Bolt12ReceiveRequest { expiry_secs: Some(u32::MAX), quantity: Some(u64::MAX), ..fixed() };
    offer(node, lasting).await?;

    for request in [fixed(), Bolt12ReceiveRequest::default()] {
        let unheard = alone.client().bolt12_receive(request).await;
        refused(unheard, Code::FailedPrecondition, &["could not reach this node", "channel"]);
    }
    Ok(())
}

pub(super) async fn unusable_to_pay(payer: &Node, payee: &Node, alone: &Node) -> Result<()> {
    let spendable = Network::at_rest(payer, payee).await?;
    let made = SystemTime::now();
    let of = async |request| anyhow::Ok(offer(payee, request).await?.offer);
    let fixed = Bolt12ReceiveRequest { amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
    let short = of(Bolt12ReceiveRequest { expiry_secs: Some(1), ..fixed.clone() }).await?;
    let counted = of(Bolt12ReceiveRequest { quantity: Some(5), ..fixed.clone() }).await?;
    let fixed = of(fixed).await?;
    let variable = of(Bolt12ReceiveRequest::default()).await?;

    let client = payer.client();
    let pay = |offer: &str, amount_msat, quantity| {
        let offer = offer.to_owned();
        client.bolt12_send(Bolt12SendRequest { offer, amount_msat, quantity, ..Default::default() })
    };
    let long = "lno1qgs".repeat(1_000);
    for garbage in ["", "lno1", "coffee", "lnbc1", &fixed[..fixed.len() - 1], &long] {
        invalid(pay(garbage, None, None).await, "offer");
    }
    let mainnet = pay(MAINNET_OFFER, None, None).await;
    refused(mainnet, Code::InvalidArgument, &["offer: ", "network", "regtest"]);
    let dollars = pay(DOLLAR_OFFER, Some(AMOUNT_MSAT), None).await;
    refused(dollars, Code::FailedPrecondition, &["currency"]);

    for (offer, amount_msat, quantity) in [
        (&variable, None, None),
        (&variable, Some(0), None),
        (&variable, Some(TOO_MANY_MSATS), None),
        (&variable, Some(u64::MAX), None),
        (&fixed, Some(0), None),
        (&fixed, Some(AMOUNT_MSAT - 1), None),
        (&fixed, Some(2 * AMOUNT_MSAT + 1), None),
        (&counted, Some(3 * AMOUNT_MSAT - 1), Some(3)),
        (&counted, Some(6 * AMOUNT_MSAT + 1), Some(3)),
    ] {
        invalid(pay(offer, amount_msat, quantity).await, "amount_msat");
    }
    for (offer, quantity) in [
        (&fixed, Some(1)),
        (&fixed, Some(0)),
        (&counted, None),
        (&counted, Some(0)),
        (&counted, Some(6)),
        (&counted, Some(u64::MAX)),
    ] {
        invalid(pay(offer, None, quantity).await, "quantity");
    }
    let payer_note = Some("a".repeat(513));
    let request = Bolt12SendRequest { offer: fixed.clone(), payer_note, ..Default::default() };
    invalid(client.bolt12_send(request).await, "payer_note");
    let wide = RouteParametersConfig { max_path_count: 256, ..Default::default() };
    let request = Bolt12SendRequest {
        offer: fixed.clone(),
        route_parameters: Some(wide),
        ..Default::default()
    };
    invalid(client.bolt12_send(request).await, "route_parameters.max_path_count");

    let request = Bolt12SendRequest { offer: fixed, ..Default::default() };
    let unheard = alone.client().bolt12_send(request).await;
    refused(unheard, Code::FailedPrecondition, &["there is no channel to pay through"]);
    let much = 10_000_000_000;
    let too_much = pay(&variable, Some(much), None).await;
    refused(too_much, Code::FailedPrecondition, &["the channels can send", &much.to_string()]);
    let own = offer(payer, Bolt12ReceiveRequest::default()).await?.offer;
    refused(pay(&own, Some(AMOUNT_MSAT), None).await, Code::FailedPrecondition, &["own"]);
    let uri = format!("bitcoin:?lno={own}");
    let request = UnifiedSendRequest { uri, amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
    refused(client.unified_send(request).await, Code::FailedPrecondition, &["own"]);
    until("the offer has expired", PATIENCE, async || {
        ensure!(made.elapsed()? > Duration::from_secs(3), "{:?} old", made.elapsed()?);
        Ok(())
    })
    .await?;
    refused(pay(&short, None, None).await, Code::FailedPrecondition, &["expired"]);
    assert_eq!(Network::at_rest(payer, payee).await?, spendable, "nothing was paid");
    Ok(())
}
