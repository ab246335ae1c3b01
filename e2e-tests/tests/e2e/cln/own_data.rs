//! What the server keeps for clients of Core Lightning: values under keys, secrets, numbers of invoices.

use anyhow::{Result, ensure};
use e2e_tests::Node;
use serde_json::json;

use super::client::{Pyln, Raw};
use super::sending::text;

pub(super) async fn values_are_kept_as_core_lightning_keeps_them(pyln: &Pyln) -> Result<()> {
    let made = pyln.result("datastore", json!({"key": ["app", "a"], "string": "one"})).await?;
    let expected = json!({"key": ["app", "a"], "generation": 0, "hex": "6f6e65", "string": "one"});
    assert_eq!(made, expected);
    let put = |key, mode| json!({"key": key, "hex": "ff", "mode": mode});
    for (arguments, code) in [
        (put(json!(["app", "a"]), "must-create"), 1202),
        (put(json!(["app", "b"]), "must-replace"), 1203),
        (put(json!("app"), "must-create"), 1205),
        (put(json!(["app", "a", "b"]), "must-create"), 1206),
        (put(json!([]), "must-create"), -32602),
    ] {
        assert_eq!(pyln.error("datastore", arguments.clone()).await?.0, code, "{arguments}");
    }
    let wrong =
        json!({"key": ["app", "a"], "string": "x", "mode": "must-replace", "generation": 5});
    assert_eq!(pyln.error("datastore", wrong).await?.0, 1204);
    let appended = pyln.result("datastore", put(json!(["app", "a"]), "must-append")).await?;
    assert_eq!(appended, json!({"key": ["app", "a"], "generation": 1, "hex": "6f6e65ff"}));
    pyln.result("datastore", json!({"key": ["app", "b", "c"], "string": "two"})).await?;
    let listed = pyln.result("listdatastore", json!({"key": "app"})).await?;
    assert_eq!(listed, json!({"datastore": [appended, {"key": ["app", "b"]}]}));
    let roots = pyln.result("listdatastore", json!({})).await?;
    assert_eq!(roots, json!({"datastore": [{"key": ["app"]}]}));
    let delete = |generation| json!({"key": ["app", "a"], "generation": generation});
    assert_eq!(pyln.error("deldatastore", delete(0)).await?.0, 1201);
    assert_eq!(pyln.result("deldatastore", delete(1)).await?, appended);
    assert_eq!(pyln.error("deldatastore", delete(1)).await?.0, 1200);
    Ok(())
}

/// Values and secrets are the same after a restart.
pub(super) async fn they_are_there_after_a_restart(pyln: &Pyln, alice: &Node) -> Result<()> {
    let secret = pyln.result("makesecret", json!({"string": "app"})).await?;
    assert_eq!(pyln.result("makesecret", json!({"hex": "617070"})).await?, secret);
    assert_eq!(text(&secret, "secret")?.len(), 64);
    ensure!(pyln.result("makesecret", json!({"string": "other"})).await? != secret);
    let key = json!({"key": ["app", "b", "c"]});
    let kept = pyln.result("listdatastore", key.clone()).await?;
    alice.stop().await?;
    alice.start_again().await?;
    assert_eq!(pyln.result("makesecret", json!({"string": "app"})).await?, secret);
    assert_eq!(pyln.result("listdatastore", key).await?, kept);
    let is_logged = alice.log().text().contains(text(&secret, "secret")?);
    ensure!(!is_logged, "the secret is in the log");
    Ok(())
}

pub(super) async fn who_waits_for_a_number_is_told(pyln: &Pyln, bob: &Node) -> Result<()> {
    let wait =
        |index, next| json!({"subsystem": "invoices", "indexname": index, "nextvalue": next});
    let created = pyln.result("wait", wait("created", 0)).await?["created"].as_u64();
    let updated = pyln.result("wait", wait("updated", 0)).await?["updated"].as_u64();
    let (created, updated) = (created.unwrap_or_default() + 1, updated.unwrap_or_default() + 1);
    let mut waiting = Raw::connect(pyln.socket()).await?;
    for (id, arguments) in [(1, wait("created", created)), (2, wait("updated", updated))] {
        let request = json!({"id": id, "method": "wait", "params": arguments});
        waiting.send(request.to_string().as_bytes()).await?;
    }
    let arguments = json!({"amount_msat": 9_000, "label": "awaited", "description": "d"});
    let made = pyln.result("invoice", arguments).await?;
    let told = waiting.next().await?;
    assert_eq!((&told["id"], &told["result"]["created"]), (&json!(1), &json!(created)));
    assert_eq!(told["result"]["invoices"]["label"], "awaited", "{told}");
    bob.settled(&bob.send(text(&made, "bolt11")?).await?).await?;
    let told = waiting.next().await?;
    assert_eq!((&told["id"], &told["result"]["updated"]), (&json!(2), &json!(updated)));
    assert_eq!(told["result"]["invoices"]["status"], "paid", "{told}");
    assert_eq!(pyln.error("wait", wait("deleted", 0)).await?.0, -32602);
    let forwards = json!({"subsystem": "forwards", "indexname": "created", "nextvalue": 0});
    let none = json!({"subsystem": "forwards", "created": 0});
    assert_eq!(pyln.result("wait", forwards).await?, none);
    Ok(())
}

pub(super) async fn old_invoices_are_cleaned(pyln: &Pyln) -> Result<()> {
    let arguments = json!({"amount_msat": 1, "label": "short", "description": "", "expiry": 1});
    pyln.result("invoice", arguments).await?;
    // It cannot be paid, and waiting for it ends as soon as it has expired.
    assert_eq!(pyln.error("waitinvoice", json!({"label": "short"})).await?.0, 903);
    let young = json!({"subsystem": "expiredinvoices", "age": 3_600});
    let cleaned = pyln.result("autoclean-once", young).await?;
    let counts = json!({"cleaned": 0, "uncleaned": 1});
    assert_eq!(cleaned, json!({"autoclean": {"expiredinvoices": counts}}));
    assert_eq!(pyln.call("delexpiredinvoice", json!({})).await?["result"], json!({}));
    let listed = pyln.result("listinvoices", json!({"label": "short"})).await?;
    assert_eq!(listed, json!({"invoices": []}));
    let forwards = json!({"subsystem": "failedforwards", "age": 1});
    assert_eq!(pyln.error("autoclean-once", forwards).await?.0, -32602);
    let refused = pyln.error("autoclean-status", json!({})).await?;
    assert!(refused.1.contains("is not possible on this node"), "{refused:?}");
    Ok(())
}
