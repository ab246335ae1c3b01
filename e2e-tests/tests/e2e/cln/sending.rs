//! What else a client of Core Lightning pays: nodes, offers and refunds; and what it is told of it later.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::Node;
use ldk_server_client::api::Bolt12ReceiveRequest;
use ldk_server_client::events::event_envelope::Event;
use serde_json::{Value, json};

use super::client::{Pyln, Raw};

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

/// What `listpays` has under this hash.
async fn listed(pyln: &Pyln, payment_hash: &Value) -> Result<Value> {
    let mut listed = pyln.result("listpays", json!({"payment_hash": payment_hash})).await?;
    ensure!(listed["pays"].as_array().is_some_and(|pays| pays.len() == 1), "{listed}");
    Ok(listed["pays"][0].take())
}

pub(super) async fn a_node_is_paid_without_an_invoice(pyln: &Pyln, bob: &Node) -> Result<()> {
    let mut receiving = bob.events().await?;
    let arguments = json!({"destination": bob.id(), "amount_msat": "3sat", "label": "tip",
                           "extratlvs": {"133773311": "cafe"}});
    let paid = pyln.result("keysend", arguments).await?;
    assert_eq!((&paid["destination"], &paid["amount_msat"]), (&json!(bob.id()), &json!(3_000)));
    let received = receiving.wait_for("PaymentReceived", |event| match event {
        Event::PaymentReceived(received) => Some(received),
        _ => None,
    });
    let received = received.await?;
    let payment = received.payment.context("no payment")?;
    assert_eq!((&json!(payment.id), payment.amount_msat), (&paid["payment_hash"], Some(3_000)));
    let records: Vec<_> =
        received.custom_records.iter().map(|record| (record.type_num, &*record.value)).collect();
    assert_eq!(records, [(133_773_311, &[0xca, 0xfe][..])]);
    let row = listed(pyln, &paid["payment_hash"]).await?;
    assert_eq!((&row["label"], &row["destination"]), (&json!("tip"), &json!(bob.id())));
    assert_eq!((&row["preimage"], &row["status"]), (&paid["payment_preimage"], &json!("complete")));

    let payload = json!([bob.id(), 1_500, null, "1sat"]);
    let paid = pyln.call("call", json!({"method": "xkeysend", "payload": payload})).await?;
    ensure!(paid["result"]["successful_parts"] == 1, "{paid}");
    assert_eq!(paid["result"]["amount_msat"], 1_500);
    Ok(())
}

pub(super) async fn a_node_that_cannot_be_paid_is_told(pyln: &Pyln, alice: &Node) -> Result<()> {
    let keysend =
        |destination: &str, amount| json!({"destination": destination, "amount_msat": amount});
    let nobody = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let refused = pyln.error("keysend", keysend(nobody, json!(1_000))).await?;
    assert_eq!(refused.0, 205, "{refused:?}");
    let refused = pyln.error("keysend", keysend(alice.id(), json!(1_000))).await?;
    assert_eq!(refused.0, -32602, "{refused:?}");
    assert!(refused.1.starts_with("destination: "), "{refused:?}");
    let refused = pyln.error("keysend", keysend("02", json!(1_000))).await?;
    assert_eq!(refused.0, -32602, "{refused:?}");
    Ok(())
}

pub(super) async fn what_was_said_of_a_payment_is_told_again(
    pyln: &Pyln,
    bob: &Node,
) -> Result<()> {
    let bolt11 = bob.invoice(2_500).await?;
    let arguments = json!({"bolt11": bolt11, "label": "shop 7", "description": "tea",
                           "maxfeepercent": 1.5, "exemptfee": 0, "retry_for": 5});
    let paid = pyln.result("pay", arguments).await?;
    let row = listed(pyln, &paid["payment_hash"]).await?;
    assert_eq!((&row["label"], &row["description"]), (&json!("shop 7"), &json!("tea")));
    assert_eq!((&row["bolt11"], &row["destination"]), (&json!(bolt11), &json!(bob.id())));
    assert_eq!(row["created_at"], paid["created_at"]);
    ensure!(row["completed_at"].as_u64() >= row["created_at"].as_u64(), "{row}");
    let parts = pyln.result("listsendpays", json!({"bolt11": bolt11})).await?;
    assert_eq!(parts["payments"][0]["payment_preimage"], paid["payment_preimage"], "{parts}");
    assert_eq!(parts["payments"][0]["label"], "shop 7");
    let failed = pyln.result("listpays", json!({"bolt11": bolt11, "status": "failed"})).await?;
    assert_eq!(failed, json!({"pays": []}));
    let decoded = pyln.result("decodepay", json!({"bolt11": bolt11})).await?;
    assert_eq!((&decoded["payee"], &decoded["amount_msat"]), (&json!(bob.id()), &json!(2_500)));

    let bolt11 = bob.invoice(3_500).await?;
    let arguments = json!({"invstring": bolt11, "label": 8, "maxfee": 0});
    let paid = pyln.result("renepay", arguments).await?;
    assert_eq!((&paid["bolt11"], &paid["status"]), (&json!(bolt11), &json!("complete")));
    assert_eq!(listed(pyln, &paid["payment_hash"]).await?["label"], "8");
    let second = json!({"limit": 1, "start": row["created_index"]});
    let arguments = json!({"method": "listpays", "payload": second});
    let first = pyln.call("call", arguments).await?;
    assert_eq!(first["result"]["pays"].as_array().map(Vec::len), Some(1), "{first}");
    Ok(())
}

pub(super) async fn an_offer_of_another_is_paid(pyln: &Pyln, bob: &Node) -> Result<()> {
    let request = Bolt12ReceiveRequest {
        description: "coffee".to_owned(),
        amount_msat: Some(4_000),
        ..Default::default()
    };
    let made = bob.client().bolt12_receive(request).await?;
    let told = pyln.call("decode", json!({"string": made.offer})).await?;
    let told = &told["result"];
    assert_eq!((&told["type"], &told["valid"]), (&json!("bolt12 offer"), &json!(true)));
    assert_eq!(
        (&told["offer_id"], &told["offer_amount_msat"]),
        (&json!(made.offer_id), &json!(4_000))
    );
    assert_eq!(told["offer_description"], "coffee");
    let payload = json!({"invstring": made.offer, "payer_note": "thanks", "label": "o"});
    let paid = pyln.call("call", json!({"method": "xpay", "payload": payload})).await?;
    assert_eq!(paid["result"]["amount_msat"], 4_000, "{paid}");
    let rows = pyln.result("listpays", json!({"status": "complete"})).await?;
    let rows = rows["pays"].as_array().context("no rows")?;
    let row = rows.iter().find(|row| row["preimage"] == paid["result"]["payment_preimage"]);
    let row = row.context("not listed")?;
    assert_eq!((&row["bolt12"], &row["label"]), (&json!(made.offer), &json!("o")));
    let open = bob.client().bolt12_receive(Bolt12ReceiveRequest::default()).await?.offer;
    let refused = pyln.error("pay", json!({"bolt11": open})).await?;
    assert_eq!(refused, (-32602, "amount_msat parameter required".to_owned()));
    let paid = pyln.result("pay", json!({"bolt11": open, "amount_msat": "5sat"})).await?;
    assert_eq!((&paid["amount_msat"], &paid["status"]), (&json!(5_000), &json!("complete")));
    Ok(())
}

pub(super) async fn an_offer_is_made_and_paid(pyln: &Pyln, bob: &Node) -> Result<()> {
    let arguments = json!({"amount": "2sat", "description": "tea", "label": "till"});
    let made = pyln.result("offer", arguments).await?;
    let offers = pyln.result("listoffers", json!({})).await?;
    let row = &offers["offers"][0];
    assert_eq!((&row["bolt12"], &row["label"]), (&made["bolt12"], &json!("till")));
    assert_eq!((&row["active"], &row["used"]), (&json!(true), &json!(false)));

    let mut waiting = Raw::connect(pyln.socket()).await?;
    waiting.send(br#"{"id":1,"method":"waitanyinvoice","params":[99999999999]}"#).await?;
    waiting.send(br#"{"id":2,"method":"getinfo","params":[]}"#).await?;
    assert_eq!(waiting.next().await?["id"], 2);
    let sent = bob.cli(&["bolt12-send", text(&made, "bolt12")?]).await?;
    bob.settled(text(&sent, "payment_id")?).await?;
    let told = waiting.next().await?;
    assert_eq!(told["result"]["local_offer_id"], made["offer_id"], "{told}");
    let offers = pyln.result("listoffers", json!({"offer_id": made["offer_id"]})).await?;
    assert_eq!(offers["offers"][0]["used"], true);
    let receipts = pyln.result("listinvoices", json!({"offer_id": made["offer_id"]})).await?;
    assert_eq!(receipts["invoices"][0]["amount_received_msat"], 2_000, "{receipts}");
    Ok(())
}

pub(super) async fn refunds_go_both_ways(pyln: &Pyln, bob: &Node) -> Result<()> {
    let arguments = json!({"amount": "6sat", "description": "sorry", "label": "r"});
    let made = pyln.result("invoicerequest", arguments).await?;
    let told = pyln.call("decode", json!({"string": made["bolt12"]})).await?;
    assert_eq!(told["result"]["type"], "bolt12 invoice_request", "{told}");
    assert_eq!(told["result"]["invreq_payer_note"], "sorry");
    let mut receiving = bob.events().await?;
    let claimed = bob.cli(&["claim-refund", text(&made, "bolt12")?]).await?;
    let received = receiving.payment_received(text(&claimed, "payment_id")?).await?;
    assert_eq!(received.amount_msat, Some(6_000));

    let refund = bob.cli(&["create-refund", "7sat"]).await?;
    let arguments = json!({"invreq": refund["refund"], "label": "claimed"});
    let row = pyln.result("sendinvoice", arguments).await?;
    assert_eq!((&row["status"], &row["amount_received_msat"]), (&json!("paid"), &json!(7_000)));
    let refused = pyln.error("sendinvoice", json!({"invreq": "lnr1", "label": "x"})).await?;
    assert_eq!(refused.0, -32602, "{refused:?}");
    let refused = pyln.error("pay", json!({"bolt11": made["bolt12"]})).await?;
    assert!(refused.1.contains("use sendinvoice"), "{refused:?}");
    Ok(())
}
