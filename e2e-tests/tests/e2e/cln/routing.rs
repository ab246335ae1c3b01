//! What a node that forwards payments tells, and how it is stopped.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use serde_json::{Value, json};

use super::client::{Pyln, Raw};
use crate::cln_rest::Program;

const NOBODY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn the_graph_is_listed(pyln: &Pyln, alice: &Node, bob: &Node) -> Result<()> {
    let channels = pyln.result("listchannels", json!({})).await?;
    let halves = channels["channels"].as_array().cloned().unwrap_or_default();
    assert_eq!(halves.len(), 4, "{channels}");
    for half in &halves {
        let [source, destination] = [&half["source"], &half["destination"]].map(|id| id.as_str());
        assert_eq!(half["direction"], u8::from(source > destination), "{half}");
    }
    let from_alice = pyln.result("listchannels", json!({"source": alice.id()})).await?;
    let [half] = from_alice["channels"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        anyhow::bail!("{from_alice}");
    };
    assert_eq!((&half["destination"], &half["active"]), (&json!(bob.id()), &json!(true)));
    let one = json!({"short_channel_id": half["short_channel_id"]});
    let both = pyln.result("listchannels", one).await?;
    assert_eq!(both["channels"].as_array().map(Vec::len), Some(2));
    let two = json!({"source": alice.id(), "destination": bob.id()});
    assert_eq!(pyln.error("listchannels", two).await?.0, -32602);

    let nodes = pyln.result("listnodes", json!({})).await?;
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(3), "{nodes}");
    // What it has announced of itself comes later than its channels.
    let one = pyln.result("listnodes", json!({"node_id": alice.id()})).await?;
    assert_eq!(one["nodes"][0]["nodeid"], alice.id());
    let none = pyln.result("listnodes", json!({"node_id": NOBODY})).await?;
    assert_eq!(none, json!({"nodes": []}));
    Ok(())
}

pub(super) async fn a_forward_is_listed_and_told(
    pyln: &Pyln,
    told: &mut Program,
    alice: &Node,
    carol: &Node,
) -> Result<()> {
    until("a payment finds its way", PATIENCE, async || alice.pays(carol, 1_000_000).await).await?;
    let channels = pyln.result("listpeerchannels", json!({})).await?;
    let number = |peer: &str| {
        let channels = channels["channels"].as_array().into_iter().flatten();
        let mut with_peer = channels.filter(|channel| channel["peer_id"] == peer);
        with_peer.next().map(|channel| channel["short_channel_id"].clone()).context("no channel")
    };
    let listed = until("the forward is listed", PATIENCE, async || {
        let listed = pyln.result("listforwards", json!({"status": "settled"})).await?;
        ensure!(listed["forwards"].as_array().is_some_and(|rows| rows.len() == 1), "{listed}");
        Ok(listed)
    })
    .await?;
    let row = &listed["forwards"][0];
    assert_eq!(
        (&row["in_channel"], &row["out_channel"]),
        (&number(alice.id())?, &number(carol.id())?)
    );
    let amounts = [&row["in_msat"], &row["out_msat"], &row["fee_msat"]].map(Value::as_u64);
    assert_eq!(amounts, [Some(1_001_000), Some(1_000_000), Some(1_000)]);
    let event = told.told("forward_event").await?;
    for name in ["in_channel", "out_channel", "in_msat", "out_msat", "fee_msat", "status"] {
        assert_eq!(event[name], row[name], "{name}");
    }
    for (credit, debit) in [(1_001_000, 0), (0, 1_000_000)] {
        let moved = told.told("coin_movement").await?;
        let amounts = (&moved["credit_msat"], &moved["debit_msat"], &moved["primary_tag"]);
        assert_eq!(amounts, (&json!(credit), &json!(debit), &json!("routed")), "{moved}");
    }
    let failed = pyln.result("listforwards", json!({"status": "failed"})).await?;
    assert_eq!(failed, json!({"forwards": []}));
    let events = pyln.result("bkpr-listaccountevents", json!({})).await?;
    let routed = events["events"].as_array().into_iter().flatten();
    assert_eq!(routed.filter(|event| event["tag"] == "routed").count(), 2, "{events}");
    Ok(())
}

pub(super) async fn blocks_are_waited_for(pyln: &Pyln, network: &Network) -> Result<()> {
    let height = network.bitcoind().height().await?;
    let wait = |blockheight, timeout| json!({"blockheight": blockheight, "timeout": timeout});
    let refused = pyln.error("waitblockheight", wait(height + 1, 1)).await?;
    assert_eq!(refused, (2000, "Timed out.".to_owned()));
    let waiting = pyln.result("waitblockheight", wait(height + 1, 60));
    let (reached, ()) = tokio::try_join!(waiting, network.mine(1))?;
    assert_eq!(reached, json!({"blockheight": height + 1}));
    Ok(())
}

pub(super) async fn settings_are_listed(pyln: &Pyln) -> Result<()> {
    let listed = pyln.result("listconfigs", json!({})).await?;
    assert_eq!(listed["configs"]["network"]["value_str"], "regtest");
    let one = pyln.result("listconfigs", json!({"config": "fee-base"})).await?;
    assert_eq!(one["configs"].as_object().map(serde_json::Map::len), Some(1), "{one}");
    assert_eq!(pyln.error("listconfigs", json!({"config": "nosuch"})).await?.0, -32602);
    Ok(())
}

pub(super) async fn the_daemon_is_stopped(pyln: &Pyln, node: &Node) -> Result<()> {
    let mut raw = Raw::connect(pyln.socket()).await?;
    raw.send(br#"{"id":1,"method":"stop","params":[]}"#).await?;
    assert_eq!(raw.next().await?["result"], json!({"result": "Shutdown complete"}));
    ensure!(node.ended().await?.success());
    Ok(())
}
