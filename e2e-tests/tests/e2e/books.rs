//! The books of three nodes, which open, forward, splice, close and sweep: they agree with what the nodes
//! have, to the satoshi.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, invalid, now_secs, run, until};
use futures_util::TryStreamExt as _;
use ldk_server_client::api::splice_in_request::Amount;
use ldk_server_client::api::{
    ChannelAccount, CloseChannelRequest, ExportPaymentsRequest, ForceCloseChannelRequest,
    GetSummaryRequest, GetSummaryResponse, ListChannelAccountsRequest, OnchainSendRequest,
    SpliceInRequest, SpliceOutRequest,
};
use ldk_server_client::events::{
    ChannelClosureInitiator, ChannelStateChangeReason, ChannelStateChangeReasonKind as Reason,
};
use ldk_server_client::types::{
    BooksAccount as Account, BooksEntry, BooksEntryKind as Kind, PageToken, PaymentStatus,
};
use tokio::process::Command;

const DOCUMENT: &str = include_str!("../../../docs/books.md");
const PATIENCE: Duration = Duration::from_secs(90);
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 3_000_000;
const PUSHED_SATS: u64 = 300_000;
const IN_SATS: u64 = 200_000;
const OUT_SATS: u64 = 150_000;
const FOREIGN_SATS: u64 = 70_000;
const SENT_SATS: u64 = 123_456;
const AMOUNT_MSAT: u64 = 40_000_000;
/// With a fee that is no whole number of satoshis.
const ODD_MSAT: u64 = 1_234_567;
const BLOCKS_TO_READY: u32 = 6;
/// Longer than who closes by force waits for its money.
const BLOCKS_TO_SWEEP: u32 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_what_the_nodes_have() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (alice, bob, carol) =
        tokio::try_join!(network.node("alice"), network.node("bob"), network.node("carol"))?;
    network.fund(&[&alice, &bob, &carol], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, PUSHED_SATS).await?;
    network.open_announced_channel(&bob, &carol, CHANNEL_SATS, PUSHED_SATS).await?;
    let nodes = [alice, bob, carol];
    openings_are_told(&nodes).await?;
    payments_and_forwards_are_told(&nodes).await?;
    splices_are_told(&network, &nodes).await?;
    sends_are_told(&network, &nodes).await?;
    closures_are_told(&network, &nodes).await?;
    a_restart_changes_nothing(&nodes).await?;
    spans_are_parts_of_the_whole(&nodes[1]).await?;
    commands_print_the_same(&nodes[1]).await?;
    the_commands_of_the_document_work(&network, &nodes[1]).await?;
    pages_follow_one_another(&nodes[1]).await?;
    wrong_requests_are_refused(&nodes[1]).await?;
    network.stop().await
}

async fn summary(node: &Node) -> Result<GetSummaryResponse> {
    Ok(node.client().get_summary(GetSummaryRequest::default()).await?)
}

async fn entries(node: &Node) -> Result<Vec<BooksEntry>> {
    export(node, None, None).await
}

async fn export(node: &Node, from: Option<u64>, before: Option<u64>) -> Result<Vec<BooksEntry>> {
    let request = ExportPaymentsRequest { from, before };
    Ok(node.client().export_payments(request).await?.try_collect().await?)
}

async fn channels(node: &Node) -> Result<Vec<ChannelAccount>> {
    let request = ListChannelAccountsRequest::default();
    Ok(node.client().list_channel_accounts(request).await?.channels)
}

async fn channel(node: &Node, id: &str) -> Result<ChannelAccount> {
    let found = channels(node).await?.into_iter().find(|channel| channel.channel_id == id);
    found.with_context(|| format!("{} has no books of {id}", node.alias()))
}

/// The entries of this kind and account.
async fn of(node: &Node, account: Account, kind: Kind) -> Result<Vec<BooksEntry>> {
    let mut entries = entries(node).await?;
    entries.retain(|entry| (entry.account(), entry.kind()) == (account, kind));
    Ok(entries)
}

/// Waits until every account of every node has what its entries add up to. Channels are closed in whole
/// satoshis, which makes a difference of less than one for each.
async fn all_agree(nodes: &[Arc<Node>; 3]) -> Result<()> {
    for node in nodes {
        until(&format!("the books of {} are right", node.alias()), PATIENCE, async || {
            let summary = summary(node).await?;
            let closed =
                channels(node).await?.iter().filter(|each| each.closed_at.is_some()).count();
            for account in &summary.accounts {
                let difference_msat = account.difference_msat.context("no difference")?;
                let may_differ_msat = match account.account() {
                    Account::Channels => 999 * i64::try_from(closed)?,
                    _ => 0,
                };
                let right = difference_msat.abs() <= may_differ_msat;
                ensure!(right, "{summary:#?} {:#?}", entries(node).await?);
            }
            agrees_with_itself(node, &summary).await
        })
        .await?;
    }
    Ok(())
}

/// The entries add up to the summary, and what channels say of payments of our own to the payments.
async fn agrees_with_itself(node: &Node, summary: &GetSummaryResponse) -> Result<()> {
    let mut sums = BTreeMap::<Account, i64>::new();
    let mut own_msat = 0;
    for entry in entries(node).await? {
        let changed = i64::try_from(entry.credit_msat)? - i64::try_from(entry.debit_msat)?;
        *sums.entry(entry.account()).or_default() += changed;
        if matches!(entry.kind(), Kind::PaymentReceived | Kind::PaymentSent) {
            own_msat += changed;
        }
    }
    for account in &summary.accounts {
        let sum = sums.get(&account.account()).copied().unwrap_or_default();
        ensure!(account.after_msat == sum, "{sum} msat, but {account:?}");
    }
    let (mut told_msat, mut closed) = (0, 0);
    for channel in channels(node).await? {
        told_msat += channel.own_payments_msat.with_context(|| format!("{channel:?}"))?;
        closed += i64::from(channel.closed_at.is_some());
    }
    let lost_msat = own_msat - told_msat;
    ensure!(
        lost_msat.abs() <= 999 * closed,
        "payments changed {own_msat} msat, and the channels tell of {told_msat} msat"
    );
    Ok(())
}

async fn openings_are_told(nodes: &[Arc<Node>; 3]) -> Result<()> {
    all_agree(nodes).await?;
    let [alice, bob, _] = nodes;
    let ours = alice.usable_channel(bob).await?;
    let opened = channel(alice, &ours.channel_id).await?;
    let funding_txid = ours.funding_txo.context("no funding")?.txid;
    assert_eq!((opened.is_outbound, &opened.funding_txid), (true, &funding_txid));
    assert_eq!(opened.channel_value_sats, Some(CHANNEL_SATS));
    assert_eq!(opened.opening_balance_sats, Some(CHANNEL_SATS - PUSHED_SATS));
    assert!(opened.open_fee_sats.is_some_and(|fee| (1..1_000).contains(&fee)), "{opened:?}");
    let spent = &of(alice, Account::Wallet, Kind::ChannelOpen).await?[0];
    assert_eq!(spent.fee_msat, opened.open_fee_sats.map(|fee_sats| 1_000 * fee_sats));
    assert_eq!(spent.debit_msat, 1_000 * CHANNEL_SATS + spent.fee_msat.unwrap_or_default());
    assert_eq!((&spent.txid, &spent.channel_id), (&funding_txid, &ours.channel_id));

    let theirs = channel(bob, &ours.channel_id).await?;
    assert_eq!((theirs.is_outbound, theirs.open_fee_sats), (false, Some(0)));
    assert_eq!(theirs.opening_balance_sats, Some(PUSHED_SATS));
    let pushed = of(bob, Account::Channels, Kind::Push).await?;
    assert_eq!(pushed.iter().map(|entry| entry.credit_msat).sum::<u64>(), 1_000 * PUSHED_SATS);
    Ok(())
}

async fn payments_and_forwards_are_told(nodes: &[Arc<Node>; 3]) -> Result<()> {
    let [alice, bob, carol] = nodes;
    // Until alice has heard of the second channel.
    until("alice pays carol", PATIENCE, async || {
        let payment_id = alice.send(&carol.invoice(ODD_MSAT).await?).await?;
        let payment = alice.settled(&payment_id).await?;
        ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        Ok(())
    })
    .await?;
    let paid = alice.pays(carol, AMOUNT_MSAT).await?;
    carol.pays(bob, ODD_MSAT).await?;
    bob.pays(alice, AMOUNT_MSAT / 2).await?;
    all_agree(nodes).await?;

    let fee_msat = alice.payment(&paid).await?.fee_paid_msat.context("no fee")?;
    let sent = of(alice, Account::Channels, Kind::PaymentSent).await?;
    let sent = sent.iter().find(|entry| entry.payment_id == paid).context("not told of")?;
    assert_eq!((sent.debit_msat, sent.fee_msat), (AMOUNT_MSAT + fee_msat, Some(fee_msat)));
    let forwards = of(bob, Account::Channels, Kind::Forward).await?;
    let [first, second] = &forwards[..] else { anyhow::bail!("{forwards:?}") };
    assert_eq!((second.credit_msat, second.fee_msat), (fee_msat, Some(fee_msat)));
    assert_eq!(second.forwarded_msat, Some(AMOUNT_MSAT));
    assert_eq!((&*second.prev_node_id, &*second.counterparty_node_id), (alice.id(), carol.id()));
    let earned_msat = first.credit_msat + second.credit_msat;
    assert_eq!(summary(bob).await?.fees_earned_msat, earned_msat);
    assert_eq!(summary(alice).await?.routing_fees_msat, earned_msat);

    let from = channel(bob, &bob.usable_channel(alice).await?.channel_id).await?;
    assert_eq!((from.forwards_in_count, from.forwards_in_fees_msat), (2, earned_msat));
    assert_eq!(from.forwards_in_msat, AMOUNT_MSAT + ODD_MSAT + earned_msat);
    let to = channel(bob, &bob.usable_channel(carol).await?.channel_id).await?;
    assert_eq!((to.forwards_out_count, to.forwards_out_fees_msat), (2, earned_msat));
    assert_eq!((to.forwards_out_msat, to.forwards_in_count), (AMOUNT_MSAT + ODD_MSAT, 0));
    Ok(())
}

/// Alice puts some in, takes some out to her wallet, and some to bob's.
async fn splices_are_told(network: &Network, nodes: &[Arc<Node>; 3]) -> Result<()> {
    let [alice, bob, _] = nodes;
    let before = alice.usable_channel(bob).await?;
    let request = SpliceInRequest {
        user_channel_id: before.user_channel_id.clone(),
        counterparty_node_id: bob.id().to_owned(),
        amount: Some(Amount::SpliceAmountSats(IN_SATS)),
        ..Default::default()
    };
    alice.client().splice_in(request).await?;
    spliced(network, nodes, before.channel_value_sats).await?;
    for (address, amount_sats) in [(None, OUT_SATS), (Some(bob.new_address().await?), FOREIGN_SATS)]
    {
        let before = alice.usable_channel(bob).await?;
        let request = SpliceOutRequest {
            user_channel_id: before.user_channel_id.clone(),
            counterparty_node_id: bob.id().to_owned(),
            splice_amount_sats: amount_sats,
            address,
            ..Default::default()
        };
        alice.client().splice_out(request).await?;
        spliced(network, nodes, before.channel_value_sats).await?;
    }
    let now = alice.usable_channel(bob).await?;
    let account = channel(alice, &now.channel_id).await?;
    assert_eq!(account.channel_value_sats, Some(now.channel_value_sats));
    let changed = i64::try_from(now.channel_value_sats)? - i64::try_from(CHANNEL_SATS)?;
    assert_eq!(account.spliced_sats, Some(changed));
    assert!(
        account.splice_fees_sats.is_some_and(|fees| (300..5_000).contains(&fees)),
        "{account:?}"
    );
    let theirs = channel(bob, &now.channel_id).await?;
    assert_eq!((theirs.spliced_sats, theirs.splice_fees_sats), (Some(0), Some(0)));
    // To bob, it is money that came.
    let came = of(bob, Account::Wallet, Kind::Deposit).await?;
    assert!(came.iter().any(|entry| entry.credit_msat == 1_000 * FOREIGN_SATS), "{came:?}");
    Ok(())
}

/// Confirms the splice of a channel that had this size.
async fn spliced(network: &Network, nodes: &[Arc<Node>; 3], value_sats: u64) -> Result<()> {
    let [alice, bob, _] = nodes;
    in_mempool(network).await?;
    network.mine(BLOCKS_TO_READY).await?;
    for (node, peer) in [(alice, bob), (bob, alice)] {
        until("the channel has another size", PATIENCE, async || {
            let channel = node.usable_channel(peer).await?;
            ensure!(channel.channel_value_sats != value_sats, "{channel:?}");
            Ok(())
        })
        .await?;
    }
    all_agree(nodes).await
}

async fn in_mempool(network: &Network) -> Result<()> {
    until("a transaction waits for a block", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "there is none");
        Ok(())
    })
    .await
}

async fn sends_are_told(network: &Network, nodes: &[Arc<Node>; 3]) -> Result<()> {
    let [alice, bob, _] = nodes;
    let request = OnchainSendRequest {
        address: bob.new_address().await?,
        amount_sats: Some(SENT_SATS),
        ..Default::default()
    };
    let txid = alice.client().onchain_send(request).await?.txid;
    in_mempool(network).await?;
    // Before it is in a block, too.
    all_agree(nodes).await?;
    network.mine(1).await?;
    all_agree(nodes).await?;
    let paid = of(alice, Account::Wallet, Kind::Withdrawal).await?;
    let [paid] = &paid[..] else { anyhow::bail!("{paid:?}") };
    let fee_msat = paid.fee_msat.context("no fee")?;
    assert_eq!((&paid.txid, paid.debit_msat), (&txid, 1_000 * SENT_SATS + fee_msat));
    assert_eq!(paid.block_height, Some(bob.height().await?));
    Ok(())
}

/// Bob closes the channel with carol by force, and alice hers with bob by agreement.
async fn closures_are_told(network: &Network, nodes: &[Arc<Node>; 3]) -> Result<()> {
    let [alice, bob, carol] = nodes;
    let (by_force, agreed) = (bob.usable_channel(carol).await?, alice.usable_channel(bob).await?);
    let request = ForceCloseChannelRequest {
        user_channel_id: by_force.user_channel_id.clone(),
        counterparty_node_id: carol.id().to_owned(),
        force_close_reason: None,
    };
    bob.client().force_close_channel(request).await?;
    in_mempool(network).await?;
    network.mine(1).await?;
    all_agree(nodes).await?;
    let request = CloseChannelRequest {
        user_channel_id: agreed.user_channel_id.clone(),
        counterparty_node_id: bob.id().to_owned(),
    };
    alice.client().close_channel(request).await?;
    until("the channel is closed", PATIENCE, async || {
        ensure!(alice.channels().await?.is_empty() && bob.channels().await?.is_empty(), "not yet");
        Ok(())
    })
    .await?;
    in_mempool(network).await?;
    network.mine(BLOCKS_TO_READY).await?;
    all_agree(nodes).await?;
    all_is_swept(network, nodes).await?;
    all_agree(nodes).await?;
    agreed_closure_is_told(nodes, &agreed.channel_id).await?;
    forced_closure_is_told(nodes, &by_force.channel_id).await
}

/// Mines until nothing is owed any more.
async fn all_is_swept(network: &Network, nodes: &[Arc<Node>; 3]) -> Result<()> {
    network.mine(BLOCKS_TO_SWEEP).await?;
    for node in nodes {
        until("all is swept", PATIENCE, async || {
            if !network.bitcoind().mempool().await?.is_empty() {
                network.mine(1).await?;
            }
            let account = summary(node).await?.accounts.remove(2);
            ensure!(
                (account.account(), account.after_msat) == (Account::Closing, 0),
                "{account:?}"
            );
            Ok(())
        })
        .await?;
    }
    network.mine(BLOCKS_TO_READY).await
}

async fn agreed_closure_is_told(nodes: &[Arc<Node>; 3], id: &str) -> Result<()> {
    let [alice, bob, _] = nodes;
    let (ours, theirs) = (channel(alice, id).await?, channel(bob, id).await?);
    let reason = |account: &ChannelAccount| {
        account.close_reason.as_ref().map(ChannelStateChangeReason::kind)
    };
    assert_eq!(reason(&ours), Some(Reason::LocallyInitiatedCooperativeClosure));
    assert_eq!(ours.closure_initiator(), ChannelClosureInitiator::Local);
    assert_eq!(theirs.closure_initiator(), ChannelClosureInitiator::Remote);
    assert_eq!((ours.balance_msat, theirs.balance_msat), (None, None));
    // The opener pays.
    let cost_sats = ours.close_cost_sats.context("no cost")?;
    assert!((100..2_000).contains(&cost_sats), "{ours:?}");
    assert_eq!(theirs.close_cost_sats, Some(0));
    let all_sats = ours.final_balance_sats.zip(theirs.final_balance_sats).map(|(a, b)| a + b);
    // Each has lost the fraction of a satoshi that it had.
    let value_sats = ours.channel_value_sats.context("no size")?;
    ensure!(all_sats.is_some_and(|all| all == value_sats), "{ours:?} {theirs:?}");
    let came = of(alice, Account::Wallet, Kind::ChannelClose).await?;
    assert_eq!(came.len(), 1);
    assert_eq!(Some(came[0].credit_msat / 1_000), ours.returned_sats);
    Ok(())
}

async fn forced_closure_is_told(nodes: &[Arc<Node>; 3], id: &str) -> Result<()> {
    let [_, bob, carol] = nodes;
    let (ours, theirs) = (channel(bob, id).await?, channel(carol, id).await?);
    let reason = ours.close_reason.as_ref().map(ChannelStateChangeReason::kind);
    assert_eq!(reason, Some(Reason::HolderForceClosed));
    let (our_cost_sats, their_cost_sats) = (
        ours.close_cost_sats.with_context(|| format!("{ours:?}"))?,
        theirs.close_cost_sats.with_context(|| format!("{theirs:?}"))?,
    );
    // Commitment, anchors, and sweep; who did not open the channel pays its sweep only.
    assert!(our_cost_sats > 660 + their_cost_sats, "{ours:?} {theirs:?}");
    assert!((50..1_000).contains(&their_cost_sats), "{theirs:?}");
    let swept = of(carol, Account::Closing, Kind::Sweep).await?;
    assert_eq!(
        swept.iter().map(|entry| entry.fee_msat).collect::<Vec<_>>(),
        [Some(1_000 * their_cost_sats)]
    );
    assert_eq!(summary(bob).await?.not_attributed_count, 0);
    assert_eq!(summary(carol).await?.not_attributed_count, 0);
    Ok(())
}

async fn a_restart_changes_nothing(nodes: &[Arc<Node>; 3]) -> Result<()> {
    let bob = &nodes[1];
    let before = (entries(bob).await?, channels(bob).await?);
    bob.stop().await?;
    bob.start_again().await?;
    until("bob is back", PATIENCE, async || bob.height().await.map(drop)).await?;
    assert_eq!((entries(bob).await?, channels(bob).await?), before);
    all_agree(nodes).await
}

async fn spans_are_parts_of_the_whole(node: &Node) -> Result<()> {
    let all = entries(node).await?;
    let middle = all.iter().map(|entry| entry.time).max().context("none")?;
    let (older, newer) =
        (export(node, None, Some(middle)).await?, export(node, Some(middle), None).await?);
    assert!(older.iter().all(|entry| entry.time < middle), "{older:?}");
    assert!(!newer.is_empty() && newer.iter().all(|entry| entry.time >= middle), "{newer:?}");
    assert_eq!(older.len() + newer.len(), all.len());
    let part = |from, before| node.client().get_summary(GetSummaryRequest { from, before });
    let (older, newer) = (part(None, Some(middle)).await?, part(Some(middle), None).await?);
    for (old, new) in older.accounts.iter().zip(&newer.accounts) {
        assert_eq!(old.after_msat, new.before_msat, "{old:?} {new:?}");
        assert_eq!((old.balance_msat, new.balance_msat.is_some()), (None, true));
    }
    let request = ListChannelAccountsRequest { from: Some(now_secs()? + 1), ..Default::default() };
    let later = node.client().list_channel_accounts(request).await?.channels;
    assert!(later.iter().all(|channel| channel.forwards_in_count == 0), "{later:?}");
    Ok(())
}

async fn commands_print_the_same(node: &Node) -> Result<()> {
    let all = entries(node).await?;
    let lines = node.cli_output(&["export"]).await?.success()?;
    let ids: Vec<_> = lines.lines().map(serde_json::from_str::<serde_json::Value>).collect();
    assert_eq!(ids.len(), all.len());
    for (line, entry) in ids.into_iter().zip(&all) {
        assert_eq!(line?["credit_msat"], entry.credit_msat);
    }
    let table = node.cli_output(&["export", "--csv", "--from", "1970-01-02"]).await?.success()?;
    assert_eq!(table.lines().count(), all.len() + 1);
    assert!(
        table.starts_with("time,date,account,kind,credit_msat,debit_msat,fee_msat,"),
        "{table}"
    );
    assert_eq!(node.cli_output(&["export", "--to", "1970-01-02"]).await?.success()?, "");
    let printed = node.cli(&["get-summary"]).await?;
    assert_eq!(printed["fees_earned_msat"], summary(node).await?.fees_earned_msat);
    let listed = node.cli(&["list-channel-accounts", "--closed-only"]).await?;
    assert_eq!(listed["list"].as_array().map(Vec::len), Some(2));
    Ok(())
}

/// The commands of docs/books.md, as they stand there.
async fn the_commands_of_the_document_work(network: &Network, node: &Node) -> Result<()> {
    let blocks = DOCUMENT.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let script: String = blocks.collect();
    assert_eq!(script.matches("ldk-server-cli").count(), 5);
    let cli = network.tools().ldk_server_cli.display();
    let config = node.config_file().display();
    let client = format!("ldk-server-cli() {{ '{cli}' --config '{config}' \"$@\"; }}\n");
    let mut bash = Command::new("bash");
    bash.current_dir(network.dir()).args(["-euc", &format!("{client}{script}")]);
    run(bash, PATIENCE).await?.success()?;
    let table = std::fs::read_to_string(network.dir().join("november.csv"))?;
    assert!(table.starts_with("time,date,account,kind,"), "{table}");
    Ok(())
}

async fn pages_follow_one_another(node: &Node) -> Result<()> {
    let (mut page_token, mut ids) = (None, BTreeSet::new());
    loop {
        let request =
            ListChannelAccountsRequest { page_token, page_size: Some(1), ..Default::default() };
        let page = node.client().list_channel_accounts(request).await?;
        ids.extend(page.channels.into_iter().map(|channel| channel.channel_id));
        page_token = page.next_page_token;
        if page_token.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), 2);
    Ok(())
}

async fn wrong_requests_are_refused(node: &Node) -> Result<()> {
    let (from, before) = (Some(2), Some(2));
    let answer = node.client().get_summary(GetSummaryRequest { from, before }).await;
    invalid(answer, "before");
    let answer = node.client().export_payments(ExportPaymentsRequest { from, before }).await;
    invalid(answer, "before");
    let token = PageToken { token: "ab".to_owned(), index: 1 };
    let request = ListChannelAccountsRequest { page_token: Some(token), ..Default::default() };
    invalid(node.client().list_channel_accounts(request).await, "page_token");
    Ok(())
}
