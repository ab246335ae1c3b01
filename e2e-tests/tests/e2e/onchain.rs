//! What leaves the on-chain wallet: every transaction that an answer names comes to be, and pays
//! what was asked for.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, grpc_frame, refused, signed_request, until};
use futures_util::future::{join_all, try_join_all};
use hyper::StatusCode;
use hyper::http::HeaderValue;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::{
    AllFunds, GetBalancesResponse, ListPaymentsRequest, OnchainSendRequest, OpenChannelRequest,
};
use ldk_server_client::types::{Channel, PaymentDirection, PaymentStatus};
use ldk_server_client::{Code, Error};
use prost::Message as _;
use serde_json::Value;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const FUNDS_SATS: u64 = 10_000_000;
const SENT_SATS: [u64; 5] = [100_000, 200_001, 300_002, 400_003, 500_004];
/// Less than what a transaction costs at 50 sat/vB.
const LITTLE_SATS: u64 = 2_000;
/// The spends that may wait, and one more.
const TOO_MANY: usize = 48;
const CHANNEL_SATS: u64 = 500_000;
/// What the library keeps in the wallet for each channel.
const RESERVE_SATS: u64 = 25_000;
/// More than a transaction costs at the usual rate of about 1 sat/vB.
const FEE_SATS: u64 = 1_000;
const BLOCKS_TO_READY: u32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_comes_to_be() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    cannot_send_what_it_has_not(&network, &alice, &bob).await?;
    network.fund(&[&alice], FUNDS_SATS).await?;
    sends_at_once_all_arrive(&network, &alice, &bob).await?;
    a_spend_is_in_the_history_at_once(&network, &alice, &bob).await?;
    what_was_given_up_is_not_paid(&network, &alice, &bob).await?;
    a_spend_after_a_restart_takes_other_coins(&network, &alice, &bob).await?;
    the_fee_rate_is_the_one_asked_for(&network, &alice, &bob).await?;
    all_is_sent(&network, &alice, &bob).await?;
    a_refused_transaction_frees_its_coins(&network, &alice, &bob).await?;
    not_too_many_wait(&alice, &bob).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_transactions_do_not_take_the_same_coins() -> Result<()> {
    let network = Network::start().await?;
    let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    channels_are_funded_beside_a_transaction(&network, &alice, &bob).await?;
    too_large_a_channel_is_refused(&alice, &bob).await?;
    all_funds_make_a_channel(&network, &alice, &bob).await?;
    the_reserve_is_spent_by_force_only(&network, &alice, &bob).await?;
    network.stop().await
}

async fn cannot_send_what_it_has_not(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let address = bob.new_address().await?;
    let amount = OnchainSendRequest { amount_sats: Some(1_000), ..to(&address) };
    lacks_funds(alice, amount, 0).await;
    let all = OnchainSendRequest { send_all: Some(true), ..to(&address) };
    lacks_funds(alice, all.clone(), 0).await;
    // All of it does not pay for the fee.
    network.fund(&[bob], LITTLE_SATS).await?;
    let dear = OnchainSendRequest { fee_rate_sat_per_vb: Some(50), ..all };
    lacks_funds(bob, dear, LITTLE_SATS).await;
    let too_dear = OnchainSendRequest { fee_rate_sat_per_vb: Some(5_001), ..to(&address) };
    let too_dear = OnchainSendRequest { amount_sats: Some(1_000), ..too_dear };
    refused(alice.client().onchain_send(too_dear).await, Code::InvalidArgument, &["fee_rate"]);
    Ok(())
}

async fn sends_at_once_all_arrive(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let mut addresses = Vec::new();
    for _ in SENT_SATS {
        addresses.push(bob.new_address().await?);
    }
    let sends = addresses.iter().zip(SENT_SATS).map(|(address, sats)| send(alice, address, sats));
    let txids = try_join_all(sends).await?;
    in_mempool(network, &txids).await?;
    network.mine(1).await?;
    for ((txid, address), sats) in txids.iter().zip(&addresses).zip(SENT_SATS) {
        let transaction = network.bitcoind().transaction(txid).await?;
        assert_eq!(transaction["confirmations"], 1, "{transaction}");
        assert_eq!(paid_sats(&transaction, address)?, sats);
    }
    let sum_sats: u64 = SENT_SATS.iter().sum();
    has(bob, |balances| balances.total_onchain_balance_sats == LITTLE_SATS + sum_sats).await?;
    has(alice, |balances| {
        let left_sats = balances.total_onchain_balance_sats + sum_sats;
        left_sats < FUNDS_SATS && left_sats + 5 * FEE_SATS > FUNDS_SATS
    })
    .await?;

    // More than all its money, and more than there is beside the fee.
    let left_sats = alice.balances().await?.spendable_onchain_balance_sats;
    for sats in [left_sats, left_sats + 1, 100 * left_sats] {
        let request = OnchainSendRequest { amount_sats: Some(sats), ..to(&addresses[0]) };
        lacks_funds(alice, request, left_sats).await;
    }
    Ok(())
}

/// It is refused, with what there is. The library's own sentence tells neither that nor why.
async fn lacks_funds(node: &Node, request: OnchainSendRequest, spendable_sats: u64) {
    let funds = format!("the spendable funds of the wallet, {spendable_sats} sat, do not cover");
    let answer = node.client().onchain_send(request).await;
    refused(answer, Code::FailedPrecondition, &[&funds]);
}

async fn a_spend_is_in_the_history_at_once(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let sats = 30_000;
    let txid = send(alice, &bob.new_address().await?, sats).await?;
    let payment = alice.payment(&txid).await?;
    assert_eq!(payment.status(), PaymentStatus::Pending, "{payment:?}");
    assert_eq!(payment.direction(), PaymentDirection::Outbound, "{payment:?}");
    assert_eq!(payment.amount_msat, Some(sats * 1_000), "{payment:?}");
    // Its id has the bytes in the order in which they are hashed.
    let mut id = hex::decode(&txid)?;
    id.reverse();
    assert_eq!(payment.id, hex::encode(id));
    assert_eq!(alice.payment(&payment.id).await?, payment);
    let listed = alice.client().list_payments(ListPaymentsRequest::default()).await?.payments;
    ensure!(listed.contains(&payment), "{listed:?}");
    in_mempool(network, std::slice::from_ref(&txid)).await?;
    network.mine(1).await?;
    until("the payment is in a block", PATIENCE, async || {
        let payment = alice.payment(&txid).await?;
        ensure!(payment.fee_paid_msat.is_some_and(|fee_msat| fee_msat > 0), "{payment:?}");
        assert_eq!(payment.amount_msat, Some(sats * 1_000), "{payment:?}");
        Ok(())
    })
    .await
}

/// Spends wait for a good moment, longer than these callers.
async fn what_was_given_up_is_not_paid(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let mut connection = RawConnection::open(alice.config()).await?;
    let mut given_up = Vec::new();
    until("callers gave up", PATIENCE, async || {
        let address = bob.new_address().await?;
        let message = OnchainSendRequest { amount_sats: Some(40_000), ..to(&address) };
        let frame = grpc_frame(&message.encode_to_vec());
        let mut request = signed_request(alice.config(), "OnchainSend", frame)?;
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("200m"));
        if connection.send(request).await?.grpc_code()? == Code::DeadlineExceeded {
            given_up.push(address);
        }
        ensure!(given_up.len() >= 5, "{} gave up", given_up.len());
        Ok(())
    })
    .await?;
    let mut hung_up = Vec::new();
    for _ in 0..5 {
        hung_up.push(bob.new_address().await?);
    }
    let sends = hung_up.iter().map(|address| send(alice, address, 40_000));
    let answers = timeout(Duration::from_millis(100), join_all(sends)).await;
    ensure!(answers.is_err(), "all were answered at once: {answers:?}");
    // Whoever waited before this one would have paid before.
    let last = send(alice, &bob.new_address().await?, 50_000).await?;
    in_mempool(network, &[last]).await?;
    let mut transactions = String::new();
    for txid in network.bitcoind().mempool().await? {
        transactions += &network.bitcoind().transaction(&txid).await?.to_string();
    }
    let paid = |address: &&String| transactions.contains(address.as_str());
    let told = given_up.iter().find(paid);
    assert_eq!(told, None, "paid after its caller was told that it had failed");
    // One may have had its turn before its caller hung up, and then none for a second or more.
    let paid = hung_up.iter().filter(paid).count();
    assert!(paid <= 1, "{paid} were paid although their callers had hung up");
    network.mine(1).await
}

/// The daemon is killed before the wallet can have seen its transaction, and must find it.
async fn a_spend_after_a_restart_takes_other_coins(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let address = bob.new_address().await?;
    let before = send(alice, &address, 10_000).await?;
    in_mempool(network, std::slice::from_ref(&before)).await?;
    alice.kill().await?;
    alice.start_again().await?;
    let after = send(alice, &address, 20_000).await?;
    in_mempool(network, &[before, after]).await
}

async fn the_fee_rate_is_the_one_asked_for(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let address = bob.new_address().await?;
    for rate in [1, 7, 50] {
        let request = OnchainSendRequest {
            amount_sats: Some(50_000),
            fee_rate_sat_per_vb: Some(rate),
            ..to(&address)
        };
        let txid = alice.client().onchain_send(request).await?.txid;
        in_mempool(network, std::slice::from_ref(&txid)).await?;
        let entry = network.bitcoind().call("getmempoolentry", &[txid.into()]).await?;
        // A virtual byte is four units of weight, and a signature can be a few shorter than it was
        // taken for.
        let weight = entry["weight"].as_u64().context("no weight")?;
        let fee_sats = sats(&entry["fees"]["base"])?;
        let expected = rate * weight..=rate * (weight + 8);
        assert!(expected.contains(&(4 * fee_sats)), "{fee_sats} for {weight} at {rate}");
    }
    network.mine(1).await
}

async fn all_is_sent(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let had_sats = alice.balances().await?.total_onchain_balance_sats;
    let bob_had_sats = bob.balances().await?.total_onchain_balance_sats;
    let address = bob.new_address().await?;
    let request = OnchainSendRequest { send_all: Some(true), ..to(&address) };
    let txid = alice.client().onchain_send(request).await?.txid;
    in_mempool(network, std::slice::from_ref(&txid)).await?;
    let entry = network.bitcoind().call("getmempoolentry", &[txid.clone().into()]).await?;
    let fee_sats = sats(&entry["fees"]["base"])?;
    network.mine(1).await?;
    has(alice, |balances| balances.total_onchain_balance_sats == 0).await?;
    let arrived_sats = bob_had_sats + had_sats - fee_sats;
    has(bob, |balances| balances.total_onchain_balance_sats == arrived_sats).await
}

/// Bitcoin Core takes only so many transactions that wait for one another. The one beyond them never
/// is, and the next must not wait for it for ever.
async fn a_refused_transaction_frees_its_coins(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let addresses = [alice.new_address().await?];
    let mut chained = 0;
    let end = loop {
        match network.bitcoind().send(&addresses, 10_000).await {
            Ok(_) => chained += 1,
            Err(end) => break end,
        }
        ensure!(chained < 1_000, "there is no end to the chain");
    };
    ensure!(chained > 10, "the chain ended after {chained}: {end:#}");
    // After a start it looks at the whole mempool; before, it may have missed some.
    alice.stop().await?;
    alice.start_again().await?;
    has(alice, |balances| balances.total_onchain_balance_sats == chained * 10_000).await?;
    let all_to = async |address: &str| -> Result<String> {
        let request = OnchainSendRequest { send_all: Some(true), ..to(address) };
        Ok(alice.client().onchain_send(request).await?.txid)
    };
    let lost = all_to(&bob.new_address().await?).await?;
    // The answer comes before Bitcoin Core's, and once the chain is in a block, that is another.
    let log = alice.config().storage_dir.join("output.log");
    let refusal = format!("Failed to broadcast transaction {lost}");
    until("the transaction is refused", PATIENCE, async || {
        ensure!(std::fs::read_to_string(&log)?.contains(&refusal), "no word of {lost}");
        Ok(())
    })
    .await?;
    network.mine(1).await?;
    let next = all_to(&bob.new_address().await?).await?;
    in_mempool(network, std::slice::from_ref(&next)).await?;
    let found = network.bitcoind().transaction(&lost).await;
    assert!(found.is_err(), "{lost} was not refused after {chained}");
    let lost = alice.payment(&lost).await?;
    assert_eq!(lost.status(), PaymentStatus::Failed, "{lost:?}");
    network.mine(1).await?;
    has(alice, |balances| balances.total_onchain_balance_sats == 0).await
}

async fn not_too_many_wait(alice: &Node, bob: &Node) -> Result<()> {
    let address = bob.new_address().await?;
    let request = OnchainSendRequest { amount_sats: Some(1_000), ..to(&address) };
    // How many are in the line at once depends on when the wallet looks at the chain.
    until("a spend finds too many before it", PATIENCE, async || {
        let sends = (0..TOO_MANY).map(|_| alice.client().onchain_send(request.clone()));
        let answers = join_all(sends).await;
        let codes: Vec<_> =
            answers.into_iter().map(|answer| answer.err().and_then(|error| error.code())).collect();
        let count = |code| codes.iter().filter(|found| **found == Some(code)).count();
        // The wallet is empty, so none can be made.
        let (too_many, unfunded) =
            (count(Code::ResourceExhausted), count(Code::FailedPrecondition));
        assert_eq!(too_many + unfunded, TOO_MANY, "{codes:?}");
        ensure!(too_many > 0, "all had their turn");
        Ok(())
    })
    .await
}

async fn channels_are_funded_beside_a_transaction(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let address = bob.new_address().await?;
    let sent = send(alice, &address, SENT_SATS[0]).await?;
    let channels = || open(alice, bob, Amount::ChannelAmountSats(CHANNEL_SATS), None);
    let opened = tokio::try_join!(channels(), channels())?;
    let funding = until("both channels are funded", PATIENCE, async || {
        let mut txids = Vec::new();
        for id in [&opened.0, &opened.1] {
            let channels = alice.channels().await?;
            let channel = channels.iter().find(|channel| channel.user_channel_id == *id);
            let funding = channel.and_then(|channel| channel.funding_txo.clone());
            txids.push(funding.with_context(|| format!("{channels:?}"))?.txid);
        }
        Ok(txids)
    })
    .await?;
    in_mempool(network, &[&[sent][..], &funding].concat()).await?;
    network.mine(BLOCKS_TO_READY).await?;
    for (node, peer) in [(alice, bob), (bob, alice)] {
        until("both channels can be used", PATIENCE, async || {
            let channels = node.channels().await?;
            let usable = |channel: &&Channel| {
                channel.counterparty_node_id == peer.id()
                    && channel.is_usable
                    && channel.channel_value_sats == CHANNEL_SATS
            };
            ensure!(channels.iter().filter(usable).count() == 2, "{channels:?}");
            Ok(())
        })
        .await?;
    }
    alice.pays(bob, 1_000_000).await.map(drop)
}

async fn too_large_a_channel_is_refused(alice: &Node, bob: &Node) -> Result<()> {
    let spendable_sats = alice.balances().await?.spendable_onchain_balance_sats;
    for sats in [spendable_sats - RESERVE_SATS + 1, spendable_sats + 1] {
        let answer = open(alice, bob, Amount::ChannelAmountSats(sats), None).await;
        let figures = [sats, RESERVE_SATS].map(|sats| format!("{sats} sat"));
        let words = ["does not cover", &figures[0], &figures[1]];
        refused(answer, Code::FailedPrecondition, &words);
    }
    let all_but_dust = Some(CHANNEL_SATS * 1_000 - 1);
    let answer = open(alice, bob, Amount::ChannelAmountSats(CHANNEL_SATS), all_but_dust).await;
    refused(answer, Code::FailedPrecondition, &["push less"]);
    // The gift is compared with what is found.
    let push_msat = Some((spendable_sats + 1) * 1_000);
    let answer = open(alice, bob, Amount::AllFunds(AllFunds {}), push_msat).await;
    refused(answer, Code::InvalidArgument, &["push_to_counterparty_msat"]);
    assert_eq!(alice.channels().await?.len(), 2);
    Ok(())
}

async fn all_funds_make_a_channel(network: &Network, alice: &Node, bob: &Node) -> Result<()> {
    let spendable_sats = alice.balances().await?.spendable_onchain_balance_sats;
    let push_msat = 1_000_000_000;
    open(alice, bob, Amount::AllFunds(AllFunds {}), Some(push_msat)).await?;
    // The two others are funded, so this waits for the one that is not.
    until("the channel is funded", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;
    network.mine(BLOCKS_TO_READY).await?;
    let expected_sats = spendable_sats - RESERVE_SATS;
    let channel = until("the peer sees the channel", PATIENCE, async || {
        let channels = bob.channels().await?;
        let channel = channels
            .iter()
            .find(|channel| channel.channel_value_sats != CHANNEL_SATS && channel.is_usable);
        channel.cloned().with_context(|| format!("{channels:?}"))
    })
    .await?;
    let value_sats = channel.channel_value_sats;
    assert!(value_sats <= expected_sats && value_sats + FEE_SATS > expected_sats, "{channel:?}");
    // Bob keeps a reserve of a hundredth of it.
    let pushed_msat = channel.outbound_capacity_msat + value_sats * 10;
    assert!(pushed_msat.abs_diff(push_msat) <= 1_000_000, "{channel:?}");
    let balances = alice.balances().await?;
    assert!(balances.spendable_onchain_balance_sats < FEE_SATS, "{balances:?}");
    assert!(balances.total_onchain_balance_sats >= 3 * RESERVE_SATS, "{balances:?}");

    let answer = open(alice, bob, Amount::AllFunds(AllFunds {}), None).await;
    refused(answer, Code::FailedPrecondition, &["all_funds"]);
    Ok(())
}

async fn the_reserve_is_spent_by_force_only(
    network: &Network,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let reserve_sats = 3 * RESERVE_SATS;
    let address = bob.new_address().await?;
    network.bitcoind().send(&[alice.new_address().await?], SENT_SATS[0]).await?;
    network.mine(1).await?;
    has(alice, |balances| balances.spendable_onchain_balance_sats >= SENT_SATS[0]).await?;
    assert!(!is_warned(alice).await?);
    let all = OnchainSendRequest { all_funds: Some(AllFunds {}), ..to(&address) };
    let txid = alice.client().onchain_send(all).await?.txid;
    in_mempool(network, &[txid]).await?;
    network.mine(1).await?;
    has(alice, |balances| {
        (reserve_sats..reserve_sats + FEE_SATS).contains(&balances.total_onchain_balance_sats)
    })
    .await?;

    let everything = OnchainSendRequest { send_all: Some(true), ..to(&address) };
    let refusal = alice.client().onchain_send(everything.clone()).await;
    refused(refusal, Code::FailedPrecondition, &["75000 sat", "all_funds", "force"]);
    let forced = OnchainSendRequest { force: true, ..everything };
    let txid = alice.client().onchain_send(forced).await?.txid;
    in_mempool(network, &[txid]).await?;
    network.mine(1).await?;
    has(alice, |balances| balances.total_onchain_balance_sats == 0).await?;
    until("the missing reserve is told", PATIENCE, async || {
        ensure!(is_warned(alice).await?, "no warning");
        Ok(())
    })
    .await
}

async fn is_warned(node: &Node) -> Result<bool> {
    let answer = RawConnection::get(node.config(), "/readyz").await?;
    let text = std::str::from_utf8(&answer.body)?;
    ensure!(answer.status == StatusCode::OK && text.starts_with("ready\n"), "{text}");
    Ok(text.contains("\nreserve: "))
}

async fn send(node: &Node, address: &str, sats: u64) -> Result<String> {
    let request = OnchainSendRequest { amount_sats: Some(sats), ..to(address) };
    Ok(node.client().onchain_send(request).await?.txid)
}

fn to(address: &str) -> OnchainSendRequest {
    OnchainSendRequest { address: address.to_owned(), ..Default::default() }
}

async fn open(
    node: &Node,
    peer: &Node,
    amount: Amount,
    push_to_counterparty_msat: Option<u64>,
) -> Result<String, Error> {
    let request = OpenChannelRequest {
        node_pubkey: peer.id().to_owned(),
        address: peer.address(),
        amount: Some(amount),
        push_to_counterparty_msat,
        ..Default::default()
    };
    Ok(node.client().open_channel(request).await?.user_channel_id)
}

async fn in_mempool(network: &Network, txids: &[String]) -> Result<()> {
    until("the transactions wait for a block", PATIENCE, async || {
        let mempool = network.bitcoind().mempool().await?;
        ensure!(txids.iter().all(|txid| mempool.contains(txid)), "{txids:?} not in {mempool:?}");
        Ok(())
    })
    .await
}

async fn has(node: &Node, will_do: impl Fn(&GetBalancesResponse) -> bool) -> Result<()> {
    until(&format!("the wallet of {} is right", node.alias()), PATIENCE, async || {
        let balances = node.balances().await?;
        ensure!(will_do(&balances), "{balances:?}");
        Ok(())
    })
    .await
}

/// What a transaction pays to an address.
fn paid_sats(transaction: &Value, address: &str) -> Result<u64> {
    let outputs = transaction["vout"].as_array().context("no outputs")?;
    let output = outputs.iter().find(|output| output["scriptPubKey"]["address"] == address);
    sats(&output.with_context(|| format!("nothing to {address}: {transaction}"))?["value"])
}

/// An amount of bitcoind, which counts in bitcoin.
fn sats(btc: &Value) -> Result<u64> {
    let btc = btc.as_f64().with_context(|| format!("{btc} is no amount"))?;
    Ok((btc * 100_000_000.0).round() as u64)
}
