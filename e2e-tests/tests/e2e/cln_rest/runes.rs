//! Runes that are made, restricted, judged and revoked in Core Lightning's terms.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, run};
use ldk_server_client::api::GetNodeInfoRequest;
use serde_json::{Value, json};

use super::calls::text;
use super::client::Rest;
use crate::permissions::client_with;

const PATIENCE: Duration = Duration::from_secs(60);

/// A rune with these restrictions, as `createrune` takes them.
async fn made(rest: &Rest, restrictions: Value) -> Result<String> {
    let created = rest.result("createrune", json!({"restrictions": restrictions})).await?;
    Ok(text(&created, "rune")?.to_owned())
}

fn invoice(label: &str, amount_msat: Value) -> Value {
    json!({"amount_msat": amount_msat, "label": label, "description": "x"})
}

pub(super) async fn they_are_made_shown_and_revoked(rest: &Rest) -> Result<()> {
    let unrestricted = rest.result("createrune", json!({})).await?;
    ensure!(text(&unrestricted, "warning_unrestricted_rune")?.starts_with("WARNING: "));
    let read_only = rest.result("createrune", json!({"restrictions": "readonly"})).await?;
    let (rune, id) = (text(&read_only, "rune")?, text(&read_only, "unique_id")?);
    let shown = rest.result("showrunes", json!({})).await?;
    let rows = shown["runes"].as_array().context("no runes")?;
    let row = rows.iter().find(|row| row["unique_id"] == id).context("not shown")?;
    assert_eq!(row["rune"], rune);
    let english = "method starts with list OR method starts with get OR method equal to summary AND \
                   method unequal to listdatastore";
    assert_eq!(row["restrictions_as_english"], english);
    assert_eq!(row["restrictions"][1]["alternatives"][0]["condition"], "/");

    let check =
        |method: &str| rest.call(&rest.admin, "checkrune", json!({"rune": rune, "method": method}));
    let paying = rest.call(rune, "pay", json!({"bolt11": "x"}));
    let numbers = [check("listfunds"), check("pay"), paying, rest.call(rune, "getinfo", json!({}))];
    let expected = [(201, Value::Null), (500, json!(1502)), (401, json!(1502)), (201, Value::Null)];
    assert_eq!(rest.codes(&numbers).await?, expected);
    let (_, refused) = rest.answer(check("pay")).await?;
    let reason = "Not permitted: method does not start with list AND method does not start with get AND \
                  method is not equal to summary";
    assert_eq!(refused["message"], reason);

    // Who is restricted sees none of the others, and makes none.
    for method in ["showrunes", "createrune", "blacklistrune"] {
        let all_but_pay = made(rest, json!([["method/pay"], ["method/xpay"]])).await?;
        let (status, _) = rest.answer(rest.call(&all_but_pay, method, json!({}))).await?;
        ensure!(status == 401 || method == "blacklistrune", "{method}: {status}");
    }
    let id: u64 = id.parse()?;
    let revoked = rest.result("blacklistrune", json!([id])).await?;
    assert_eq!(revoked["blacklist"], json!([{"start": id, "end": id}]));
    let codes = rest.codes(&[rest.call(rune, "getinfo", json!({})), check("getinfo")]).await?;
    assert_eq!(codes, [(401, json!(1503)), (500, json!(1503))]);
    Ok(())
}

pub(super) async fn methods_and_parameters_are_restricted(rest: &Rest, alice: &Node) -> Result<()> {
    let only_invoice = made(rest, json!([["method=invoice"]])).await?;
    let small = restricted_elsewhere(rest, &only_invoice, "pnameamountmsat<1001").await?;
    let both = made(rest, json!([["method=invoice"], ["method=listinvoices"]])).await?;
    let codes = rest
        .codes(&[
            rest.call(&only_invoice, "invoice", invoice("r1", json!(5000))),
            rest.call(&only_invoice, "listinvoices", json!({})),
            rest.call(&only_invoice, "nosuch", json!({})),
            rest.call(&small, "invoice", invoice("r2", json!(1000))),
            rest.call(&small, "invoice", invoice("r3", json!(1001))),
            rest.call(&small, "invoice", json!([1001, "r4", "x"])),
            rest.call(&small, "invoice", invoice("r5", json!("any"))),
            rest.call(&small, "invoice", invoice("r6", json!("1sat"))),
            rest.call(&both, "invoice", invoice("r7", json!(1))),
        ])
        .await?;
    let (made, refused) = ((201, Value::Null), (401, json!(1502)));
    let mut expected = vec![refused; 9];
    (expected[0], expected[3]) = (made.clone(), made);
    assert_eq!(codes, expected);
    // At the node's own API, there is no such call.
    let own = client_with(alice, &only_invoice)?;
    ensure!(own.get_node_info(GetNodeInfoRequest {}).await.is_err());
    Ok(())
}

/// A rune that its holder has restricted with the package `runes`.
async fn restricted_elsewhere(rest: &Rest, rune: &str, restriction: &str) -> Result<String> {
    let mut command = rest.program("restrict_rune.py");
    command.arg(rune).arg(restriction);
    Ok(run(command, PATIENCE).await?.success()?.trim().to_owned())
}

pub(super) async fn groups_are_those_of_the_api(rest: &Rest) -> Result<()> {
    let reads = made(rest, json!(["group=info|group=read"])).await?;
    let codes = rest
        .codes(&[
            rest.call(&reads, "getinfo", json!({})),
            rest.call(&reads, "listinvoices", json!({})),
            rest.call(&reads, "invoice", invoice("g1", json!(1000))),
            rest.call(&reads, "newaddr", json!({})),
        ])
        .await?;
    let (answered, refused) = ((201, Value::Null), (401, json!(1502)));
    assert_eq!(codes, [answered.clone(), answered, refused.clone(), refused]);
    let listed = rest.result("listinvoices", json!({"label": "g1"})).await?;
    assert_eq!(listed["invoices"], json!([]));
    // A query reads what its tables are made of.
    let query = |rune: &str, table: &str| {
        let query = format!("SELECT count(*) FROM {table}");
        rest.call(rune, "sql", json!({"query": query}))
    };
    let knows = made(rest, json!(["group=info"])).await?;
    let codes = rest.codes(&[query(&reads, "invoices"), query(&knows, "invoices")]).await?;
    assert_eq!(codes, [(201, Value::Null), (401, json!(1502))]);
    Ok(())
}

/// However many calls of the API a method makes.
pub(super) async fn a_call_counts_once(rest: &Rest) -> Result<()> {
    let twice = made(rest, json!(["method=getinfo", "rate=2"])).await?;
    let call = || rest.call(&twice, "getinfo", json!({}));
    let codes = rest.codes(&[call(), call(), call()]).await?;
    assert_eq!(codes, [(201, Value::Null), (201, Value::Null), (401, json!(1502))]);
    Ok(())
}

pub(super) async fn a_budget_is_kept(rest: &Rest, bob: &Node) -> Result<()> {
    let pays = made(rest, json!(["method=pay|method=xpay", "budget=1000sat/day"])).await?;
    let [first, second] = [bob.invoice(600_000).await?, bob.invoice(600_000).await?];
    let (status, paid) = rest.answer(rest.call(&pays, "pay", json!({"bolt11": first}))).await?;
    ensure!(status == 201, "{paid}");
    bob.settled(text(&paid, "payment_hash")?).await?;
    let (status, refused) =
        rest.answer(rest.call(&pays, "xpay", json!({"invstring": second}))).await?;
    ensure!(status != 201, "{refused}");
    Ok(())
}
