//! Runes at the socket.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::client::Pyln;

pub(super) async fn runes_are_made_shown_and_revoked(pyln: &Pyln) -> Result<()> {
    let arguments = json!({"restrictions": [["method=invoice"], ["method=listinvoices"]]});
    let made = pyln.result("createrune", arguments).await?;
    let rune = made["rune"].as_str().context("no rune")?;
    let shown = pyln.result("showrunes", json!({"rune": rune})).await?;
    let row = &shown["runes"][0];
    let english = "method equal to invoice AND method equal to listinvoices";
    assert_eq!((&row["rune"], &row["restrictions_as_english"]), (&made["rune"], &json!(english)));
    let check = json!({"rune": rune, "method": "invoice"});
    let refused = pyln.error("checkrune", check).await?;
    let reason = "Not permitted: method is not equal to listinvoices";
    assert_eq!(refused, (1502, reason.to_owned()));
    let narrower = json!({"rune": rune, "restrictions": ["time<1"]});
    let narrower = pyln.result("createrune", narrower).await?;
    let shown = pyln.result("showrunes", json!({"rune": narrower["rune"]})).await?;
    assert_eq!(shown["runes"][0]["stored"], false);

    let read_only = pyln.result("createrune", json!({"restrictions": "readonly"})).await?;
    let check = json!({"rune": read_only["rune"], "method": "listfunds", "params": {}});
    assert_eq!(pyln.result("checkrune", check.clone()).await?, json!({"valid": true}));
    let id: u64 = read_only["unique_id"].as_str().context("no id")?.parse()?;
    let revoked = pyln.result("blacklistrune", json!({"start": id})).await?;
    assert_eq!(revoked, json!({"blacklist": [{"start": id, "end": id}]}));
    assert_eq!(pyln.error("checkrune", check).await?.0, 1503);
    let garbage = pyln.error("checkrune", json!({"rune": "garbage"})).await?;
    let reason = "rune: should be base64 string: invalid token '\"garbage\"'";
    assert_eq!(garbage, (-32602, reason.to_owned()));
    Ok(())
}
