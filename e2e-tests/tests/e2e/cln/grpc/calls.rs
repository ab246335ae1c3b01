//! What a client does: is paid, pays, and looks around.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::Node;
use serde_json::{Value, json};

use super::client::{Grpc, bytes, hex};

const PREIMAGE: &str = "47878cb508ec8567a48906739c093a0bd9e1688573bc6cd7a2e1f40ed30b21b9";
const HASH: &str = "4eee50da763d954537531b2c414787bf030a569b8d5cdc20d30ddd8ec1885c1a";

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

pub(super) async fn the_tutorial_runs_as_written(grpc: &Grpc, alice: &Node) -> Result<()> {
    let printed = grpc.tutorial().await?;
    ensure!(printed.contains("alias: \"alice\"") && printed.contains("v26.06"), "{printed}");
    ensure!(printed.contains(&alice.config().storage_dir.display().to_string()), "{printed}");
    Ok(())
}

pub(super) async fn the_node_is_described(grpc: &Grpc, alice: &Node, bob: &Node) -> Result<()> {
    let info = grpc.pyln("Getinfo", json!({})).await?;
    assert_eq!(hex(&info["id"])?, alice.id());
    assert_eq!((&info["network"], &info["num_active_channels"]), (&json!("regtest"), &json!(1)));
    let answer = grpc.own("ListPeerChannels", json!({})).await?;
    let channel = &answer["channels"][0];
    assert_eq!(hex(&channel["peer_id"])?, bob.id());
    assert_eq!(
        (&channel["state"], &channel["peer_connected"]),
        (&json!("ChanneldNormal"), &json!(true))
    );
    let answer = grpc.own("ListPeerChannels", json!({"id": bytes(bob.id())?})).await?;
    assert_eq!(answer["channels"], json!([channel]));
    let answer = grpc.own("ListPeerChannels", json!({"id": bytes(alice.id())?})).await?;
    assert_eq!(answer, json!({}));
    let address = grpc.pyln("NewAddr", json!({"addresstype": "BECH32"})).await?;
    ensure!(text(&address, "bech32")?.starts_with("bcrt1q"), "{address}");
    let connected =
        grpc.pyln("ConnectPeer", json!({"id": format!("{}@{}", bob.id(), bob.address())}));
    let connected = connected.await?;
    assert_eq!(
        (hex(&connected["id"])?.as_str(), &connected["direction"]),
        (bob.id(), &json!("OUT"))
    );
    Ok(())
}

pub(super) async fn an_invoice_is_paid_and_told_of(grpc: &Grpc, bob: &Node) -> Result<()> {
    let request = json!({
        "amount_msat": {"amount": {"msat": 2_000_000}},
        "label": "till 1",
        "description": "coffee",
        "preimage": bytes(PREIMAGE)?,
        "expiry": 3600,
    });
    let made = grpc.pyln("Invoice", request.clone()).await?;
    assert_eq!(hex(&made["payment_hash"])?, HASH);
    let (code, details) = grpc.error("Invoice", request).await?;
    let expected = "Error calling method Invoice: RpcError { code: Some(900), message: \"Duplicate label \
                    'till 1'\", data: None }";
    assert_eq!((code.as_str(), details.as_str()), ("UNKNOWN", expected));
    let bolt11 = text(&made, "bolt11")?;
    let decoded = grpc.own("Decode", json!({"string": bolt11})).await?;
    assert_eq!(
        (&decoded["item_type"], &decoded["valid"]),
        (&json!("BOLT11_INVOICE"), &json!(true))
    );
    assert_eq!(decoded["amount_msat"], json!({"msat": "2000000"}));
    let listed = grpc.pyln("ListInvoices", json!({"payment_hash": bytes(HASH)?})).await?;
    // What is unpaid has the number that is not sent.
    assert_eq!(listed["invoices"][0].get("status"), None, "{listed}");

    let paying = async {
        let payment = bob.send(bolt11).await?;
        bob.settled(&payment).await
    };
    let waiting = grpc.pyln("WaitInvoice", json!({"label": "till 1"}));
    let (told, paid) = tokio::try_join!(waiting, paying)?;
    assert_eq!(paid.amount_msat, Some(2_000_000));
    assert_eq!(hex(&told["payment_preimage"])?, PREIMAGE);
    assert_eq!(told["amount_received_msat"], json!({"msat": "2000000"}));
    let next = grpc.pyln("WaitAnyInvoice", json!({"lastpay_index": 0})).await?;
    assert_eq!(next, told);
    let request = json!({"label": "till 1", "status": "UNPAID"});
    let (_, details) = grpc.error("DelInvoice", request).await?;
    ensure!(
        details.contains("code: Some(906)") && details.contains("data: Some(Object {"),
        "{details}"
    );
    let any = json!({"amount_msat": {"any": true}, "label": "any", "description": ""});
    grpc.pyln("Invoice", any).await?;
    let gone = grpc.pyln("DelInvoice", json!({"label": "any", "status": "UNPAID"})).await?;
    assert_eq!((&gone["label"], &gone["status"]), (&json!("any"), &json!("UNPAID")));
    Ok(())
}

pub(super) async fn an_invoice_of_another_is_paid(grpc: &Grpc, bob: &Node) -> Result<()> {
    let bolt11 = bob.invoice(1_500_000).await?;
    let paid = grpc.pyln("Pay", json!({"bolt11": bolt11, "retry_for": 30})).await?;
    assert_eq!(paid["amount_msat"], json!({"msat": "1500000"}));
    assert_eq!(hex(&paid["destination"])?, bob.id());
    let listed = grpc.pyln("ListPays", json!({"payment_hash": paid["payment_hash"]})).await?;
    assert_eq!(listed["pays"][0]["preimage"], paid["payment_preimage"], "{listed}");
    let bolt11 = bob.invoice(1_000).await?;
    let request = json!({"invstring": bolt11, "maxfee": {"msat": 5_000}});
    let paid = grpc.own("Xpay", request.clone()).await?;
    assert_eq!(paid["amount_sent_msat"], json!({"msat": "1000"}), "{paid}");
    let expected = "Error calling method Xpay: RpcError { code: Some(219), message: \"Already paid this \
                    invoice successfully\", data: None }";
    assert_eq!(grpc.error("Xpay", request).await?, ("UNKNOWN".to_owned(), expected.to_owned()));
    Ok(())
}

pub(super) async fn failures_have_core_lightnings_words(grpc: &Grpc) -> Result<()> {
    let failure = async |call, request| -> Result<String> {
        let (code, details) = grpc.error(call, request).await?;
        ensure!(code == "UNKNOWN", "{code}: {details}");
        Ok(details)
    };
    let details = failure("Xpay", json!({"invstring": "garbage"})).await?;
    ensure!(
        details.starts_with("Error calling method Xpay: RpcError { code: Some(-32602), "),
        "{details}"
    );
    let request = json!({"lastpay_index": 1_000_000_000, "timeout": 1});
    let expected = "Error calling method WaitAnyInvoice: RpcError { code: Some(904), message: \"Timed out \
                    while waiting for invoice to be paid\", data: None }";
    assert_eq!(failure("WaitAnyInvoice", request).await?, expected);
    let nobody = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let details = failure("ConnectPeer", json!({"id": nobody})).await?;
    ensure!(details.contains("code: Some(400)"), "{details}");
    // What the node library makes impossible says so.
    let details = failure("FetchInvoice", json!({"offer": "lno1"})).await?;
    ensure!(details.contains("Some(-1)") && details.contains("Bolt12Send"), "{details}");
    let details = failure("Invoice", json!({"amount_msat": {}, "label": "x"})).await?;
    ensure!(details.contains("Some(-32602)") && details.contains("amount_msat"), "{details}");
    Ok(())
}

pub(super) async fn messages_are_signed_and_checked(grpc: &Grpc, bob: &Node) -> Result<()> {
    let signed = grpc.pyln("SignMessage", json!({"message": "hello"})).await?;
    let mut check = json!({"message": "hello", "zbase": signed["zbase"]});
    let checked = grpc.pyln("CheckMessage", check.clone()).await?;
    assert_eq!(checked["verified"], true, "{checked}");
    check["pubkey"] = json!(bytes(bob.id())?);
    let checked = grpc.pyln("CheckMessage", check).await?;
    assert_eq!(checked.get("verified"), None, "{checked}");
    Ok(())
}

pub(super) async fn the_audit_names_the_certificate(alice: &Node) -> Result<()> {
    let arguments = ["list-audit-entries", "--caller", "certificate client"];
    let listed = alice.cli(&arguments).await?.to_string();
    for method in ["Bolt11Send", "Bolt11Receive"] {
        ensure!(listed.contains(method), "{method} is not in {listed}");
    }
    Ok(())
}
