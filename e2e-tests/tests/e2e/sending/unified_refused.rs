//! What UnifiedSend refuses.

use anyhow::{Result, bail, ensure};
use e2e_tests::{Network, Node, invalid, refused};
use futures_util::future::join_all;
use ldk_server_client::Code;
use ldk_server_client::api::unified_send_response::PaymentResult;
use ldk_server_client::api::{Bolt11SendRequest, DecodeInvoiceRequest, UnifiedSendRequest};
use ldk_server_client::types::{PaymentStatus, RouteParametersConfig};

use crate::sending::bolt12_refused::{DOLLAR_OFFER, MAINNET_OFFER};
use crate::sending::unified::{offer, open_invoice};
use crate::sending::{AMOUNT_BTC, AMOUNT_MSAT, TOO_MANY_MSATS, next_received};

/// Of BIP 173.
const MAINNET_ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
/// The least that an output to a segwit address may have.
const DUST_LIMIT_SATS: u64 = 294;

fn request(uri: &str, amount_msat: Option<u64>) -> UnifiedSendRequest {
    UnifiedSendRequest { uri: uri.to_owned(), amount_msat, ..Default::default() }
}

/// What is paid or must not be is not paid in another way.
pub(super) async fn never_twice(network: &Network, payer: &Node, payee: &Node) -> Result<()> {
    let address = payee.new_address().await?;
    let send = |uri: String| payer.client().unified_send(request(&uri, None));
    let with = |invoice| format!("bitcoin:{address}?amount={AMOUNT_BTC}&lightning={invoice}");
    let paid = payee.invoice(AMOUNT_MSAT).await?;
    let payment_id = payer.send(&paid).await?;
    payer.settled(&payment_id).await?;
    let spendable = Network::at_rest(payer, payee).await?;
    let balances = payer.balances().await?;

    let words = ["the invoice was paid", &payment_id];
    let offer = offer(payee, Some(AMOUNT_MSAT)).await?;
    let offered = format!("bitcoin:?lightning={paid}&lno={offer}");
    refused(send(offered).await, Code::FailedPrecondition, &words);
    refused(send(with(paid)).await, Code::FailedPrecondition, &words);
    let own = payer.invoice(AMOUNT_MSAT).await?;
    refused(send(with(own)).await, Code::FailedPrecondition, &["this node's own"]);
    assert_eq!(Network::at_rest(payer, payee).await?, spendable);
    network.mine(1).await?;
    let after = payer.balances().await?;
    assert_eq!(after.total_onchain_balance_sats, balances.total_onchain_balance_sats);
    Ok(())
}

/// Of many calls with one bill, one pays, by the offer; neither the offer nor the invoice is paid
/// again.
pub(super) async fn once_of_many_calls(payer: &Node, payee: &Node) -> Result<()> {
    let (invoice, offer) =
        (payee.invoice(AMOUNT_MSAT).await?, offer(payee, Some(AMOUNT_MSAT)).await?);
    let uri = format!("bitcoin:?lightning={invoice}&lno={offer}");
    let mut received = payee.events().await?;
    let calls = (0..10).map(|_| payer.client().unified_send(request(&uri, None)));
    let answers = join_all(calls).await;
    let paid = answers.iter().flatten().filter_map(|answer| answer.payment_result.clone());
    let paid: Vec<_> = paid.collect();
    let [PaymentResult::Bolt12PaymentId(payment_id)] = &paid[..] else { bail!("paid by {paid:?}") };
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, Code::FailedPrecondition, &["paid"]);
    }
    let payment = payer.settled(payment_id).await?;
    ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
    next_received(&mut received).await?;
    let words = [&invoice_hash(payer, &invoice).await?, payment_id.as_str()].map(str::to_owned);
    let words = words.each_ref().map(String::as_str);
    let again = payer.client().unified_send(request(&uri, None)).await;
    refused(again, Code::FailedPrecondition, &words);
    let plain = Bolt11SendRequest { invoice, ..Default::default() };
    refused(payer.client().bolt11_send(plain).await, Code::FailedPrecondition, &words);
    Ok(())
}

async fn invoice_hash(node: &Node, invoice: &str) -> Result<String> {
    let request = DecodeInvoiceRequest { invoice: invoice.to_owned() };
    Ok(node.client().decode_invoice(request).await?.payment_hash)
}

/// Who can pay in none of the ways is told why, for each.
pub(super) async fn no_way_works(poor: &Node, payee: &Node) -> Result<()> {
    let too_much_msat = 100 * AMOUNT_MSAT;
    let address = payee.new_address().await?;
    let invoice = payee.invoice(too_much_msat).await?;
    let offer = offer(payee, Some(too_much_msat)).await?;
    let all = format!("bitcoin:{address}?amount=0.005&lightning={invoice}&lno={offer}");
    let no_channel = "there is no channel to pay through";
    let words = ["by offer: ", "by invoice: ", no_channel, "on chain: "];
    let refusal = poor.client().unified_send(request(&all, None)).await;
    refused(refusal, Code::FailedPrecondition, &words);
    let refusal = poor.client().unified_send(request(&offer, None)).await;
    refused(refusal, Code::FailedPrecondition, &[no_channel]);
    Ok(())
}

pub(super) async fn amounts(payer: &Node, payee: &Node) -> Result<()> {
    let spendable = Network::at_rest(payer, payee).await?;
    let send = |uri: String, amount| payer.client().unified_send(request(&uri, amount));
    let address = payee.new_address().await?;
    let open = open_invoice(payee).await?;
    let invoice = payee.invoice(AMOUNT_MSAT).await?;
    let (open_offer, offer) = (offer(payee, None).await?, offer(payee, Some(AMOUNT_MSAT)).await?);
    let all = format!("bitcoin:{address}?amount={AMOUNT_BTC}&lightning={invoice}&lno={offer}");
    for (uri, amount_msat) in [
        (address.clone(), None),
        (format!("bitcoin:{address}"), None),
        (open.clone(), None),
        (open_offer.clone(), None),
        (format!("bitcoin:{address}?lightning={open}&lno={open_offer}"), None),
        (invoice.clone(), Some(0)),
        (invoice.clone(), Some(TOO_MANY_MSATS)),
        (invoice.clone(), Some(AMOUNT_MSAT - 1)),
        (invoice, Some(2 * AMOUNT_MSAT + 1)),
        (offer.clone(), Some(AMOUNT_MSAT - 1)),
        (offer, Some(2 * AMOUNT_MSAT + 1)),
        (all.clone(), Some(AMOUNT_MSAT - 1)),
        (all, Some(2 * AMOUNT_MSAT + 1)),
        (format!("bitcoin:?amount={AMOUNT_BTC}&lno={open_offer}"), Some(AMOUNT_MSAT - 1)),
        (format!("bitcoin:{address}?amount={AMOUNT_BTC}"), Some(AMOUNT_MSAT - 1_000)),
        (format!("bitcoin:{address}?amount={AMOUNT_BTC}"), Some(2 * AMOUNT_MSAT + 1_000)),
        (address.clone(), Some(1_000_001)),
        (address, Some((DUST_LIMIT_SATS - 1) * 1_000)),
    ] {
        invalid(send(uri, amount_msat).await, "amount_msat");
    }
    assert_eq!(Network::at_rest(payer, payee).await?, spendable, "nothing was paid");
    Ok(())
}

pub(super) async fn unreadable(payer: &Node, payee: &Node) -> Result<()> {
    let address = payee.new_address().await?;
    let other_offer = offer(payee, Some(AMOUNT_MSAT + 1)).await?;
    let offer = offer(payee, Some(AMOUNT_MSAT)).await?;
    let invoice = payee.invoice(AMOUNT_MSAT).await?;
    let send = |uri: &str| payer.client().unified_send(request(uri, Some(AMOUNT_MSAT)));
    for uri in [
        "",
        "coffee",
        "bitcoin:",
        "bitcoin:?",
        "bitcoin:coffee",
        "lightning:",
        "lightning:coffee",
        "https://example.com",
        "alice@",
        "@example.com",
        MAINNET_ADDRESS,
        MAINNET_OFFER,
        &offer[..offer.len() - 1],
        &format!("bitcoin:{address}?req-something=1"),
        &format!("bitcoin:{address}?amount=much"),
        &format!("bitcoin:{address}?amount=0.00001&lno={offer}"),
        &format!("bitcoin:?amount=0.00001&lno={offer}"),
        &format!("bitcoin:?amount=0.00001&lightning={invoice}"),
        &format!("bitcoin:?lightning={invoice}&lno={other_offer}"),
        &"a".repeat(1 << 20),
    ] {
        let refusal = send(uri).await;
        let message = refusal.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(message.len() < 500, "{} bytes are quoted", message.len());
        invalid(refusal, "uri");
    }
    refused(send(DOLLAR_OFFER).await, Code::FailedPrecondition, &["currency"]);
    let wide = RouteParametersConfig { max_path_count: 256, ..Default::default() };
    let request = UnifiedSendRequest { route_parameters: Some(wide), ..request(&offer, None) };
    let refusal = payer.client().unified_send(request).await;
    invalid(refusal, "route_parameters.max_path_count");
    Ok(())
}
