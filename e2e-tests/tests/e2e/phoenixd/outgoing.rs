//! What was paid, and what cannot be done.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::until;
use serde_json::json;

use super::Pair;
use super::client::text;

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn payments_are_listed(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let address = bob.new_address().await?;
    let form = [("address", address.as_str()), ("amountSat", "20000"), ("feerateSatByte", "5")];
    let txid = phoenix.post("/sendtoaddress", &form).await?.plain()?;
    let rows = until("the transaction is listed", PATIENCE, async || {
        let listed = phoenix.get("/payments/outgoing?limit=1000").await?.json()?;
        let rows = listed.as_array().context("no list")?;
        ensure!(rows.iter().any(|row| row["txId"] == txid.as_str()), "{listed}");
        Ok(rows.clone())
    })
    .await?;
    let on_chain = rows.iter().find(|row| row["txId"] == txid.as_str());
    let on_chain = on_chain.context("no transaction")?;
    ensure!(on_chain["subType"] == "onchain" && on_chain["isPaid"] == true, "{on_chain}");
    ensure!(on_chain["sent"].as_u64().is_some_and(|sent| sent >= 20_000), "{on_chain}");
    let by_id = format!("/payments/outgoing/{}", text(on_chain, "paymentId")?);
    assert_eq!(phoenix.get(&by_id).await?.json()?["txId"], txid.as_str());

    for (offset, row) in rows.iter().take(2).enumerate() {
        let page = phoenix.get(&format!("/payments/outgoing?limit=1&offset={offset}")).await?;
        let page = page.json()?;
        assert_eq!(page.as_array().map(Vec::len), Some(1), "{page}");
        assert_eq!(page[0]["paymentId"], row["paymentId"]);
    }
    assert_eq!(phoenix.get("/payments/outgoing?to=1000").await?.json()?, json!([]));
    Ok(())
}

pub(super) async fn what_cannot_be_done_says_why(pair: &Pair) -> Result<()> {
    let phoenix = &pair.phoenix;
    for (path, words) in [
        ("/estimateliquidityfees?amountSat=1", "no provider opens channels"),
        ("/getlnaddress", "no service gives this node an address"),
    ] {
        phoenix.get(path).await?.is_refusal(501, words);
    }
    for (path, words) in [
        ("/lnurlauth", "signs in nowhere"),
        ("/bumpfee", "cannot raise the fee"),
        ("/closechannel", "its own wallet"),
    ] {
        phoenix.post(path, &[]).await?.is_refusal(501, words);
    }
    let address = [("address", "nobody"), ("amountSat", "1")];
    let reason = "Request parameter address couldn't be parsed/converted to username@domain";
    phoenix.post("/paylnaddress", &address).await?.is_refusal(400, reason);
    Ok(())
}

pub(super) async fn the_history_is_exported(pair: &Pair) -> Result<()> {
    let phoenix = &pair.phoenix;
    let told = phoenix.post("/export", &[]).await?.plain()?;
    let path = told.strip_prefix("payment history has been exported to ").context(told.clone())?;
    let csv = fs::read_to_string(path)?;
    let mut lines = csv.lines();
    let header = "date,id,type,amount_msat,fee_credit_msat,mining_fee_sat,service_fee_msat,\
                  payment_hash,tx_id";
    assert_eq!(lines.next(), Some(header));
    for kind in ["lightning_received", "lightning_sent", "swap_in"] {
        ensure!(csv.contains(&format!(",{kind},")), "no {kind} in {csv}");
    }
    let amount = |line: &str| line.split(',').nth(3).and_then(|msat| msat.parse::<i64>().ok());
    let sum: i64 = lines.map(|line| amount(line).context("no amount")).sum::<Result<_>>()?;
    ensure!(sum > 0, "{csv}");
    Ok(())
}
