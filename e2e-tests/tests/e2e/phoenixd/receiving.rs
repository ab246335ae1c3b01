//! Being paid.

use anyhow::{Result, ensure};
use ldk_server_client::api::Bolt12SendRequest;
use serde_json::json;

use super::Pair;
use super::client::{members, text};
use super::socket::{By, Socket};

pub(super) async fn the_node_is_shown(pair: &Pair) -> Result<()> {
    let Pair { alice, phoenix, .. } = pair;
    let info = phoenix.get("/getinfo").await?.json()?;
    assert_eq!((&info["nodeId"], &info["chain"]), (&json!(alice.id()), &json!("regtest")));
    assert_eq!(info["blockHeight"], alice.height().await?);
    ensure!(text(&info, "version")?.starts_with("0.8.0-ldk-server-"), "{info}");
    let channel = &info["channels"][0];
    assert_eq!(
        members(channel),
        ["balanceSat", "capacitySat", "channelId", "fundingTxId", "inboundLiquiditySat", "state"]
    );
    assert_eq!((&channel["state"], &channel["capacitySat"]), (&json!("Normal"), &json!(1_000_000)));
    let balance = phoenix.get("/getbalance").await?.json()?;
    assert_eq!(balance, json!({"balanceSat": channel["balanceSat"], "feeCreditSat": 0}));
    let listed = phoenix.get("/listchannels").await?.json()?;
    assert_eq!(listed, info["channels"]);
    Ok(())
}

pub(super) async fn invoices_are_made_and_shown(pair: &Pair) -> Result<()> {
    let phoenix = &pair.phoenix;
    let form = [
        ("description", "tea & biscuits"),
        ("amountSat", "1500"),
        ("externalId", "order 7"),
        ("expirySeconds", "600"),
    ];
    let made = phoenix.post("/createinvoice", &form).await?.json()?;
    assert_eq!(members(&made), ["amountSat", "paymentHash", "serialized"]);
    let hash = text(&made, "paymentHash")?;
    let row = phoenix.get(&format!("/payments/incoming/{hash}")).await?.json()?;
    for (name, expected) in [
        ("type", json!("incoming_payment")),
        ("subType", json!("lightning")),
        ("paymentHash", made["paymentHash"].clone()),
        ("externalId", json!("order 7")),
        ("description", json!("tea & biscuits")),
        ("invoice", made["serialized"].clone()),
        ("isPaid", json!(false)),
        ("isExpired", json!(false)),
        ("requestedSat", json!(1500)),
        ("receivedSat", json!(0)),
        ("fees", json!(0)),
    ] {
        assert_eq!(row[name], expected, "{name} in {row}");
    }
    ensure!(row["preimage"].is_string() && row["completedAt"].is_null(), "{row}");
    let expires_in = row["expiresAt"].as_u64().zip(row["createdAt"].as_u64());
    ensure!(expires_in.is_some_and(|(at, from)| at - from == 600_000), "{row}");

    let hash = "ab".repeat(32);
    let form = [("descriptionHash", hash.as_str())];
    let hashed = phoenix.post("/createinvoice", &form).await?.json()?;
    ensure!(hashed["amountSat"].is_null(), "{hashed}");
    let invoice = [("invoice", text(&hashed, "serialized")?)];
    let decoded = phoenix.post("/decodeinvoice", &invoice).await?.json()?;
    assert_eq!((&decoded["descriptionHash"], &decoded["chain"]), (&json!(hash), &json!("regtest")));
    assert_eq!(decoded["paymentHash"], hashed["paymentHash"]);

    let all = phoenix.get("/payments/incoming?all=true").await?.json()?;
    ensure!(all.as_array().is_some_and(|rows| rows.len() == 2), "{all}");
    let of_order = phoenix.get("/payments/incoming?all=true&externalId=order+7").await?.json()?;
    assert_eq!(of_order, json!([row]));
    assert_eq!(phoenix.get("/payments/incoming").await?.json()?, json!([]));
    Ok(())
}

pub(super) async fn a_payment_is_told_of(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let limited = phoenix.with(&phoenix.limited);
    let mut sockets =
        [Socket::open(phoenix, By::Login).await?, Socket::open(&limited, By::Protocol).await?];
    let form = [("description", ""), ("externalId", "order 8")];
    let made = phoenix.post("/createinvoice", &form).await?.json()?;
    let request = ldk_server_client::api::Bolt11SendRequest {
        invoice: text(&made, "serialized")?.to_owned(),
        amount_msat: Some(2_000_999),
        ..Default::default()
    };
    bob.settled(&bob.client().bolt11_send(request).await?.payment_id).await?;
    for socket in &mut sockets {
        let told = socket.next().await?;
        assert_eq!(members(&told), ["amountSat", "externalId", "paymentHash", "timestamp", "type"]);
        assert_eq!((&told["type"], &told["amountSat"]), (&json!("payment_received"), &json!(2000)));
        assert_eq!(told["externalId"], "order 8");
        assert_eq!(told["paymentHash"], made["paymentHash"]);
    }
    let listed = phoenix.get("/payments/incoming").await?.json()?;
    let row = &listed[0];
    assert_eq!(row["paymentHash"], made["paymentHash"]);
    assert_eq!((&row["isPaid"], &row["receivedSat"]), (&json!(true), &json!(2000)));
    ensure!(row["completedAt"].is_u64() && row["preimage"].is_string(), "{row}");
    let later = format!("/payments/incoming?from={}", u64::MAX);
    assert_eq!(phoenix.get(&later).await?.json()?, json!([]));
    assert_eq!(phoenix.get("/payments/incoming?offset=1").await?.json()?, json!([]));
    Ok(())
}

pub(super) async fn offers_are_made_and_paid(pair: &Pair) -> Result<()> {
    let Pair { bob, phoenix, .. } = pair;
    let offer = phoenix.get("/getoffer").await?.plain()?;
    assert_eq!(phoenix.get("/getoffer").await?.plain()?, offer, "each time the same");
    let form = [("amountSat", "700"), ("description", "cake")];
    let cake = phoenix.post("/createoffer", &form).await?.plain()?;
    let decoded = phoenix.post("/decodeoffer", &[("offer", &cake)]).await?.json()?;
    assert_eq!((&decoded["amount"], &decoded["description"]), (&json!(700_000), &json!("cake")));

    let mut socket = Socket::open(phoenix, By::Login).await?;
    let request = Bolt12SendRequest {
        offer,
        amount_msat: Some(300_000),
        payer_note: Some("for you".to_owned()),
        ..Default::default()
    };
    bob.settled(&bob.client().bolt12_send(request).await?.payment_id).await?;
    let told = socket.next().await?;
    assert_eq!((&told["amountSat"], &told["payerNote"]), (&json!(300), &json!("for you")));
    let path = format!("/payments/incoming/{}", text(&told, "paymentHash")?);
    let row = phoenix.get(&path).await?.json()?;
    assert_eq!((&row["payerNote"], &row["receivedSat"]), (&json!("for you"), &json!(300)));
    ensure!(row["invoice"].is_null() && row["isPaid"] == true, "{row}");
    Ok(())
}
