//! Who may call.

use std::fs;

use anyhow::{Result, ensure};
use e2e_tests::{Node, Port, tls_connect_by};
use http_body_util::Full;
use hyper::Method;
use serde_json::json;

use super::client::{Phoenix, conf_file, exchange};
use super::socket::{By, Socket};
use crate::permissions::rune;

const NO_LOGIN: &str = "Invalid authentication";

pub(super) async fn two_passwords_allow_different_things(phoenix: &Phoenix) -> Result<()> {
    for wrong in ["", "wrong", &phoenix.webhook_secret] {
        let stranger = phoenix.with(wrong);
        stranger.get("/getinfo").await?.is_refusal(401, NO_LOGIN);
        stranger.post("/payinvoice", &[]).await?.is_refusal(401, NO_LOGIN);
        ensure!(Socket::open(&stranger, By::Login).await.is_err());
        ensure!(Socket::open(&phoenix.with("wrong"), By::Protocol).await.is_err());
    }
    let limited = phoenix.with(&phoenix.limited);
    let invoice = [("description", "x"), ("amountSat", "1")];
    let made = limited.post("/createinvoice", &invoice).await?.json()?;
    for path in ["/getinfo", "/getbalance", "/payments/incoming", "/payments/outgoing"] {
        limited.get(path).await?.json()?;
    }
    let invoice = [("invoice", made["serialized"].as_str().unwrap_or_default())];
    limited.post("/decodeinvoice", &invoice).await?.json()?;
    for path in [
        "/payinvoice",
        "/payoffer",
        "/paylnaddress",
        "/lnurlpay",
        "/lnurlauth",
        "/sendtoaddress",
        "/bumpfee",
        "/closechannel",
    ] {
        limited.post(path, &invoice).await?.is_refusal(401, NO_LOGIN);
    }
    Ok(())
}

/// It may be restricted as everywhere else.
pub(super) async fn a_rune_is_a_password(alice: &Node, phoenix: &Phoenix) -> Result<()> {
    let invoices = phoenix.with(&rune(alice, &["group=info|group=read|group=invoice"]).await?);
    invoices.get("/getinfo").await?.json()?;
    let form = [("description", "x"), ("amountSat", "1")];
    let made = invoices.post("/createinvoice", &form).await?.json()?;
    let invoice = [("invoice", made["serialized"].as_str().unwrap_or_default())];
    // No payment of which anything could be under way.
    let refused = invoices.post("/payinvoice", &invoice).await?.json()?;
    let reason = refused["reason"].as_str().unwrap_or_default();
    ensure!(reason.starts_with("rune "), "{refused}");
    ensure!(Socket::open(&invoices, By::Login).await.is_err(), "it does not allow events");
    let nothing = phoenix.with(&rune(alice, &["method=nothing"]).await?);
    nothing.get("/getinfo").await?.is_refusal(401, "rune ");
    let entries = alice.cli(&["list-audit-entries"]).await?;
    let text = entries.to_string();
    ensure!(text.contains("password phoenixd-limited"), "{text}");
    Ok(())
}

pub(super) fn the_file_has_the_passwords(alice: &Node, phoenix: &Phoenix) -> Result<()> {
    let path = conf_file(alice);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    }
    let conf = fs::read_to_string(&path)?;
    assert_eq!(conf.lines().next(), Some(&*format!("http-password={}", phoenix.full)));
    for secret in [&phoenix.full, &phoenix.limited, &phoenix.webhook_secret] {
        ensure!(secret.len() == 64 && !alice.log().text().contains(secret.as_str()));
    }
    Ok(())
}

pub(super) async fn it_is_reached_by_tls(alice: &Node, port: &Port) -> Result<()> {
    let phoenix = Phoenix::new(alice, port)?;
    let stream = tls_connect_by(&port.address(), alice.config()).await?;
    let request = phoenix.request(Method::GET, "/getbalance").body(Full::default())?;
    let balance = exchange(stream, request).await?.json()?;
    assert_eq!(balance, json!({"balanceSat": 0, "feeCreditSat": 0}));
    ensure!(phoenix.get("/getbalance").await.is_err(), "nothing is in clear text");
    Ok(())
}
