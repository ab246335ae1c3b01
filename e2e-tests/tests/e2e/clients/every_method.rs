//! Every method, with the types of the crate `cln-rpc` for what is sent and what is answered.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use cln_rpc::ClnRpc;
use e2e_tests::until;
use serde_json::{Value, json};

use super::cln_rpc::{PATIENCE, call};
use super::doors::Doors;
use crate::cln::strict::WITHOUT_TYPES;

/// These need more than a channel, and are read as strictly in `cln::channels`, `cln::own_data`,
/// `cln::routing` and `cln::sending`.
const ELSEWHERE: [&str; 10] = [
    "autoclean-once",
    "close",
    "disconnect",
    "fundchannel",
    "sendinvoice",
    "splicein",
    "spliceout",
    "stop",
    "waitanyinvoice",
    "withdraw",
];

/// The connection, and the methods that were called on it.
struct Calls {
    rpc: ClnRpc,
    called: BTreeSet<String>,
}

impl Calls {
    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.called.insert(method.to_owned());
        let answer = call(&mut self.rpc, method, params.clone()).await;
        answer.with_context(|| format!("{method} {params}"))
    }

    /// Calls a method whose list must not be empty: an empty one has no rows to be read.
    async fn list(&mut self, method: &str, params: Value, list: &str) -> Result<Value> {
        let answer = self.call(method, params).await?;
        let rows = answer[list].as_array().map_or(0, Vec::len);
        ensure!(rows > 0, "{method} lists nothing: {answer}");
        Ok(answer)
    }
}

pub(super) async fn is_read_by_strict_types(doors: &Doors) -> Result<()> {
    let mut calls = Calls { rpc: ClnRpc::new(doors.socket()).await?, called: BTreeSet::new() };
    of_the_node(&mut calls, doors).await?;
    of_invoices(&mut calls, doors).await?;
    of_payments(&mut calls, doors).await?;
    of_offers(&mut calls).await?;
    of_own_data(&mut calls).await?;
    of_runes(&mut calls).await?;
    of_books(&mut calls).await?;
    let known = calls.rpc.call_raw::<Value, _>("help", &json!({})).await?;
    let known = known["help"].as_array().into_iter().flatten();
    let names = known.filter_map(|row| row["command"].as_str()?.split(' ').next());
    let elsewhere = |name: &&str| WITHOUT_TYPES.contains(name) || ELSEWHERE.contains(name);
    let missing: Vec<_> =
        names.filter(|name| !calls.called.contains(*name) && !elsewhere(name)).collect();
    ensure!(missing.is_empty(), "not called: {missing:?}");
    Ok(())
}

async fn of_the_node(calls: &mut Calls, doors: &Doors) -> Result<()> {
    let bob = doors.bob.id();
    calls.call("getinfo", json!({})).await?;
    calls.list("help", json!({"command": "invoice"}), "help").await?;
    calls.call("listconfigs", json!({})).await?;
    calls.list("listpeers", json!({"id": bob}), "peers").await?;
    let channels = calls.list("listpeerchannels", json!({"id": bob}), "channels").await?;
    let id = &channels["channels"][0]["channel_id"];
    calls.list("setchannel", json!({"id": id, "feeppm": 10}), "channels").await?;
    calls.list("listfunds", json!({}), "outputs").await?;
    calls.list("listtransactions", json!({}), "transactions").await?;
    calls.call("connect", json!({"id": format!("{bob}@{}", doors.bob.address())})).await?;
    calls.call("newaddr", json!({"addresstype": "bech32"})).await?;
    calls.call("feerates", json!({"style": "perkb"})).await?;
    calls.call("waitblockheight", json!({"blockheight": 1})).await?;
    let route = json!({"id": bob, "amount_msat": "1000msat", "riskfactor": 1});
    calls.list("getroute", route, "route").await?;
    // Nothing is announced between the two, and nothing was closed or forwarded.
    calls.call("listnodes", json!({})).await?;
    calls.call("listchannels", json!({})).await?;
    calls.call("listclosedchannels", json!({})).await?;
    calls.call("listforwards", json!({"status": "settled"})).await?;
    let signed = calls.call("signmessage", json!({"message": "hello"})).await?;
    let check = json!({"message": "hello", "zbase": signed["zbase"]});
    calls.call("checkmessage", check).await?;
    Ok(())
}

async fn of_invoices(calls: &mut Calls, doors: &Doors) -> Result<()> {
    let invoice = |label| json!({"amount_msat": "2000000msat", "label": label, "description": "d"});
    let made = calls.call("invoice", invoice("read strictly")).await?;
    let bolt11 = made["bolt11"].as_str().context("no invoice")?;
    calls.call("decode", json!({"string": bolt11})).await?;
    doors.bob.settled(&doors.bob.send(bolt11).await?).await?;
    calls.call("waitinvoice", json!({"label": "read strictly"})).await?;
    calls.list("listinvoices", json!({"label": "read strictly"}), "invoices").await?;
    calls.call("invoice", invoice("deleted")).await?;
    calls.call("delinvoice", json!({"label": "deleted", "status": "unpaid"})).await?;
    let wait = json!({"subsystem": "invoices", "indexname": "created", "nextvalue": 1});
    calls.call("wait", wait).await?;
    Ok(())
}

async fn of_payments(calls: &mut Calls, doors: &Doors) -> Result<()> {
    for (method, name) in [("pay", "bolt11"), ("xpay", "invstring"), ("renepay", "invstring")] {
        let bolt11 = doors.bob.invoice(2_000_000).await?;
        let mut params = json!({"maxfee": "1000msat"});
        params[name] = json!(bolt11);
        calls.call(method, params).await?;
    }
    for method in ["keysend", "xkeysend"] {
        let params = json!({"destination": doors.bob.id(), "amount_msat": "2000000msat"});
        calls.call(method, params).await?;
    }
    calls.list("listpays", json!({}), "pays").await?;
    calls.list("listsendpays", json!({"status": "complete"}), "payments").await?;
    Ok(())
}

async fn of_offers(calls: &mut Calls) -> Result<()> {
    let offer = json!({"amount": "5000msat", "description": "tea"});
    let made = calls.call("offer", offer).await?;
    calls.call("decode", json!({"string": made["bolt12"]})).await?;
    calls.list("listoffers", json!({}), "offers").await?;
    let refund = json!({"amount": "5000msat", "description": "sorry"});
    let made = calls.call("invoicerequest", refund).await?;
    calls.call("decode", json!({"string": made["bolt12"]})).await?;
    Ok(())
}

async fn of_own_data(calls: &mut Calls) -> Result<()> {
    let key = json!(["strict"]);
    calls.call("datastore", json!({"key": key, "string": "x"})).await?;
    calls.list("listdatastore", json!({"key": key}), "datastore").await?;
    calls.call("deldatastore", json!({"key": key})).await?;
    calls.call("makesecret", json!({"string": "strict"})).await?;
    Ok(())
}

async fn of_runes(calls: &mut Calls) -> Result<()> {
    let made = calls.call("createrune", json!({"restrictions": ["method=getinfo"]})).await?;
    let check = json!({"rune": made["rune"], "method": "getinfo"});
    calls.call("checkrune", check).await?;
    calls.list("showrunes", json!({}), "runes").await?;
    let id: u64 = made["unique_id"].as_str().context("no unique_id")?.parse()?;
    calls.list("blacklistrune", json!({"start": id, "end": id}), "blacklist").await?;
    Ok(())
}

async fn of_books(calls: &mut Calls) -> Result<()> {
    until("the books have what was paid", PATIENCE, async || {
        calls.list("bkpr-listaccountevents", json!({}), "events").await?;
        calls.list("bkpr-listincome", json!({}), "income_events").await
    })
    .await?;
    calls.list("bkpr-listbalances", json!({}), "accounts").await?;
    Ok(())
}
