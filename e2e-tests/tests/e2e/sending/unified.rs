//! UnifiedSend, where it pays.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, until};
use ldk_server_client::api::unified_send_response::PaymentResult;
use ldk_server_client::api::{
    Bolt11ReceiveRequest, Bolt12ReceiveRequest, DecodeInvoiceRequest, UnifiedSendRequest,
};

use crate::sending::{AMOUNT_BTC, AMOUNT_MSAT, bolt12, next_received};

const PATIENCE: Duration = Duration::from_secs(60);
const ONCHAIN_SATS: u64 = 20_000;
/// As it is written in a URI.
const ONCHAIN_BTC: &str = "0.0002";

/// Begins to pay.
pub(super) async fn send(
    payer: &Node,
    uri: &str,
    amount_msat: Option<u64>,
) -> Result<PaymentResult> {
    let request = UnifiedSendRequest { uri: uri.to_owned(), amount_msat, ..Default::default() };
    payer.client().unified_send(request).await?.payment_result.context("there is no result")
}

/// An offer of this amount, or of any.
pub(super) async fn offer(payee: &Node, amount_msat: Option<u64>) -> Result<String> {
    let request = Bolt12ReceiveRequest { amount_msat, ..Default::default() };
    Ok(bolt12::offer(payee, request).await?.offer)
}

/// An invoice that leaves the amount to the payer.
pub(super) async fn open_invoice(payee: &Node) -> Result<String> {
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    Ok(payee.client().bolt11_receive(request).await?.invoice)
}

/// A part that cannot be used does not keep the others from being paid, and the answer tells of it.
pub(super) async fn what_cannot_be_used_is_left_out(
    network: &Network,
    payer: &Node,
    payee: &Node,
) -> Result<()> {
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: 1,
        ..Default::default()
    };
    let expired = payee.client().bolt11_receive(request).await?.invoice;
    let address = payee.new_address().await?;
    let uri = format!("bitcoin:{address}?amount={AMOUNT_BTC}&lightning={expired}&lno=lno1");
    until("the invoice has expired", PATIENCE, async || {
        let invoice = expired.clone();
        let decoded = payer.client().decode_invoice(DecodeInvoiceRequest { invoice }).await?;
        ensure!(decoded.is_expired, "{decoded:?}");
        Ok(())
    })
    .await?;
    let request = UnifiedSendRequest { uri, ..Default::default() };
    let answer = payer.client().unified_send(request).await?;
    ensure!(matches!(answer.payment_result, Some(PaymentResult::Txid(_))), "{answer:?}");
    let [invoice, offer] = &answer.left_out[..] else { bail!("{answer:?}") };
    ensure!(invoice == "by invoice: the invoice has expired", "{answer:?}");
    ensure!(offer.starts_with("by offer: "), "{answer:?}");
    network.mine(1).await
}

/// Pays over Lightning, and checks that the payee gets so much.
async fn arrives(
    payer: &Node,
    payee: &Node,
    uri: &str,
    amount_msat: Option<u64>,
    arriving_msat: u64,
) -> Result<PaymentResult> {
    let (mut sending, mut receiving) = (payer.events().await?, payee.events().await?);
    let result = send(payer, uri, amount_msat).await?;
    let id = match &result {
        PaymentResult::Bolt11PaymentId(id) | PaymentResult::Bolt12PaymentId(id) => id,
        PaymentResult::Txid(txid) => bail!("paid on chain, by {txid}"),
    };
    let sent = sending.payment_successful(id).await?;
    let (received, _) = next_received(&mut receiving).await?;
    assert_eq!(sent.amount_msat, Some(arriving_msat), "{uri}");
    assert_eq!(received.amount_msat, Some(arriving_msat), "{uri}");
    Ok(result)
}

pub(super) async fn lightning(payer: &Node, payee: &Node) -> Result<()> {
    let by_invoice = |result| assert!(matches!(result, PaymentResult::Bolt11PaymentId(_)));
    let by_offer = |result| assert!(matches!(result, PaymentResult::Bolt12PaymentId(_)));

    let invoice = payee.invoice(AMOUNT_MSAT).await?;
    by_invoice(arrives(payer, payee, &invoice, None, AMOUNT_MSAT).await?);
    let uri = format!("lightning:{}", payee.invoice(AMOUNT_MSAT).await?);
    by_invoice(arrives(payer, payee, &uri, Some(AMOUNT_MSAT), AMOUNT_MSAT).await?);
    let loud = format!("LIGHTNING:{}", payee.invoice(AMOUNT_MSAT).await?.to_uppercase());
    by_invoice(arrives(payer, payee, &loud, Some(AMOUNT_MSAT + 7), AMOUNT_MSAT + 7).await?);
    let open = open_invoice(payee).await?;
    by_invoice(arrives(payer, payee, &open, Some(1_234), 1_234).await?);
    let uri = format!("bitcoin:?lightning={}", payee.invoice(AMOUNT_MSAT).await?);
    by_invoice(arrives(payer, payee, &uri, None, AMOUNT_MSAT).await?);

    let fixed = offer(payee, Some(AMOUNT_MSAT)).await?;
    by_offer(arrives(payer, payee, &fixed, None, AMOUNT_MSAT).await?);
    by_offer(arrives(payer, payee, &fixed, Some(AMOUNT_MSAT + 7), AMOUNT_MSAT + 7).await?);
    let open = offer(payee, None).await?;
    by_offer(arrives(payer, payee, &format!("bitcoin:?lno={open}"), Some(1_234), 1_234).await?);
    let counted = Bolt12ReceiveRequest {
        amount_msat: Some(AMOUNT_MSAT),
        quantity: Some(9),
        ..Default::default()
    };
    let counted = bolt12::offer(payee, counted).await?.offer;
    by_offer(arrives(payer, payee, &counted, None, AMOUNT_MSAT).await?);
    Ok(())
}

/// Pays on chain, and checks what the address gets of the transaction.
async fn confirmed(
    network: &Network,
    payer: &Node,
    uri: &str,
    amount_msat: Option<u64>,
    (address, amount_sats): (&str, u64),
) -> Result<()> {
    let txid = match send(payer, uri, amount_msat).await? {
        PaymentResult::Txid(txid) => txid,
        other => bail!("not paid on chain: {other:?}"),
    };
    until("the transaction is broadcast", PATIENCE, async || {
        let waiting = network.bitcoind().mempool().await?;
        ensure!(waiting.contains(&txid), "{txid} is not in {waiting:?}");
        Ok(())
    })
    .await?;
    let transaction = network.bitcoind().transaction(&txid).await?;
    let outputs = transaction["vout"].as_array().context("no outputs")?;
    let paid: Vec<_> = outputs
        .iter()
        .filter(|output| output["scriptPubKey"]["address"] == address)
        .map(|output| &output["value"])
        .collect();
    assert_eq!(paid, [&serde_json::json!(amount_sats as f64 / 1e8)], "{transaction}");
    // The wallet sees its transactions in blocks.
    network.mine(1).await
}

pub(super) async fn on_chain(network: &Network, payer: &Node, payee: &Node) -> Result<()> {
    let address = payee.new_address().await?;
    let output = (address.as_str(), ONCHAIN_SATS);
    let amount_msat = Some(ONCHAIN_SATS * 1_000);
    confirmed(network, payer, &address, amount_msat, output).await?;
    let uri = format!("bitcoin:{address}?amount={ONCHAIN_BTC}&label=coffee");
    confirmed(network, payer, &uri, None, output).await?;
    let loud = format!("BITCOIN:{}", address.to_uppercase());
    confirmed(network, payer, &loud, amount_msat, output).await
}

pub(super) async fn the_best_way_is_taken(
    network: &Network,
    payer: &Node,
    payee: &Node,
    unreachable: &Node,
) -> Result<()> {
    let amount_msat = ONCHAIN_SATS * 1_000;
    let address = payee.new_address().await?;
    let invoice = payee.invoice(amount_msat).await?;
    let offer = offer(payee, Some(amount_msat)).await?;
    let all = format!("bitcoin:{address}?amount={ONCHAIN_BTC}&lightning={invoice}&lno={offer}");
    let result = arrives(payer, payee, &all, None, amount_msat).await?;
    assert!(matches!(result, PaymentResult::Bolt12PaymentId(_)), "{result:?}");

    // The other was part of what was paid.
    let invoice = payee.invoice(amount_msat).await?;
    let two = format!("bitcoin:{address}?amount={ONCHAIN_BTC}&lightning={invoice}");
    let result = arrives(payer, payee, &two, None, amount_msat).await?;
    assert!(matches!(result, PaymentResult::Bolt11PaymentId(_)), "{result:?}");

    // There is no way to pay this invoice.
    let address = unreachable.new_address().await?;
    let invoice = unreachable.invoice(amount_msat).await?;
    let one = format!("bitcoin:{address}?amount={ONCHAIN_BTC}&lightning={invoice}");
    confirmed(network, payer, &one, None, (&address, ONCHAIN_SATS)).await?;

    // Who just got that money has no peer to pay an offer by, and no channel to pay an invoice by.
    let amount_sats = AMOUNT_MSAT / 1_000;
    let address = payee.new_address().await?;
    let invoice = payee.invoice(AMOUNT_MSAT).await?;
    let offer = self::offer(payee, Some(AMOUNT_MSAT)).await?;
    let last = format!("bitcoin:{address}?amount={AMOUNT_BTC}&lightning={invoice}&lno={offer}");
    confirmed(network, unreachable, &last, None, (&address, amount_sats)).await
}
