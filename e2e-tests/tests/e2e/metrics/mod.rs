//! `/metrics`: who may read them, over which HTTP, and whether they are true.

mod access;
mod figures;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, until};
use hyper::{Method, StatusCode};
use ldk_server_client::api::{
    CloseChannelRequest, GetBalancesResponse, ListEventConsumersRequest,
    ListEventConsumersResponse, ListPaymentsRequest, ListPeersRequest,
};
use ldk_server_client::types::PaymentStatus;

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 3_000_000;
const AMOUNT_MSAT: u64 = 25_000_000;

const OPEN: &str = "[metrics]\nenabled = true\npoll_metrics_interval = 1\n";
const WITH_LOGIN: &str = "[metrics]\nenabled = true\npoll_metrics_interval = 1\n\
                          username = \"prometheus\"\npassword = \"a secret\"\n";
const LOGIN: &str = "prometheus:a secret";

/// The last day of 2049.
const CERTIFICATE_EXPIRES_AT_SECS: u64 = 2_524_521_600;

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";
/// Their names after `ldk_server_`.
const METRICS: [(&str, &str); 17] = [
    ("total_peers_count", GAUGE),
    ("total_payments_count", COUNTER),
    ("total_pending_payments_count", GAUGE),
    ("total_successful_payments_count", COUNTER),
    ("total_failed_payments_count", COUNTER),
    ("total_channels_count", GAUGE),
    ("total_public_channels_count", GAUGE),
    ("total_private_channels_count", GAUGE),
    ("total_onchain_balance_sats", GAUGE),
    ("spendable_onchain_balance_sats", GAUGE),
    ("total_anchor_channels_reserve_sats", GAUGE),
    ("total_lightning_balance_sats", GAUGE),
    ("events_head_index", GAUGE),
    ("events_oldest_index", GAUGE),
    ("event_consumers_count", GAUGE),
    ("events_removed_unacknowledged_total", COUNTER),
    ("tls_certificate_expiry_timestamp_seconds", GAUGE),
];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_true_and_guarded() -> Result<()> {
    let network = Network::start_for(3).await?;
    let (alice, bob, carol) = tokio::try_join!(
        network.node_with("alice", OPEN),
        network.node_with("bob", WITH_LOGIN),
        network.node("carol"),
    )?;
    access::they_are_off_unless_switched_on(carol.config()).await?;
    carol.stop().await?;
    access::anybody_reads_them_over_both_versions_of_http(alice.config()).await?;
    access::only_reading_is_allowed(alice.config()).await?;
    access::a_login_is_asked_for(bob.config()).await?;

    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    channels(&alice, 1).await?;
    what_happens_to_payments_is_counted(&alice, &bob).await?;
    figures::what_happens_is_counted_by_kind(&alice, &bob).await?;
    figures::streams_and_consumers_are_seen(&alice, &bob).await?;
    figures::the_state_is_told(&alice).await?;
    figures::what_a_peer_has_opened_is_told(&bob).await?;
    figures::the_nearest_deadline_is_told(&alice, &bob).await?;
    everything_agrees_with_the_calls(&alice).await?;
    a_new_connection_is_no_new_channel(&network, &alice, &bob).await?;
    channels_come_and_go(&network, &alice, &bob).await?;
    everything_agrees_with_the_calls(&alice).await?;
    network.stop().await
}

/// The values as whole numbers, by what follows `ldk_server_`: the name, with its labels.
fn parsed(text: &str) -> Result<BTreeMap<&str, u64>> {
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let name = name.strip_prefix("ldk_server_").with_context(|| line.to_owned())?;
        let value: f64 = value.parse()?;
        ensure!(values.insert(name, value as u64).is_none(), "{name} comes twice");
    }
    Ok(values)
}

pub(crate) async fn values(node: &Node) -> Result<BTreeMap<String, u64>> {
    values_for(node, None).await
}

/// The values as whoever has this login reads them.
async fn values_for(node: &Node, login: Option<&str>) -> Result<BTreeMap<String, u64>> {
    let login = login.map(access::basic);
    let answer = access::ask(node.config(), Method::GET, login.as_deref()).await?;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    let text = std::str::from_utf8(&answer.body)?;
    Ok(parsed(text)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Waits until so many channels are counted, none of which is announced.
async fn channels(node: &Node, number: u64) -> Result<()> {
    until(&format!("{number} channels are counted"), PATIENCE, async || {
        let values = values(node).await?;
        ensure!(values["total_channels_count"] == number, "{values:?}");
        ensure!(values["total_private_channels_count"] == number, "{values:?}");
        ensure!(values["total_public_channels_count"] == 0, "{values:?}");
        Ok(())
    })
    .await
}

/// Payments are counted at once, not at the next look at the node.
async fn what_happens_to_payments_is_counted(node: &Node, peer: &Node) -> Result<()> {
    let before = values(node).await?;
    let grown = async |name: &str| Ok::<_, anyhow::Error>(values(node).await?[name] - before[name]);

    node.pays(peer, AMOUNT_MSAT).await?;
    assert_eq!(grown("total_payments_count").await?, 1);
    assert_eq!(grown("total_successful_payments_count").await?, 1);

    let invoice = node.invoice(AMOUNT_MSAT).await?;
    assert_eq!(grown("total_payments_count").await?, 2);
    assert_eq!(grown("total_pending_payments_count").await?, 1);
    let payment_id = peer.send(&invoice).await?;
    node.settled(&payment_id).await?;
    assert_eq!(grown("total_pending_payments_count").await?, 0);
    // Only what is sent from here has an event of this kind.
    assert_eq!(grown("total_successful_payments_count").await?, 1);

    let too_much = peer.invoice(2 * CHANNEL_SATS * 1_000).await?;
    for tried in 1..=2 {
        assert!(node.send(&too_much).await.is_err(), "the channel is smaller than this");
        assert_eq!(grown("total_payments_count").await?, 3);
        // There is no event of one that was refused at once.
        assert_eq!(grown("total_failed_payments_count").await?, 0, "tried {tried} times");
    }
    assert_eq!(grown("total_successful_payments_count").await?, 1);
    Ok(())
}

/// Waits until all values are those that the calls of the service give.
async fn everything_agrees_with_the_calls(node: &Node) -> Result<()> {
    until("the metrics agree with the calls", PATIENCE, async || {
        let expected = by_calls(node).await?;
        let mut found = values(node).await?;
        found.retain(|name, _| expected.contains_key(name));
        ensure!(found == expected, "{found:?}, not {expected:?}");
        Ok(())
    })
    .await
}

async fn by_calls(node: &Node) -> Result<BTreeMap<String, u64>> {
    let GetBalancesResponse {
        total_onchain_balance_sats,
        spendable_onchain_balance_sats,
        total_anchor_channels_reserve_sats,
        total_lightning_balance_sats,
        ..
    } = node.balances().await?;
    let first_page = ListPaymentsRequest::default();
    let payments = node.client().list_payments(first_page).await?.payments;
    let with = |status| payments.iter().filter(|payment| payment.status() == status).count();
    let channels = node.channels().await?;
    let public = channels.iter().filter(|channel| channel.is_announced).count();
    let peers = node.client().list_peers(ListPeersRequest {}).await?.peers.len();
    let ListEventConsumersResponse { consumers, head_index, oldest_index } =
        node.client().list_event_consumers(ListEventConsumersRequest {}).await?;
    let counts = [
        ("event_consumers_count", consumers.len()),
        ("events_removed_unacknowledged_total", 0),
        ("total_peers_count", peers),
        ("total_payments_count", payments.len()),
        ("total_pending_payments_count", with(PaymentStatus::Pending)),
        ("total_channels_count", channels.len()),
        ("total_public_channels_count", public),
        ("total_private_channels_count", channels.len() - public),
    ];
    let numbers = [
        ("events_head_index", head_index),
        ("events_oldest_index", oldest_index),
        ("total_onchain_balance_sats", total_onchain_balance_sats),
        ("spendable_onchain_balance_sats", spendable_onchain_balance_sats),
        ("total_anchor_channels_reserve_sats", total_anchor_channels_reserve_sats),
        ("total_lightning_balance_sats", total_lightning_balance_sats),
        ("tls_certificate_expiry_timestamp_seconds", CERTIFICATE_EXPIRES_AT_SECS),
    ];
    let counts = counts.map(|(name, count)| (name.to_owned(), count as u64));
    Ok(counts.into_iter().chain(numbers.map(|(name, number)| (name.to_owned(), number))).collect())
}

async fn a_new_connection_is_no_new_channel(
    network: &Network,
    node: &Node,
    peer: &Node,
) -> Result<()> {
    let before = values(node).await?;
    peer.stop().await?;
    peer.start_again().await?;
    network.usable(node, peer).await?;
    channels(node, 1).await?;
    // Its own restart: what is stored is counted anew. Those that count events begin with what is
    // stored, payments to the node among it.
    node.stop().await?;
    node.start_again().await?;
    network.usable(node, peer).await?;
    channels(node, 1).await?;
    for (name, _) in METRICS.iter().filter(|(name, _)| name.contains("payments")) {
        let (now, before) = (values(node).await?[*name], before[*name]);
        let counts_events = name.contains("successful") || name.contains("failed");
        assert!(now == before || (counts_events && now > before), "{name}: {now}, not {before}");
    }
    Ok(())
}

async fn channels_come_and_go(network: &Network, node: &Node, peer: &Node) -> Result<()> {
    let channel = node.usable_channel(peer).await?;
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: peer.id().to_owned(),
    };
    node.client().close_channel(request).await?;
    channels(node, 0).await?;
    until("the closing transaction is broadcast", PATIENCE, async || {
        ensure!(!network.bitcoind().mempool().await?.is_empty(), "the mempool is empty");
        Ok(())
    })
    .await?;
    network.mine(6).await?;
    network.open_channel(node, peer, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    channels(node, 1).await
}
