//! LNURL services that are paid, and that pay out.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{LNURL_MSAT, LnurlService, until};
use serde_json::json;

use super::Pair;
use super::client::text;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn services_are_paid(pair: &Pair, service: &LnurlService) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let (link, address) = (service.link("lnurlp", "pay"), service.address());
    for (path, name, place) in
        [("/lnurlpay", "lnurl", link.as_str()), ("/paylnaddress", "address", address.as_str())]
    {
        let form = [(name, place), ("amountSat", "700"), ("message", "with lemon")];
        let paid = phoenix.post(path, &form).await?.json()?;
        assert_eq!(paid["recipientAmountSat"], 700, "{path}: {paid}");
        let hash = text(&paid, "paymentHash")?;
        ensure!(bob.settled(hash).await?.amount_msat == Some(700_000), "{path}");
        let row = phoenix.get(&format!("/payments/outgoingbyhash/{hash}")).await?.json()?;
        assert_eq!((&row["isPaid"], &row["sent"]), (&json!(true), &json!(700)), "{path}");
    }
    // As little as there may be, if nothing is said.
    let least = phoenix.post("/lnurlpay", &[("lnurl", &link)]).await?.json()?;
    assert_eq!(least["recipientAmountSat"], LNURL_MSAT.0 / 1_000);
    let too_much = [("lnurl", link.as_str()), ("amountSat", "20001")];
    phoenix.post("/lnurlpay", &too_much).await?.is_refusal(400, "amount");
    let pays_out = service.link("lnurlw", "withdraw");
    let wrong = phoenix.post("/lnurlpay", &[("lnurl", &pays_out)]).await?;
    wrong.is_refusal(400, "this is a withdraw lnurl");
    Ok(())
}

pub(super) async fn a_service_pays_out(pair: &Pair, service: &LnurlService) -> Result<()> {
    let Pair { phoenix, .. } = pair;
    let lnurl = service.link("lnurlw", "withdraw");
    let withdrawn = phoenix.post("/lnurlwithdraw", &[("lnurl", &lnurl)]).await?.json()?;
    assert_eq!(withdrawn["description"], "a prize");
    assert_eq!(withdrawn["maxWithdrawable"], LNURL_MSAT.1);
    let invoice = text(&withdrawn, "invoice")?;
    let shown = phoenix.post("/decodeinvoice", &[("invoice", invoice)]).await?.json()?;
    let incoming = format!("/payments/incoming/{}", text(&shown, "paymentHash")?);
    until("the payment has arrived", PATIENCE, async || {
        let row = phoenix.get(&incoming).await?.json()?;
        let arrived = (&row["isPaid"], &row["receivedSat"]);
        ensure!(arrived == (&json!(true), &json!(LNURL_MSAT.1 / 1_000)), "{row}");
        Ok(())
    })
    .await?;
    let is_paid = service.link("lnurlp", "pay");
    let wrong = phoenix.post("/lnurlwithdraw", &[("lnurl", &is_paid)]).await?;
    wrong.is_refusal(400, "this is a payment lnurl");
    Ok(())
}
