//! What a client of Core Lightning does: is paid, pays, and looks around.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::Node;
use serde_json::{Value, json};

use super::client::{Pyln, Raw};

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

pub(super) async fn the_node_is_described(pyln: &Pyln, alice: &Node, bob: &Node) -> Result<()> {
    let info = pyln.result("getinfo", json!({})).await?;
    assert_eq!((&info["id"], &info["network"]), (&json!(alice.id()), &json!("regtest")));
    assert_eq!((&info["num_peers"], &info["num_active_channels"]), (&json!(1), &json!(1)));
    let channels = pyln.result("listpeerchannels", json!({})).await?;
    let channel = &channels["channels"][0];
    assert_eq!(
        (&channel["peer_id"], &channel["state"]),
        (&json!(bob.id()), &json!("CHANNELD_NORMAL"))
    );
    ensure!(channel["peer_connected"] == true && channel["short_channel_id"].is_string());
    let help = pyln.result("help", json!({"command": "invoice"})).await?;
    ensure!(text(&help["help"][0], "command")?.contains("deschashonly"), "{help}");
    let address = pyln.result("newaddr", json!({})).await?;
    ensure!(text(&address, "bech32")?.starts_with("bcrt1q"));
    Ok(())
}

pub(super) async fn an_invoice_is_paid_and_told_of(pyln: &Pyln, bob: &Node) -> Result<()> {
    let arguments = json!({"amount_msat": "2000sat", "label": "till 1", "description": "coffee"});
    let made = pyln.result("invoice", arguments).await?;
    let bolt11 = text(&made, "bolt11")?;
    let decoded = pyln.result("decode", json!({"string": bolt11})).await?;
    assert_eq!(
        (&decoded["amount_msat"], &decoded["description"]),
        (&json!(2_000_000), &json!("coffee"))
    );
    assert_eq!(decoded["payment_hash"], made["payment_hash"]);
    let listed = pyln.result("listinvoices", json!({"label": "till 1"})).await?;
    assert_eq!(listed["invoices"][0]["status"], "unpaid");

    // Which payment comes next is told even to one who names a number that is far away.
    let mut waiting = Raw::connect(pyln.socket()).await?;
    waiting.send(br#"{"id":1,"method":"waitanyinvoice","params":[99999999999]}"#).await?;
    waiting.send(br#"{"id":2,"method":"getinfo","params":[]}"#).await?;
    assert_eq!(waiting.next().await?["id"], 2);
    let paying = async {
        let payment = bob.send(bolt11).await?;
        bob.settled(&payment).await
    };
    let first = pyln.result("waitinvoice", json!({"label": "till 1"}));
    let (told, paid) = tokio::try_join!(first, paying)?;
    assert_eq!(waiting.next().await?["result"], told);
    assert_eq!((&told["status"], &told["label"]), (&json!("paid"), &json!("till 1")));
    assert_eq!(told["amount_received_msat"], 2_000_000);
    let next = pyln.result("waitanyinvoice", json!({"lastpay_index": 0})).await?;
    assert_eq!(next, told);
    let rows = pyln.result("listinvoices", json!({})).await?;
    assert_eq!(rows["invoices"], json!([told]));
    ensure!(paid.amount_msat == Some(2_000_000), "{paid:?}");
    Ok(())
}

pub(super) async fn invoices_are_refused_in_core_lightnings_words(pyln: &Pyln) -> Result<()> {
    let invoice =
        |amount: Value, label| json!({"amount_msat": amount, "label": label, "description": "d"});
    let refused = pyln.error("invoice", invoice(json!(1000), "till 1")).await?;
    assert_eq!(refused, (900, "Duplicate label 'till 1'".to_owned()));
    let refused = pyln.error("invoice", invoice(json!("abc"), "x")).await?;
    let expected = "amount_msat: should be positive msat or 'any': invalid token '\"abc\"'";
    assert_eq!(refused, (-32602, expected.to_owned()));
    let refused = pyln.error("waitinvoice", json!({"label": "nosuch"})).await?;
    assert_eq!(refused, (-1, "Label not found".to_owned()));
    let arguments = json!({"lastpay_index": 1_000_000_000, "timeout": 1});
    let refused = pyln.error("waitanyinvoice", arguments).await?;
    assert_eq!(refused, (904, "Timed out while waiting for invoice to be paid".to_owned()));
    let none = pyln.result("listinvoices", json!({"payment_hash": "00".repeat(32)})).await?;
    assert_eq!(none, json!({"invoices": []}));
    let arguments = json!({"payment_hash": "00".repeat(32), "label": "x"});
    assert_eq!(pyln.error("listinvoices", arguments).await?.0, -32602);
    Ok(())
}

pub(super) async fn invoices_are_deleted(pyln: &Pyln) -> Result<()> {
    let preimage = "47878cb508ec8567a48906739c093a0bd9e1688573bc6cd7a2e1f40ed30b21b9";
    let with_preimage = |label| json!({"amount_msat": "any", "label": label, "description": "", "preimage": preimage});
    let made = pyln.result("invoice", with_preimage("gone")).await?;
    assert_eq!(
        made["payment_hash"],
        "4eee50da763d954537531b2c414787bf030a569b8d5cdc20d30ddd8ec1885c1a"
    );
    let refused = pyln.error("invoice", with_preimage("again")).await?;
    assert_eq!(refused, (901, "preimage already used".to_owned()));
    let delete = |label, status| json!({"label": label, "status": status});
    let refused = pyln.error("delinvoice", delete("gone", "paid")).await?;
    assert_eq!(refused, (906, "Invoice status is unpaid not paid".to_owned()));
    let row = pyln.result("delinvoice", delete("gone", "unpaid")).await?;
    assert_eq!((&row["label"], &row["status"]), (&json!("gone"), &json!("unpaid")));
    let refused = pyln.error("delinvoice", delete("gone", "unpaid")).await?;
    assert_eq!(refused, (905, "Unknown invoice".to_owned()));
    Ok(())
}

pub(super) async fn an_invoice_of_another_is_paid(pyln: &Pyln, bob: &Node) -> Result<()> {
    let bolt11 = bob.invoice(1_500_000).await?;
    let paid = pyln.result("pay", json!({"bolt11": bolt11, "retry_for": 30})).await?;
    assert_eq!((&paid["status"], &paid["amount_msat"]), (&json!("complete"), &json!(1_500_000)));
    assert_eq!(paid["destination"], bob.id());
    assert_eq!(pyln.result("pay", json!({"bolt11": bolt11})).await?, paid);
    let again =
        pyln.error("call", json!({"method": "xpay", "payload": {"invstring": bolt11}})).await?;
    assert_eq!(again, (219, "Already paid this invoice successfully".to_owned()));
    for filter in [json!({"bolt11": bolt11}), json!({"payment_hash": paid["payment_hash"]})] {
        let listed = pyln.result("listpays", filter).await?;
        let row = &listed["pays"][0];
        assert_eq!(row["preimage"], paid["payment_preimage"], "{listed}");
        assert_eq!(
            (&row["status"], &row["amount_sent_msat"]),
            (&json!("complete"), &paid["amount_sent_msat"])
        );
    }
    let arguments = json!({"method": "xpay", "payload": {"invstring": bob.invoice(1_000).await?}});
    let paid = pyln.call("call", arguments).await?;
    ensure!(paid["result"]["successful_parts"] == 1, "{paid}");
    Ok(())
}

pub(super) async fn payments_fail_with_their_numbers(pyln: &Pyln, alice: &Node) -> Result<()> {
    let pay = async |bolt11: String| pyln.error("pay", json!({"bolt11": bolt11})).await;
    assert_eq!(pay("garbage".to_owned()).await?.0, -32602);
    // One of its own, to which no route leads.
    let own = pay(alice.invoice(1_000).await?).await?;
    assert_eq!(own.0, 205, "{own:?}");
    let none = pyln.result("listpays", json!({"payment_hash": "00".repeat(32)})).await?;
    assert_eq!(none, json!({"pays": []}));
    Ok(())
}

pub(super) async fn messages_are_signed_and_checked(
    pyln: &Pyln,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let signed = pyln.result("signmessage", json!({"message": "hello"})).await?;
    let check = |message, pubkey: Option<&str>| {
        let mut arguments = json!({"message": message, "zbase": signed["zbase"]});
        if let Some(pubkey) = pubkey {
            arguments["pubkey"] = json!(pubkey);
        }
        arguments
    };
    let checked = pyln.result("checkmessage", check("hello", None)).await?;
    assert_eq!(checked, json!({"pubkey": alice.id(), "verified": true}));
    let checked = pyln.result("checkmessage", check("hello", Some(bob.id()))).await?;
    assert_eq!(checked["verified"], false);
    assert_eq!(pyln.error("checkmessage", check("hello2", None)).await?.0, 1301);
    Ok(())
}

pub(super) async fn peers_are_connected(pyln: &Pyln, bob: &Node) -> Result<()> {
    let address = bob.address();
    let (host, port) = address.rsplit_once(':').context("no port")?;
    let port: u16 = port.parse()?;
    let connected =
        pyln.result("connect", json!({"peer_id": bob.id(), "host": host, "port": port})).await?;
    assert_eq!((&connected["id"], &connected["address"]["port"]), (&json!(bob.id()), &json!(port)));
    let nobody = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assert_eq!(pyln.error("connect", json!({"peer_id": nobody})).await?.0, 400);
    let nowhere = json!({"peer_id": nobody, "host": "127.0.0.1", "port": 1});
    let refused = pyln.error("connect", nowhere).await?;
    assert_eq!(refused.0, 401, "{refused:?}");
    Ok(())
}
