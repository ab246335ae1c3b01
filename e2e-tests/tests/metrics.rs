//! `/metrics`: who may read them, over which HTTP, and whether they are true.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::{Network, Node, NodeConfig, RawAnswer, RawConnection, tls_connect, until};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, StatusCode};
use ldk_server_client::api::{
    CloseChannelRequest, GetBalancesResponse, ListEventConsumersRequest,
    ListEventConsumersResponse, ListPaymentsRequest, ListPeersRequest,
};
use ldk_server_client::types::PaymentStatus;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 3_000_000;
const AMOUNT_MSAT: u64 = 25_000_000;
const FORMAT: &str = "text/plain; version=0.0.4";

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
    let network = Network::start().await?;
    let (alice, bob, carol) = tokio::try_join!(
        network.node_with("alice", OPEN),
        network.node_with("bob", WITH_LOGIN),
        network.node("carol"),
    )?;
    they_are_off_unless_switched_on(carol.config()).await?;
    carol.stop().await?;
    anybody_reads_them_over_both_versions_of_http(alice.config()).await?;
    only_reading_is_allowed(alice.config()).await?;
    a_login_is_asked_for(bob.config()).await?;

    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    channels(&alice, 1).await?;
    what_happens_to_payments_is_counted(&alice, &bob).await?;
    everything_agrees_with_the_calls(&alice).await?;
    a_new_connection_is_no_new_channel(&network, &alice, &bob).await?;
    channels_come_and_go(&network, &alice, &bob).await?;
    everything_agrees_with_the_calls(&alice).await?;
    network.stop().await
}

fn request(node: &NodeConfig, method: Method) -> Request<Full<hyper::body::Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    if let Ok(uri) = format!("https://{}/metrics", node.grpc.address()).parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// The answer over HTTP/2.
async fn ask(node: &NodeConfig, method: Method, authorization: Option<&str>) -> Result<RawAnswer> {
    let mut request = request(node, method);
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse()?);
    }
    RawConnection::open(node).await?.send(request).await
}

/// The answer over HTTP/1.1, as it was on the wire.
async fn ask_http_1(node: &NodeConfig, method: &str, header: &str) -> Result<String> {
    let mut stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
    let request = format!(
        "{method} /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten()?;
    Ok(String::from_utf8(answer)?)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn basic(login: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(login))
}

/// The values, by the name after `ldk_server_`.
fn parsed(text: &str) -> Result<BTreeMap<&str, u64>> {
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').with_context(|| line.to_owned())?;
        let name = name.strip_prefix("ldk_server_").with_context(|| line.to_owned())?;
        ensure!(values.insert(name, value.parse()?).is_none(), "{name} comes twice");
    }
    Ok(values)
}

async fn values(node: &Node) -> Result<BTreeMap<String, u64>> {
    let answer = ask(node.config(), Method::GET, None).await?;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    let text = std::str::from_utf8(&answer.body)?;
    Ok(parsed(text)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

async fn they_are_off_unless_switched_on(node: &NodeConfig) -> Result<()> {
    for login in [None, Some(basic(LOGIN))] {
        let answer = ask(node, Method::GET, login.as_deref()).await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert!(ask_http_1(node, "GET", "").await?.starts_with("HTTP/1.1 404 "));
    Ok(())
}

async fn anybody_reads_them_over_both_versions_of_http(node: &NodeConfig) -> Result<()> {
    // Before the first look at the node there is nothing to tell.
    let answer = until("there are metrics", PATIENCE, async || {
        let answer = ask(node, Method::GET, None).await?;
        ensure!(answer.status == StatusCode::OK, "{answer:?}");
        Ok(answer)
    })
    .await?;
    assert_eq!(header(&answer.headers, "content-type"), FORMAT);
    let text = std::str::from_utf8(&answer.body)?;
    let names: Vec<&str> = parsed(text)?.into_keys().collect();
    let mut expected = METRICS.map(|(name, _)| name);
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, kind) in METRICS {
        let described = format!("# TYPE ldk_server_{name} {kind}\nldk_server_{name} ");
        assert!(text.contains(&described), "{described} is not in {text}");
        assert!(text.contains(&format!("# HELP ldk_server_{name} ")), "{name}");
    }

    let answer = ask_http_1(node, "GET", "").await?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.clone())?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains(&format!("content-type: {FORMAT}")), "{head}");
    assert_eq!(parsed(body)?.len(), METRICS.len());
    // A login that nobody asked for does no harm.
    assert_eq!(ask(node, Method::GET, Some(&basic(LOGIN))).await?.status, StatusCode::OK);
    Ok(())
}

async fn only_reading_is_allowed(node: &NodeConfig) -> Result<()> {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = ask(node, method, None).await?;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&answer.headers, "allow"), "GET, HEAD");
    }
    let answer = ask_http_1(node, "POST", "content-length: 0\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");

    let answer = ask(node, Method::HEAD, None).await?;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(header(&answer.headers, "content-type"), FORMAT);
    assert!(answer.body.is_empty(), "{answer:?}");
    let answer = ask_http_1(node, "HEAD", "").await?;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");

    // Nothing is below the path.
    let mut below = request(node, Method::GET);
    *below.uri_mut() = format!("https://{}/metrics/", node.grpc.address()).parse()?;
    let answer = RawConnection::open(node).await?.send(below).await?;
    assert_eq!(answer.grpc_status()?, 12);
    Ok(())
}

async fn a_login_is_asked_for(node: &NodeConfig) -> Result<()> {
    let encoded = BASE64_STANDARD.encode(LOGIN);
    for authorization in [
        None,
        Some(String::new()),
        Some("Basic".to_owned()),
        Some("Basic ????".to_owned()),
        Some(encoded.clone()),
        Some(format!("Bearer {encoded}")),
        Some(basic("prometheus")),
        Some(basic("prometheus:")),
        Some(basic("prometheus:a secre")),
        Some(basic("prometheus:a secret!")),
        Some(basic("prometheus:A secret")),
        Some(basic("nobody:a secret")),
    ] {
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            let answer = ask(node, method, authorization.as_deref()).await?;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization:?}");
            let challenge = header(&answer.headers, "www-authenticate");
            assert_eq!(challenge, "Basic realm=\"metrics\"");
            assert!(!String::from_utf8_lossy(&answer.body).contains("ldk_server"));
        }
    }
    let refused = ask_http_1(node, "GET", "").await?;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");

    for authorization in [basic(LOGIN), format!("basic {encoded}")] {
        until("the login is accepted", PATIENCE, async || {
            let answer = ask(node, Method::GET, Some(&authorization)).await?;
            ensure!(answer.status == StatusCode::OK, "{answer:?}");
            Ok(())
        })
        .await?;
        let header = format!("authorization: {authorization}\r\n");
        let answer = ask_http_1(node, "GET", &header).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    Ok(())
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
    assert_eq!(grown("total_successful_payments_count").await?, 2);

    let too_much = peer.invoice(2 * CHANNEL_SATS * 1_000).await?;
    for tried in 1..=2 {
        assert!(node.send(&too_much).await.is_err(), "the channel is smaller than this");
        assert_eq!(grown("total_payments_count").await?, 3);
        assert_eq!(grown("total_failed_payments_count").await?, 1, "tried {tried} times");
    }
    assert_eq!(grown("total_successful_payments_count").await?, 2);
    Ok(())
}

/// Waits until all values are those that the calls of the service give.
async fn everything_agrees_with_the_calls(node: &Node) -> Result<()> {
    until("the metrics agree with the calls", PATIENCE, async || {
        let expected = by_calls(node).await?;
        let found = values(node).await?;
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
        ("total_successful_payments_count", with(PaymentStatus::Succeeded)),
        ("total_failed_payments_count", with(PaymentStatus::Failed)),
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
    // Its own restart: what is stored is counted anew, with the same result.
    node.stop().await?;
    node.start_again().await?;
    network.usable(node, peer).await?;
    channels(node, 1).await?;
    for (name, _) in METRICS.iter().filter(|(name, _)| name.contains("payments")) {
        assert_eq!(values(node).await?[*name], before[*name], "{name}");
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
