use std::time::{Duration, Instant};

use super::database::Found;
use super::*;
use crate::memory;

const HASH: &str = "4f66a6576fa9c5fd7c82c7e9682236e8b4677b12f1a65c4baf12b8f283878a86";
const PEER: &str = "024f53d353a0fe2af4df1e8a6d9139cdcdedee04412ab536e8e8d90aac2acbd134";

fn bounds() -> Bounds {
    // A debug build on a busy machine is slow, and what must end must end by itself.
    Bounds { time: Duration::from_secs(2), ..Bounds::default() }
}

/// The answer of a method.
fn answer(method: &str) -> Vec<Value> {
    let rows = match method {
        "listinvoices" => json!([
            {
                "label": "a", "description": "one", "payment_hash": HASH, "status": "paid",
                "expires_at": 1_700_000_100, "amount_msat": 1_000, "bolt11": "lnbcrt1", "created_index": 1,
                "pay_index": 1, "amount_received_msat": 1_000, "paid_at": 1_700_000_000,
                "payment_preimage": "aa".repeat(32), "paid_outpoint": {"txid": HASH, "outnum": 1},
            },
            {
                "label": "b", "description": "two", "payment_hash": "bb".repeat(32), "status": "unpaid",
                "expires_at": 1_700_000_200, "created_index": 2,
            },
        ]),
        "listsendpays" => json!([{
            "created_index": 1_700_000_050, "id": 1_700_000_050, "groupid": 1, "payment_hash": HASH,
            "status": "complete", "amount_msat": 5_000, "amount_sent_msat": 5_001, "destination": PEER,
            "created_at": 1_700_000_050, "completed_at": 1_700_000_051, "payment_preimage": "cc".repeat(32),
        }]),
        "listpeerchannels" => json!([{
            "peer_id": PEER, "peer_connected": true, "state": "CHANNELD_NORMAL", "channel_id": HASH,
            "short_channel_id": "1x2x3", "features": ["option_static_remotekey", "option_anchors"],
            "channel_type": {"bits": [12, 22], "names": ["static_remotekey/even", "anchors/even"]},
            "updates": {"local": {"fee_base_msat": 7}},
        }]),
        "listnodes" => json!([{
            "nodeid": PEER, "alias": "BOB", "color": "024f53",
            "addresses": [{"type": "ipv4", "address": "127.0.0.1", "port": 9735}],
        }]),
        "listforwards" => json!([{
            "created_index": 1, "in_channel": "1x2x3", "in_msat": 10, "out_channel": "4x5x6", "out_msat": 9,
            "fee_msat": 1, "status": "settled", "received_time": 1.5, "resolved_time": 2.25,
        }]),
        "bkpr-listaccountevents" => json!([
            {
                "account": "wallet", "type": "chain", "tag": "deposit", "credit_msat": 7_000,
                "debit_msat": 0, "currency": "bcrt", "timestamp": 5, "outpoint": "aa:0", "blockheight": 9,
            },
            {
                "account": HASH, "type": "channel", "tag": "invoice", "credit_msat": 1, "debit_msat": 0,
                "currency": "bcrt", "timestamp": 6,
            },
        ]),
        "bkpr-listincome" => json!([{
            "account": "wallet", "tag": "deposit", "credit_msat": 7_000, "debit_msat": 0,
            "currency": "bcrt", "timestamp": 1_700_000_000, "outpoint": "aa:0",
        }]),
        "listoffers" => json!([{
            "offer_id": HASH, "active": true, "single_use": false, "bolt12": "lno1", "used": false,
        }]),
        _ => json!([]),
    };
    rows.as_array().cloned().unwrap_or_default()
}

fn query_within(text: &str, bounds: Bounds) -> Result<Found, QueryError> {
    let mut query = Query::new(text.to_owned(), bounds, Arc::default())?;
    for (root, tables) in by_root(query.tables()) {
        let Source::Method { name, .. } = root.source else { panic!("{} is no root", root.name) };
        query.fill(&tables, &answer(name))?;
    }
    query.run()
}

fn selected(text: &str) -> Value {
    let found = query_within(text, bounds()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found.warning, None, "{text}");
    json!(found.rows)
}

fn refused(text: &str) -> String {
    match query_within(text, bounds()) {
        Err(QueryError::Refused(reason)) => reason,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn values_have_core_lightnings_types() {
    assert_eq!(selected("select count(*) from invoices"), json!([[2]]));
    let row = "select payment_hash, amount_msat, bolt12, label from invoices where status = 'paid'";
    assert_eq!(selected(row), json!([[HASH, 1_000, null, "a"]]));
    let outpoint = "SELECT paid_outpoint_txid, paid_outpoint_outnum FROM invoices LIMIT 1";
    assert_eq!(selected(outpoint), json!([[HASH, 1]]));
    assert_eq!(selected("SELECT peer_connected FROM peerchannels"), json!([[1]]));
    assert_eq!(selected("SELECT resolved_time, avg(in_msat) FROM forwards"), json!([[2.25, 10.0]]));
    let found = selected(&format!("SELECT label FROM invoices WHERE payment_hash = x'{HASH}'"));
    assert_eq!(found, json!([["a"]]));
    assert_eq!(selected("SELECT 1, 'x', NULL, 9e999"), json!([[1, "x", null, null]]));
    assert_eq!(selected("SELECT label FROM invoices WHERE 0"), json!([]));
}

#[test]
fn lists_in_rows_are_joined() {
    let addresses = "SELECT alias, address, port FROM nodes INNER JOIN nodes_addresses \
                     ON nodes_addresses.row = nodes.rowid";
    assert_eq!(selected(addresses), json!([["BOB", "127.0.0.1", 9735]]));
    let features = "SELECT arrindex, features FROM peerchannels_features ORDER BY arrindex";
    let expected = json!([[0, "option_static_remotekey"], [1, "option_anchors"]]);
    assert_eq!(selected(features), expected);
    let bits = "SELECT bits FROM peerchannels_channel_type_bits";
    assert_eq!(selected(bits), json!([[12], [22]]));
    let fee = "SELECT local_fee_base_msat, remote_fee_base_msat FROM peerchannels";
    assert_eq!(selected(fee), json!([[7, null]]));
}

/// What Zeus asks for: the payments by hash and group, the invoices, the events of the wallet.
#[test]
fn the_queries_of_zeus_are_answered() {
    let payments = "select s.payment_hash, s.groupid, min(s.status) as status, min(s.destination) as \
                    destination, min(s.created_at) as created_at, min(s.bolt11) as bolt11, sum(case when \
                    s.status = 'complete' then s.amount_sent_msat else null end) as amount_sent_msat, \
                    sum(case when s.status = 'complete' then s.amount_msat else 0 end) as amount_msat, \
                    max(s.payment_preimage) as preimage from sendpays s group by s.payment_hash, s.groupid \
                    order by created_index desc limit 150";
    let row =
        json!([HASH, 1, "complete", PEER, 1_700_000_050, null, 5_001, 5_000, "cc".repeat(32)]);
    assert_eq!(selected(payments), json!([row]));
    let invoices = "SELECT label, bolt11, bolt12, payment_hash, amount_msat, status, paid_at, expires_at, \
                    description FROM invoices WHERE status = 'paid' ORDER BY created_index DESC LIMIT 150;";
    assert_eq!(selected(invoices).as_array().unwrap().len(), 1);
    let events = "SELECT account, tag, outpoint, credit_msat, debit_msat, timestamp, blockheight FROM \
                  bkpr_accountevents WHERE (tag = 'deposit' OR tag = 'channel_close') ORDER BY timestamp \
                  DESC LIMIT 150";
    assert_eq!(selected(events), json!([["wallet", "deposit", "aa:0", 7_000, 0, 5, 9]]));
}

/// What cln-application asks for: its list of payments, its bookkeeper, its terminal.
#[test]
fn the_queries_of_cln_application_are_answered() {
    let channels = "SELECT n.alias, n.color, pc.* FROM peerchannels pc LEFT JOIN nodes n ON pc.peer_id = \
                    n.nodeid;";
    let channel = selected(channels);
    assert_eq!(
        (&channel[0][0], &channel[0][1], &channel[0][3]),
        (&json!("BOB"), &json!("024f53"), &json!(PEER))
    );
    let wallet = "WITH times AS (SELECT DISTINCT timestamp FROM bkpr_accountevents WHERE account = 'wallet' \
                  AND (tag = 'deposit' OR tag = 'withdrawal') ORDER BY timestamp LIMIT 10 OFFSET 0) SELECT \
                  e.tag, e.blockheight, e.txid FROM bkpr_accountevents e INNER JOIN times t ON e.timestamp \
                  = t.timestamp WHERE e.account = 'wallet' ORDER BY e.timestamp DESC;";
    assert_eq!(selected(wallet), json!([["deposit", 9, null]]));
    let hashes = "WITH sent AS (SELECT payment_hash, created_at AS at FROM (SELECT DISTINCT payment_hash, \
                  MAX(created_at) AS created_at FROM sendpays GROUP BY payment_hash)), received AS (SELECT \
                  payment_hash, COALESCE(paid_at, expires_at) AS at FROM invoices WHERE status != \
                  'expired'), every AS (SELECT payment_hash, at FROM sent UNION ALL SELECT payment_hash, at \
                  FROM received), page AS (SELECT DISTINCT payment_hash FROM every ORDER BY at DESC LIMIT \
                  10 OFFSET 0) SELECT 'INVOICE' AS type, i.label, NULL AS created_at FROM invoices i INNER \
                  JOIN page p ON i.payment_hash = p.payment_hash UNION ALL SELECT 'PAYMENT' AS type, \
                  s.label, s.created_at FROM sendpays s INNER JOIN page p ON s.payment_hash = \
                  p.payment_hash ORDER BY created_at DESC;";
    let found = selected(hashes);
    assert_eq!((found.as_array().unwrap().len(), &found[0][0]), (3, &json!("PAYMENT")));
    let events = "SELECT peerchannels.short_channel_id, nodes.alias, bkpr_accountevents.credit_msat FROM \
                  bkpr_accountevents LEFT JOIN peerchannels ON upper(bkpr_accountevents.account) = \
                  hex(peerchannels.channel_id) LEFT JOIN nodes ON peerchannels.peer_id = nodes.nodeid WHERE \
                  bkpr_accountevents.type != 'onchain_fee' AND bkpr_accountevents.account != 'external';";
    assert_eq!(selected(events), json!([[null, null, 7_000], ["1x2x3", "BOB", 1]]));
    let income = "SELECT account, tag, credit_msat, txid, payment_id FROM bkpr_income WHERE \
                  bkpr_income.timestamp BETWEEN 1600000000 AND 1800000000;";
    assert_eq!(selected(income), json!([["wallet", "deposit", 7_000, null, null]]));
    let volume = "SELECT f.in_channel, i.peer_id, n.alias, SUM(f.in_msat), f.out_channel, SUM(f.fee_msat) \
                  FROM forwards f LEFT JOIN peerchannels i ON i.short_channel_id = f.in_channel LEFT JOIN \
                  nodes n ON n.nodeid = i.peer_id WHERE f.status = 'settled' GROUP BY f.in_channel, \
                  i.peer_id, n.alias, f.out_channel;";
    assert_eq!(selected(volume), json!([["1x2x3", PEER, "BOB", 10, "4x5x6", 1]]));
    let offers = "SELECT * FROM offers ORDER BY offer_id LIMIT 10 OFFSET 0";
    assert_eq!(selected(offers)[0][1], json!(HASH));
}

#[test]
fn nothing_but_reading_is_allowed() {
    for text in [
        "DELETE FROM invoices",
        "INSERT INTO offers (label) VALUES ('x')",
        "UPDATE invoices SET label = 'x'",
        "CREATE TABLE x (y)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "DROP TABLE invoices",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "VACUUM INTO '/tmp/x.db'",
        "PRAGMA page_size",
        "PRAGMA temp_store_directory = '/tmp'",
        "SELECT * FROM pragma_database_list",
        "BEGIN",
        "SAVEPOINT x",
        "REINDEX",
        "ANALYZE",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM dbstat",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM ldk_node_data",
        "SELECT load_extension('x.so')",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT format('%1000000000d', 1)",
        "SELECT replace(label, 'a', 'b') FROM invoices",
        "SELECT group_concat(label) FROM invoices",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT readfile('/etc/passwd')",
        "SELECT label FROM invoices WHERE label GLOB '*'",
        "SELECT fts3_tokenizer('x')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ] {
        let reason = refused(text);
        assert!(reason.starts_with("query failed with "), "{text}: {reason}");
    }
    assert_eq!(
        refused("SELECT x FROM nosuch"),
        "query failed with no such table: nosuch",
        "as Core Lightning says it"
    );
    let reason = refused("SELECT zeroblob(9)");
    assert!(reason.contains("not authorized to use function: zeroblob"), "{reason}");
    assert!(refused("SELECT FROM").contains("syntax error"));
    assert!(refused("").starts_with("Executing statement: "));
}

#[test]
fn only_the_first_statement_is_carried_out() {
    assert_eq!(selected("SELECT 1; DELETE FROM invoices"), json!([[1]]));
}

/// A table of this many rows, without a table.
fn many_rows(count: usize) -> String {
    let values = vec!["(1)"; count].join(",");
    format!("(SELECT column1 FROM (VALUES {values}))")
}

#[test]
fn a_query_that_does_not_end_is_interrupted() {
    let rows = many_rows(400);
    let begun = Instant::now();
    let text = format!("SELECT count(*) FROM {rows} a, {rows} b, {rows} c, {rows} d");
    let reason = refused(&text);
    assert_eq!(reason, "Executing statement: interrupted: it takes too long");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_query_that_nobody_waits_for_is_interrupted() {
    let rows = many_rows(400);
    let text = format!("SELECT count(*) FROM {rows} a, {rows} b, {rows} c, {rows} d");
    let is_abandoned = Arc::new(AtomicBool::new(false));
    let query = Query::new(text, Bounds::default(), Arc::clone(&is_abandoned)).unwrap();
    drop(Waiting(is_abandoned));
    let reason = query.run().unwrap_err().to_string();
    assert_eq!(reason, "Executing statement: interrupted: nobody waits for it");
}

#[test]
fn values_are_bounded() {
    let text = "x".repeat(200_000);
    let long = refused(&format!(
        "SELECT a.t || a.t || a.t || a.t || a.t || a.t FROM (SELECT '{text}' AS t) a"
    ));
    assert!(long.contains("string or blob too big"), "{long}");
    let statement = refused(&format!("SELECT '{}'", "x".repeat(300_000)));
    assert!(statement.contains("too"), "{statement}");
    let pattern = "%a".repeat(200);
    let reason = refused(&format!("SELECT label LIKE '{pattern}' FROM invoices"));
    assert!(reason.contains("LIKE or GLOB pattern too complex"), "{reason}");
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(refused(&deep).starts_with("query failed with "));
}

#[test]
fn memory_is_bounded() {
    let (rows, text) = (many_rows(400), "x".repeat(200_000));
    // Each row has a long value of its own, and all must be sorted.
    let sorted = format!(
        "SELECT count(*) FROM (SELECT t.t || a.column1 || b.column1 AS v FROM (SELECT '{text}' AS t) t, \
         {rows} a, {rows} b ORDER BY v LIMIT 100000)"
    );
    let memory_bytes = memory::database_bytes() + 32 * 1024 * 1024;
    let bounds = Bounds { time: Duration::from_secs(60), memory_bytes, ..bounds() };
    let reason = query_within(&sorted, bounds);
    let reason = reason.unwrap_err().to_string();
    assert!(reason.contains("it takes too much memory"), "{reason}");
}

#[test]
fn answers_are_bounded() {
    let rows = many_rows(400);
    let reason = refused(&format!("SELECT 1 FROM {rows} a, {rows} b"));
    assert!(reason.starts_with("the answer has more than 100000 rows"), "{reason}");
    let text = "x".repeat(200_000);
    let reason = refused(&format!("SELECT '{text}' FROM {rows} a"));
    assert!(reason.starts_with("the answer has more than"), "{reason}");
    let few = Bounds { rows_loaded: 1, ..bounds() };
    let reason = query_within("SELECT label FROM invoices", few).unwrap_err().to_string();
    assert_eq!(reason, "the tables of the query have more than 1 rows");
}

#[test]
fn what_is_no_text_is_told() {
    let found = query_within("SELECT CAST(x'ff00' AS TEXT), 1", bounds()).unwrap();
    assert_eq!(found.rows, [[json!("INVALID UTF-8 STRING ff00"), json!(1)]]);
    assert_eq!(found.warning.unwrap(), "Invalid UTF-8 string row 0 column 0");
    assert_eq!(selected("SELECT 'a\u{1}b'"), json!([["a\u{1}b"]]));
}

#[test]
fn tables_are_described() {
    let read = |params| ListSqlSchemas::read(&Args::of("[table]", Some(params)).unwrap());
    let invoices = read(json!({"table": "invoices"})).unwrap().table.map(Schema::of);
    let described = serde_json::to_value(invoices).unwrap();
    assert_eq!(described["indices"], json!([["payment_hash"]]));
    let columns = described["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 18, "as in the samples of Core Lightning");
    assert_eq!(columns[2], json!({"name": "payment_hash", "type": "BLOB"}));
    let refusal = read(json!(["nosuch"])).err().unwrap();
    assert_eq!(refusal.message, "table: Unknown table: invalid token '\"nosuch\"'");
}
