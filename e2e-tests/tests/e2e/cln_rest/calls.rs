//! Calls as clients make them.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::Node;
use serde_json::{Value, json};

use super::client::Rest;

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

pub(super) async fn what_is_refused_has_core_lightnings_numbers(rest: &Rest) -> Result<()> {
    let call = |method: &str, params| rest.call(&rest.admin, method, params);
    let with = |rune: &str| rest.call(rune, "getinfo", json!({}));
    let mut strangers = call("getinfo", json!({}));
    strangers["headers"] = json!({});
    let mut by_get = call("getinfo", Value::Null);
    by_get["method"] = json!("GET");
    let mut text = call("getinfo", Value::Null);
    (text["data"], text["headers"]["content-type"]) = (json!("x"), json!("text/plain"));
    let mut half = call("invoice", Value::Null);
    (half["data"], half["headers"]["content-type"]) = (json!("{"), json!("application/json"));
    let invoice = json!({"amount_msat": 1000, "label": "twice", "description": "x"});
    let forged = "PDNTM9QUf0L35r_IjR4aEny7fMYWPF8_pv7Vnze8r1A9MA==";
    let mut elsewhere = call("getinfo", json!({}));
    elsewhere["url"] = json!(format!("{}/v2/getinfo", rest.url));
    let requests = [
        with(&rest.admin),
        strangers,
        with("garbage"),
        with(forged),
        call("nosuch", json!({})),
        elsewhere,
        by_get,
        text,
        half,
        call("invoice", invoice.clone()),
        call("invoice", invoice),
        call("invoice", json!({"amount_msat": 1000})),
        call("waitanyinvoice", json!({"lastpay_index": 1_000_000_000, "timeout": 1})),
        call("fetchinvoice", json!({})),
    ];
    let expected = [
        (201, Value::Null),
        (403, json!(1501)),
        (401, json!(-32602)),
        (401, json!(1501)),
        (404, json!(-32601)),
        (404, json!(-32601)),
        (405, json!(-32601)),
        (406, Value::Null),
        (500, Value::Null),
        (201, Value::Null),
        (500, json!(900)),
        (500, json!(-32602)),
        (500, json!(904)),
        (500, json!(-1)),
    ];
    assert_eq!(rest.codes(&requests).await?, expected);
    Ok(())
}

pub(super) async fn bodies_are_json_forms_or_nothing(rest: &Rest) -> Result<()> {
    let nothing = rest.call(&rest.admin, "getinfo", Value::Null);
    let mut form = rest.call(&rest.admin, "invoice", Value::Null);
    form["data"] = json!({"amount_msat": "1000", "label": "lbl0.1", "description": "a form"});
    let nulls = json!({"amount_msat": 1000, "label": "nulls", "description": "", "expiry": null});
    let nulls = rest.call(&rest.admin, "invoice", nulls);
    let in_order = rest.call(&rest.admin, "listinvoices", json!(["lbl0.1"]));
    let answers = rest.answers(&[nothing, form, nulls, in_order]).await?;
    for answer in &answers {
        assert_eq!((&answer["status"], &answer["type"]), (&json!(201), &json!("application/json")));
    }
    let listed = &answers[3]["body"]["invoices"][0];
    assert_eq!((&listed["amount_msat"], &listed["description"]), (&json!(1000), &json!("a form")));
    assert_eq!(listed["payment_hash"], answers[1]["body"]["payment_hash"]);
    Ok(())
}

pub(super) async fn a_payment_is_waited_for(rest: &Rest, bob: &Node) -> Result<()> {
    let invoice = json!({"amount_msat": "1500sat", "label": "till 1", "description": "tea"});
    let made = rest.result("invoice", invoice).await?;
    // As LNbits and nutshell wait: without end, and for one line.
    let mut waiting = rest.call(&rest.admin, "waitanyinvoice", Value::Null);
    waiting["data"] = json!({"lastpay_index": "0"});
    let paying = async {
        let payment = bob.send(text(&made, "bolt11")?).await?;
        bob.settled(&payment).await
    };
    let waited = [waiting];
    let (told, _) = tokio::try_join!(rest.answers(&waited), paying)?;
    assert_eq!((&told[0]["status"], &told[0]["lines"]), (&json!(201), &json!(1)));
    let row = &told[0]["body"];
    assert_eq!((&row["label"], &row["status"]), (&json!("till 1"), &json!("paid")));
    assert_eq!((&row["pay_index"], &row["amount_received_msat"]), (&json!(1), &json!(1_500_000)));
    assert_eq!(row["payment_hash"], made["payment_hash"]);
    Ok(())
}

pub(super) async fn an_invoice_of_another_is_paid(rest: &Rest, bob: &Node) -> Result<()> {
    let bolt11 = bob.invoice(2_000_000).await?;
    let paid = rest.result("pay", json!({"bolt11": bolt11, "maxfee": 1000})).await?;
    assert_eq!((&paid["status"], &paid["amount_msat"]), (&json!("complete"), &json!(2_000_000)));
    bob.settled(text(&paid, "payment_hash")?).await?;
    let pays = json!({"payment_hash": paid["payment_hash"]});
    let listed = rest.result("listpays", pays).await?;
    assert_eq!(listed["pays"][0]["preimage"], paid["payment_preimage"]);
    Ok(())
}

pub(super) async fn the_methods_are_listed(rest: &Rest) -> Result<()> {
    let get = |path: &str| json!({"method": "GET", "url": format!("{}{path}", rest.url)});
    let answers = rest.answers(&[get("/v1/list-methods"), get("/swagger.json"), get("/")]).await?;
    let list = answers[0]["body"].as_str().context("no text")?;
    ensure!(list.starts_with("Command: ") && list.contains("Command: getinfo\n"), "{list}");
    ensure!(answers[1]["body"]["paths"]["/v1/invoice"]["post"].is_object());
    assert_eq!(answers[2]["status"], 308);
    Ok(())
}

/// Neither answers at the address of the other.
pub(super) async fn the_nodes_own_api_is_where_it_was(rest: &Rest, alice: &Node) -> Result<()> {
    let own = alice.config().grpc.address();
    let port = own.rsplit(':').next().unwrap_or_default();
    let at = |url: String| json!({"method": "POST", "url": url, "headers": {"rune": rest.admin}, "json": {}});
    let requests = [
        at(format!("https://localhost:{port}/v1/get-node-info")),
        at(format!("https://localhost:{port}/v1/getinfo")),
        at(format!("{}/v1/get-node-info", rest.url)),
    ];
    let answers = rest.answers(&requests).await?;
    assert_eq!(answers[0]["body"]["node_id"], alice.id());
    ensure!(answers[1]["status"] != 201 && answers[1]["body"]["id"].is_null(), "{}", answers[1]);
    assert_eq!(answers[2]["body"]["code"], -32601);
    Ok(())
}
