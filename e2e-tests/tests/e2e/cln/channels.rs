//! The wallet and the channels of a node whose owner knows only Core Lightning's interface.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use serde_json::{Value, json};

use super::CHANNEL_SATS;
use super::client::Pyln;

const PATIENCE: Duration = Duration::from_secs(60);
const NOBODY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn sum_msat(rows: &Value, field: &str) -> u64 {
    let rows = rows.as_array().into_iter().flatten();
    rows.map(|row| row[field].as_u64().unwrap_or_default()).sum()
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}

pub(super) async fn coins_are_paid_out(pyln: &Pyln, network: &Network, bob: &Node) -> Result<()> {
    let funds = pyln.result("listfunds", json!({})).await?;
    assert_eq!(sum_msat(&funds["outputs"], "amount_msat"), 2 * CHANNEL_SATS * 1_000);
    assert_eq!(funds["outputs"][0]["status"], "confirmed");
    ensure!(text(&funds["outputs"][0]["address"])?.starts_with("bcrt1q"), "{funds}");

    let address = bob.new_address().await?;
    let pay =
        |sats: Value| json!({"destination": address, "satoshi": sats, "feerate": "2000perkb"});
    assert_eq!(pyln.error("withdraw", pay(json!(1_000_000_000_000_u64))).await?.0, 301);
    let garbage = json!({"destination": "garbage", "satoshi": 1_000});
    assert_eq!(pyln.error("withdraw", garbage).await?.0, -32602);
    let paid = pyln.result("withdraw", pay(json!("10000sat"))).await?;
    let bitcoind = network.bitcoind();
    ensure!(bitcoind.mempool().await?.contains(&text(&paid["txid"])?), "{paid}");
    let decoded = bitcoind.call("decoderawtransaction", &[paid["tx"].clone()]).await?;
    assert_eq!(decoded["txid"], paid["txid"]);
    let finalized = bitcoind.call("finalizepsbt", &[paid["psbt"].clone()]).await?;
    assert_eq!((&finalized["complete"], &finalized["hex"]), (&json!(true), &paid["tx"]));
    let fee_msat = 1_000 * (2 * decoded["vsize"].as_u64().unwrap_or_default());

    let unconfirmed = pyln.result("listfunds", json!({})).await?;
    assert_eq!(unconfirmed["outputs"][0]["status"], "unconfirmed");
    network.mine(1).await?;
    let left_msat = until("the payment is confirmed", PATIENCE, async || {
        let funds = pyln.result("listfunds", json!({})).await?;
        ensure!(funds["outputs"][0]["status"] == "confirmed", "{funds}");
        Ok(sum_msat(&funds["outputs"], "amount_msat"))
    })
    .await?;
    // A signature can be a byte shorter than was planned for.
    let cost_msat = (2 * CHANNEL_SATS - 10_000) * 1_000 - left_msat;
    ensure!(cost_msat.abs_diff(fee_msat) <= 4_000, "{cost_msat} for {fee_msat}");
    let spent = pyln.result("listfunds", json!({"spent": true})).await?;
    assert_eq!(spent["outputs"].as_array().map(Vec::len), Some(2));
    let listed = pyln.result("listtransactions", json!({})).await?;
    let hashes: Vec<_> = listed["transactions"].as_array().into_iter().flatten().collect();
    ensure!(hashes.iter().any(|row| row["rawtx"] == paid["tx"]), "{listed}");
    Ok(())
}

pub(super) async fn a_channel_is_opened(
    pyln: &Pyln,
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let fund =
        |id: &str, amount: Value| json!({"node_id": id, "amount": amount, "announce": false});
    let unknown = pyln.call("fundchannel", fund(NOBODY, json!(100_000))).await?;
    assert_eq!(unknown["error"]["code"], 400);
    assert_eq!(unknown["error"]["data"], json!({"id": NOBODY, "method": "connect"}));
    let at = format!("{}@{}", bob.id(), bob.address());
    assert_eq!(pyln.error("fundchannel", fund(&at, json!(20_000_000_000_u64))).await?.0, 301);
    assert_eq!(pyln.error("fundchannel", fund(&at, json!(100))).await?.0, -32602);
    let mut arguments = fund(bob.id(), json!(CHANNEL_SATS));
    arguments["push_msat"] = json!(CHANNEL_SATS * 500);
    let funded = pyln.result("fundchannel", arguments).await?;
    let mempool = network.bitcoind().mempool().await?;
    ensure!(mempool.contains(&text(&funded["txid"])?), "{funded}");
    // The peer has no coins to raise the fee of a closure with, so that it takes no anchors.
    let plain = json!({"bits": [12], "names": ["static_remotekey/even"]});
    assert_eq!(funded["channel_type"], plain);
    network.confirm_funding(alice).await?;
    network.usable(alice, bob).await?;

    let funds = pyln.result("listfunds", json!({})).await?;
    let channel = &funds["channels"][0];
    assert_eq!(
        (&channel["channel_id"], &channel["funding_txid"]),
        (&funded["channel_id"], &funded["txid"])
    );
    assert_eq!(
        (&channel["state"], &channel["connected"]),
        (&json!("CHANNELD_NORMAL"), &json!(true))
    );
    assert_eq!(channel["our_amount_msat"], CHANNEL_SATS * 500);
    assert_eq!(channel["amount_msat"], CHANNEL_SATS * 1_000);
    ensure!(channel["short_channel_id"].is_string(), "{channel}");
    let channels = pyln.result("listpeerchannels", json!({})).await?;
    assert_eq!(channels["channels"][0]["to_us_msat"], CHANNEL_SATS * 500);
    Ok(())
}

pub(super) async fn a_channel_has_another_price(pyln: &Pyln, bob: &Node) -> Result<()> {
    let arguments = json!({"id": bob.id(), "feebase": 1_500, "feeppm": 20});
    let changed = pyln.result("setchannel", arguments).await?;
    let row = &changed["channels"][0];
    assert_eq!(
        (&row["fee_base_msat"], &row["fee_proportional_millionths"]),
        (&json!(1_500), &json!(20))
    );
    until("the peer hears of the price", PATIENCE, async || {
        let channels = bob.channels().await?;
        let told = channels.iter().any(|channel| {
            channel.counterparty_forwarding_info_fee_base_msat == Some(1_500)
                && channel.counterparty_forwarding_info_fee_proportional_millionths == Some(20)
        });
        ensure!(told, "{channels:?}");
        Ok(())
    })
    .await?;
    assert_eq!(pyln.error("setchannel", json!({"id": "1x1x1", "feeppm": 1})).await?.0, -32602);
    let limited = json!({"id": "all", "htlcmin": 1});
    ensure!(pyln.error("setchannel", limited).await?.1.contains("is not supported"));

    let arguments = json!({"node_id": bob.id(), "amount_msat": 1_000, "riskfactor": 1});
    let route = pyln.result("getroute", arguments).await?;
    let hop = &route["route"][0];
    assert_eq!((&hop["id"], &hop["channel"]), (&json!(bob.id()), &row["short_channel_id"]));
    assert_eq!((&hop["amount_msat"], &hop["delay"]), (&json!(1_000), &json!(9)));
    let nowhere = json!({"node_id": NOBODY, "amount_msat": 1_000, "riskfactor": 1});
    assert_eq!(pyln.error("getroute", nowhere).await?.0, 205);
    Ok(())
}

pub(super) async fn peers_are_listed_and_kept(pyln: &Pyln, bob: &Node) -> Result<()> {
    let peers = pyln.result("listpeers", json!({})).await?;
    let peer = &peers["peers"][0];
    assert_eq!((&peer["id"], &peer["num_channels"]), (&json!(bob.id()), &json!(1)));
    assert_eq!((&peer["connected"], &peer["netaddr"]), (&json!(true), &json!([bob.address()])));
    assert_eq!(pyln.error("disconnect", json!({"peer_id": NOBODY})).await?.0, -32602);
    let refused = pyln.error("disconnect", json!({"peer_id": bob.id()})).await?;
    let expected = "Peer has (at least one) channel in state CHANNELD_NORMAL";
    assert_eq!(refused, (-1, expected.to_owned()));
    let arguments = json!({"peer_id": bob.id(), "force": true});
    assert_eq!(pyln.result("disconnect", arguments).await?, json!({}));
    let gone = pyln.result("listpeers", json!({"peerid": bob.id()})).await?;
    ensure!(
        gone["peers"]
            .as_array()
            .is_some_and(|all| all.iter().all(|peer| peer["connected"] == false)),
        "{gone}"
    );
    let (host, port) = bob
        .address()
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .context("no port")?;
    let port: u16 = port.parse()?;
    pyln.result("connect", json!({"peer_id": bob.id(), "host": host, "port": port})).await?;
    Ok(())
}

pub(super) async fn a_channel_is_spliced(
    pyln: &Pyln,
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    network.usable(alice, bob).await?;
    let channels = pyln.result("listpeerchannels", json!({})).await?;
    let id = text(&channels["channels"][0]["channel_id"])?;
    let arguments = json!({"channel": id, "amount": 100_000});
    pyln.result("splicein", arguments.clone()).await?;
    until("the splice is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "nothing is broadcast");
        Ok(())
    })
    .await?;
    assert_eq!(pyln.error("splicein", arguments).await?.0, -1);
    network.mine(6).await?;
    until("the channel is larger on both sides", PATIENCE, async || {
        for node in [alice, bob] {
            let channels = node.channels().await?;
            ensure!(channels[0].channel_value_sats == CHANNEL_SATS + 100_000, "{channels:?}");
        }
        Ok(())
    })
    .await?;
    network.usable(alice, bob).await
}

pub(super) async fn a_channel_is_closed(
    pyln: &Pyln,
    network: &Network,
    alice: &Node,
) -> Result<()> {
    let unknown = pyln.error("close", json!({"peer_id": "1x1x1"})).await?;
    let expected = "id: Short channel id not found: invalid token '\"1x1x1\"'";
    assert_eq!(unknown, (-32602, expected.to_owned()));
    let channels = pyln.result("listpeerchannels", json!({})).await?;
    let channel = &channels["channels"][0];
    let number = text(&channel["short_channel_id"])?;
    let closed = pyln.result("close", json!({"peer_id": number})).await?;
    assert_eq!(closed["type"], "mutual");
    let txid = text(&closed["txids"][0])?;
    ensure!(network.bitcoind().mempool().await?.contains(&txid), "{closed}");
    network.mine(6).await?;
    let listed = pyln.result("listclosedchannels", json!({})).await?;
    let row = &listed["closedchannels"][0];
    assert_eq!(
        (&row["channel_id"], &row["short_channel_id"]),
        (&channel["channel_id"], &json!(number))
    );
    assert_eq!((&row["closer"], &row["close_cause"]), (&json!("local"), &json!("user")));
    assert_eq!((&row["opener"], &row["private"]), (&json!("local"), &json!(true)));
    let funds = pyln.result("listfunds", json!({})).await?;
    assert_eq!(funds["channels"], json!([]));
    let wallet_sats = alice.balances().await?.total_onchain_balance_sats;
    assert_eq!(sum_msat(&funds["outputs"], "amount_msat"), 1_000 * wallet_sats);
    Ok(())
}

/// What came into the wallet, less what left it, is what is in it.
pub(super) async fn the_books_agree(pyln: &Pyln) -> Result<()> {
    let funds = pyln.result("listfunds", json!({})).await?;
    let wallet_msat = sum_msat(&funds["outputs"], "amount_msat");
    let arguments = json!({"account": "wallet"});
    let events = pyln.result("bkpr-listaccountevents", arguments).await?["events"].take();
    let mut on_chain = events.as_array().cloned().unwrap_or_default();
    on_chain.retain(|event| event["type"] == "chain");
    let on_chain = Value::from(on_chain);
    let [came, went] = ["credit_msat", "debit_msat"].map(|field| sum_msat(&on_chain, field));
    assert_eq!(came - went, wallet_msat, "{events}");
    let balances = pyln.result("bkpr-listbalances", json!({})).await?;
    let accounts = balances["accounts"].as_array().cloned().unwrap_or_default();
    assert_eq!(accounts[0]["balances"][0]["balance_msat"], wallet_msat);
    assert_eq!(
        (&accounts[1]["account_closed"], &accounts[1]["account_resolved"]),
        (&json!(true), &json!(true))
    );
    let income = pyln.result("bkpr-listincome", json!({})).await?["income_events"].take();
    let [earned, spent] = ["credit_msat", "debit_msat"].map(|field| sum_msat(&income, field));
    assert_eq!(earned - spent, wallet_msat, "{income}");
    Ok(())
}

pub(super) async fn fees_are_estimated(pyln: &Pyln) -> Result<()> {
    let rates = pyln.result("feerates", json!({"style": "perkw"})).await?;
    assert_eq!((&rates["perkw"]["opening"], &rates["perkw"]["floor"]), (&json!(253), &json!(253)));
    assert_eq!(pyln.error("feerates", json!({"style": "x"})).await?.0, -32602);
    let parsed = pyln.result("parsefeerate", json!({"feerate_str": "2000perkb"})).await?;
    assert_eq!(parsed, json!({"perkw": 500}));
    pyln.result("parsefeerate", json!({"feerate_str": "urgent"})).await?;
    Ok(())
}

/// A peer that is away is not waited for longer than was asked.
pub(super) async fn a_channel_is_closed_by_force(
    pyln: &Pyln,
    network: &Network,
    bob: &Node,
) -> Result<()> {
    // The anchors of a channel that we opened are ours.
    let funds = pyln.result("listfunds", json!({})).await?;
    assert_eq!(funds["channels"][0]["our_amount_msat"], CHANNEL_SATS * 500);
    bob.stop().await?;
    let arguments = json!({"peer_id": bob.id(), "unilateraltimeout": 2});
    let closed = pyln.result("close", arguments).await?;
    assert_eq!(closed["type"], "unilateral");
    until("the commitment transaction is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "nothing is broadcast");
        Ok(())
    })
    .await
}
