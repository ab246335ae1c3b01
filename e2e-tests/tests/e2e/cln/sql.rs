//! Queries over what the list methods answer.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::client::{Pyln, Raw};

const PATIENCE: Duration = Duration::from_secs(60);

async fn rows(pyln: &Pyln, query: &str) -> Result<Value> {
    let mut answer = pyln.result("sql", json!({"query": query})).await?;
    ensure!(answer.get("warning_db_failure").is_none(), "{answer}");
    Ok(answer["rows"].take())
}

/// The columns of the rows of a list method, as rows of a query.
async fn listed(pyln: &Pyln, method: &str, member: &str, names: &[&str]) -> Result<Value> {
    let answer = pyln.result(method, json!({})).await?;
    let items = answer[member].as_array().with_context(|| format!("{method}: {answer}"))?;
    let row = |item: &Value| names.iter().map(|name| item[name].clone()).collect::<Vec<_>>();
    Ok(items.iter().map(row).collect())
}

/// After some payments.
pub(super) async fn tables_have_what_the_lists_tell(pyln: &Pyln) -> Result<()> {
    let columns = ["label", "payment_hash", "status", "amount_msat", "pay_index"];
    let invoices = listed(pyln, "listinvoices", "invoices", &columns).await?;
    let query = format!("SELECT {} FROM invoices ORDER BY created_index", columns.join(", "));
    assert_eq!(rows(pyln, &query).await?, invoices);
    let count = invoices.as_array().map_or(0, Vec::len);
    assert_eq!(rows(pyln, "select count(*) from invoices").await?, json!([[count]]));
    ensure!(count > 0, "there are no invoices");

    let columns = ["payment_hash", "status", "amount_sent_msat", "payment_preimage"];
    let payments = listed(pyln, "listsendpays", "payments", &columns).await?;
    let query = format!("SELECT {} FROM sendpays", columns.join(", "));
    assert_eq!(rows(pyln, &query).await?, payments);
    ensure!(payments[0][3].is_string(), "{payments}");

    let columns = ["peer_id", "channel_id", "short_channel_id", "state", "total_msat"];
    let channels = listed(pyln, "listpeerchannels", "channels", &columns).await?;
    let query = format!("SELECT {} FROM peerchannels", columns.join(", "));
    assert_eq!(rows(pyln, &query).await?, channels);
    let texts = "SELECT p.peer_id, s.status FROM peerchannels p INNER JOIN peerchannels_status s ON \
                 s.row = p.rowid";
    let told = rows(pyln, texts).await?;
    assert_eq!(told[0][0], channels[0][0], "{told}");
    Ok(())
}

pub(super) async fn every_table_can_be_read(pyln: &Pyln) -> Result<()> {
    let described = pyln.result("listsqlschemas", json!({})).await?;
    let schemas = described["schemas"].as_array().context("no schemas")?;
    ensure!(schemas.len() > 20, "{described}");
    for schema in schemas {
        let name = schema["tablename"].as_str().context("no name")?;
        let columns = schema["columns"].as_array().map_or(0, Vec::len);
        for row in
            rows(pyln, &format!("SELECT * FROM {name}")).await?.as_array().into_iter().flatten()
        {
            assert_eq!(row.as_array().map(Vec::len), Some(columns), "{name}");
        }
    }
    Ok(())
}

pub(super) async fn nothing_is_written(pyln: &Pyln) -> Result<()> {
    for query in ["DELETE FROM invoices", "PRAGMA page_size", "SELECT * FROM sqlite_master"] {
        let (code, reason) = pyln.error("sql", json!({"query": query})).await?;
        ensure!(code == -1 && reason.starts_with("query failed with "), "{query}: {reason}");
    }
    let unknown = pyln.error("listsqlschemas", json!({"table": "nosuch"})).await?;
    assert_eq!(unknown.0, -32602);
    Ok(())
}

/// Those that would not end are interrupted, and nobody else waits for them.
pub(super) async fn endless_queries_hold_up_nobody(pyln: &Pyln) -> Result<()> {
    let values = vec!["(1)"; 400].join(",");
    let table = format!("(SELECT column1 FROM (VALUES {values}))");
    let query = format!("SELECT count(*) FROM {table} a, {table} b, {table} c, {table} d");
    let request = |id: u32, method: &str, params: Value| {
        json!({"id": id, "method": method, "params": params}).to_string().into_bytes()
    };
    let (mut busy, mut other) =
        (Raw::connect(pyln.socket()).await?, Raw::connect(pyln.socket()).await?);
    for id in 0..4 {
        busy.send(&request(id, "sql", json!([query]))).await?;
    }
    // Whoever leaves takes no place.
    let mut gone = Raw::connect(pyln.socket()).await?;
    gone.send(&request(9, "sql", json!([query]))).await?;
    drop(gone);
    let begun = Instant::now();
    for id in 0..20 {
        other.send(&request(id, "getinfo", json!({}))).await?;
        ensure!(other.next().await?["result"].is_object());
    }
    ensure!(begun.elapsed() < PATIENCE / 6, "getinfo took {:?}", begun.elapsed());
    for _ in 0..4 {
        let told = busy.next().await?;
        assert_eq!(told["error"]["code"], -1, "{told}");
        let reason = told["error"]["message"].as_str().unwrap_or_default();
        ensure!(reason.contains("interrupted"), "{reason}");
    }
    ensure!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(rows(pyln, "SELECT 1").await?, json!([[1]]));
    Ok(())
}
