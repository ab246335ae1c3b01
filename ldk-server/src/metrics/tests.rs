use std::collections::BTreeSet;
use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{PaymentFailed, PaymentForwarded, PaymentSuccessful};
use ldk_server_grpc::types::{EventConsumer, ForwardedPayment};
use tempfile::TempDir;

use super::opened_by_peers::OpenedByPeers;
use super::reading::{Channels, Synced};
use super::*;
use crate::clock::unix_secs;
use crate::config::{PeerLimitsConfig, TlsConfig, WebhooksConfig};
use crate::executor::Executor;
use crate::gate::{ListeningSockets, Settings};
use crate::store::{EventCounts, NewEvent, testing};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");
const ALERTS: &str = include_str!("../../../contrib/prometheus-alerts.yml");
const DASHBOARD: &str = include_str!("../../../contrib/grafana-dashboard.json");

fn reading() -> Reading {
    let channels = |number, outbound_msat| Channels { number, outbound_msat, inbound_msat: 5 };
    Reading {
        peers: 2,
        connected_peers: 1,
        public_channels: 2,
        private_channels: 3,
        channels: [channels(3, 70), channels(2, 80), channels(0, 0)],
        opened_by_peers: OpenedByPeers { number: 2, reserve_sats: 50_000 },
        total_onchain_sats: 4,
        spendable_onchain_sats: 2_100_000_000_000_000,
        anchor_reserve_sats: 6,
        missing_reserve_sats: 9,
        lightning_sats: 7,
        htlc_deadline_height: Some(140),
        chain_height: 150,
        synced: Synced {
            onchain_wallet_secs: Some(unix_secs()),
            // The clock was set back.
            lightning_wallet_secs: Some(unix_secs() + 100),
            fee_rates_secs: None,
        },
        events: EventCounts {
            head_index: 12,
            oldest_index: 13,
            consumers: 14,
            removed_unacknowledged: 15,
        },
        consumers: vec![EventConsumer {
            name: "shop-1".to_owned(),
            unacknowledged_events: 8,
            ..EventConsumer::default()
        }],
    }
}

/// A payment as the library writes it.
fn put(store: &Store, id: u8, direction: PaymentDirection, status: PaymentStatus) {
    let details = PaymentDetails {
        id: PaymentId([id; 32]),
        kind: PaymentKind::Bolt11 { hash: PaymentHash([id; 32]), preimage: None, secret: None },
        amount_msat: Some(1_000),
        fee_paid_msat: (direction == PaymentDirection::Outbound).then_some(30),
        direction,
        status,
        latest_update_timestamp: 10,
    };
    let key = hex::encode([id; 32]);
    KVStoreSync::write(store, "payments", "", &key, details.encode()).unwrap();
}

fn forward(fee_msat: Option<u64>) -> NewEvent {
    let forward = ForwardedPayment {
        outbound_amount_forwarded_msat: Some(500),
        total_fee_earned_msat: fee_msat,
        ..ForwardedPayment::default()
    };
    let event =
        Event::PaymentForwarded(PaymentForwarded { forwarded_payment: Some(forward.clone()) });
    NewEvent { event, dedup_key: None, source_digest: None, forward: Some(forward) }
}

/// No webhooks.
fn webhooks(store: &Arc<Store>) -> Webhooks {
    let config = WebhooksConfig {
        max_count: 1,
        timeout: Duration::from_secs(1),
        pause_after_secs: 1,
        allow_private: false,
        ca_cert_path: None,
    };
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    Webhooks::open(&config, Arc::clone(store), Executor::new(1), Arc::default(), stop).unwrap()
}

/// A gate that nobody has passed.
fn gate() -> PeerGate {
    let limits = PeerLimitsConfig {
        max_connections: 8,
        max_connections_per_address: 8,
        handshake_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
        max_queued_bytes: 1_000,
    };
    let settings = Settings {
        proxy: None,
        network: ldk_node::bitcoin::Network::Regtest,
        listening: Vec::new(),
        announced: Vec::new(),
        limits,
        max_tunnels: 8,
        only_onions: false,
    };
    PeerGate::new(settings, ListeningSockets::bind(&[]).unwrap(), None).unwrap()
}

/// What is told of a store in which a few things have happened.
fn eventful(dir: &TempDir) -> String {
    let store = testing::open(dir.path());
    put(&store, 9, PaymentDirection::Inbound, PaymentStatus::Pending);
    // What happened before the start has no part in what is counted since.
    drop(store);
    let store = testing::open(dir.path());
    for status in [PaymentStatus::Pending, PaymentStatus::Succeeded, PaymentStatus::Succeeded] {
        put(&store, 1, PaymentDirection::Outbound, status);
    }
    put(&store, 2, PaymentDirection::Inbound, PaymentStatus::Succeeded);
    for status in [PaymentStatus::Pending, PaymentStatus::Failed] {
        put(&store, 3, PaymentDirection::Outbound, status);
    }
    testing::record(&store, 2);
    for event in [
        Event::PaymentSuccessful(PaymentSuccessful::default()),
        Event::PaymentFailed(PaymentFailed::default()),
        Event::PaymentFailed(PaymentFailed::default()),
    ] {
        store
            .record_event(NewEvent { event, dedup_key: None, source_digest: None, forward: None })
            .unwrap();
    }
    store.record_event(forward(Some(7))).unwrap();
    store.record_event(forward(None)).unwrap();
    store.was_backed_up(1_700_000_000).unwrap();
    let mirror = tempfile::tempdir().unwrap();
    store.mirror_to(&mirror.path().join("regtest")).unwrap();
    let listener = store.live_events();

    let requests = Requests::new().unwrap();
    for (method, code) in [("ListPeers", "OK"), ("ListPeers", "UNAVAILABLE"), ("a\"b", "OK")] {
        let request = requests.begin(method);
        request.answered(Duration::from_millis(20));
        request.ended(code);
    }
    let under_way = requests.begin("SubscribeEvents");
    let [cert_path, key_path] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name));
    let tls =
        TlsConfig { cert_path, key_path, hosts: Vec::new(), listening: None, client_auth: None };
    let (certificate, _) = Certificate::open(tls).unwrap();
    let store = Arc::new(store);
    let sources = Sources {
        webhooks: Arc::new(webhooks(&store)),
        store,
        gate: Arc::new(gate()),
        broadcasts: Broadcasts::new().unwrap(),
        certificate,
        waiting: Bulkhead::new(2, "2 calls wait"),
    };
    let waits = sources.waiting.try_enter().unwrap();
    let metrics = Metrics { reading: Arc::new(reading()), sources };
    let text = metrics.text(&requests, true).unwrap();
    drop((listener, under_way, waits));
    text
}

/// The names of metrics and their types, as they are told.
fn told(text: &str) -> BTreeSet<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

fn documented() -> BTreeSet<(String, String)> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `ldk_server_"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let name = cells.next().unwrap().trim_matches('`');
        (name.to_owned(), cells.next().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn every_metric_has_its_help_and_its_value() {
    let dir = TempDir::new().unwrap();
    let text = eventful(&dir);
    for sample in [
        "total_peers_count 2",
        "total_payments_count 4",
        "total_pending_payments_count 1",
        "total_successful_payments_count 1",
        "total_failed_payments_count 2",
        "total_channels_count 5",
        "total_public_channels_count 2",
        "total_private_channels_count 3",
        "total_onchain_balance_sats 4",
        "spendable_onchain_balance_sats 2100000000000000",
        "total_anchor_channels_reserve_sats 6",
        "anchor_reserve_missing_sats 9",
        "total_lightning_balance_sats 7",
        "events_head_index 12",
        "events_oldest_index 13",
        "event_consumers_count 14",
        "events_removed_unacknowledged_total 15",
        "ready 1",
        "connected_peers 1",
        "channels{state=\"usable\"} 3",
        "channels{state=\"unusable\"} 2",
        "channels{state=\"pending\"} 0",
        "channels_outbound_capacity_msat{state=\"unusable\"} 80",
        "channels_inbound_capacity_msat{state=\"usable\"} 5",
        "chain_height_blocks 150",
        "nearest_htlc_deadline_blocks -10",
        "sync_age_seconds{of=\"lightning_wallet\"} 0",
        "event_consumer_lag_events{consumer=\"shop-1\"} 8",
        "event_subscribers 1",
        "events_recorded_total{kind=\"payment_received\"} 2",
        "events_recorded_total{kind=\"payment_forwarded\"} 2",
        "forwards_total 2",
        "forwarded_msat_total 1000",
        "forward_fees_earned_msat_total 7",
        "payments{direction=\"inbound\",kind=\"bolt11\",status=\"pending\"} 1",
        "payments{direction=\"inbound\",kind=\"bolt11\",status=\"succeeded\"} 1",
        "payments{direction=\"outbound\",kind=\"bolt11\",status=\"pending\"} 0",
        "payments{direction=\"outbound\",kind=\"bolt11\",status=\"succeeded\"} 1",
        "payments{direction=\"outbound\",kind=\"bolt11\",status=\"failed\"} 1",
        "payments_received_msat_total{kind=\"bolt11\"} 1000",
        "payments_sent_msat_total{kind=\"bolt11\"} 1000",
        "payments_fees_paid_msat_total{kind=\"bolt11\"} 30",
        "rpc_total{code=\"OK\",method=\"ListPeers\"} 1",
        "rpc_total{code=\"UNAVAILABLE\",method=\"ListPeers\"} 1",
        "rpc_total{code=\"OK\",method=\"other\"} 1",
        "rpc_in_flight{method=\"ListPeers\"} 0",
        "rpc_in_flight{method=\"SubscribeEvents\"} 1",
        "waiting_calls 1",
        "rpc_duration_seconds_bucket{method=\"ListPeers\",le=\"0.01\"} 0",
        "rpc_duration_seconds_bucket{method=\"ListPeers\",le=\"0.025\"} 2",
        "store_queued_writes 0",
        "peer_connections{direction=\"inbound\"} 0",
        "peer_connections_refused_total{reason=\"address\"} 0",
        "peer_connections_dropped_total{reason=\"handshake\"} 0",
        "peer_gate_bypassed_total{direction=\"outbound\"} 0",
        "peer_held_bytes 0",
        "peer_hold_duration_seconds_count 0",
    ] {
        let line = format!("\nldk_server_{sample}\n");
        assert!(text.contains(&line), "{sample} is not in {text}");
    }
    // The payments of this start, the events and the backup.
    for histogram in ["store_commit_duration_seconds", "store_commit_writes"] {
        let line = format!("ldk_server_{histogram}_count 14\n");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    assert!(!text.contains("of=\"fee_rates\""), "{text}");
    for (name, _) in told(&text) {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
}

/// The system tells only on Linux what the process uses.
#[cfg(target_os = "linux")]
#[test]
fn what_is_documented_is_what_is_told() {
    let dir = TempDir::new().unwrap();
    let in_postgres =
        postgres::testing::text(Some(postgres::testing::replicas(&[("a", "sync", 0)])));
    assert_eq!(documented(), &told(&eventful(&dir)) | &told(&in_postgres));
}

#[test]
fn alerts_and_dashboard_use_only_what_there_is() {
    let mut names = BTreeSet::new();
    for (name, kind) in documented() {
        if kind == "histogram" {
            names.extend(["bucket", "count", "sum"].map(|part| format!("{name}_{part}")));
        } else {
            names.insert(name);
        }
    }
    let is_in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for text in [ALERTS, DASHBOARD] {
        let used = text.split(|letter| !is_in_name(letter));
        let used: Vec<&str> = used.filter(|word| word.starts_with("ldk_server_")).collect();
        assert!(!used.is_empty());
        for name in used {
            assert!(names.contains(name), "{name} is not in docs/metrics.md");
        }
    }
}

/// Nobody is asked before a peer opens a channel, and the library keeps silent when money is missing.
#[test]
fn there_are_alerts_for_what_closing_channels_may_cost() {
    for name in ["anchor_reserve_missing_sats", "inbound_channels_reserve_sats"] {
        let alert = format!("ldk_server_{name} > 0");
        assert!(ALERTS.contains(&alert), "{alert}");
    }
}

/// A replica that was behind is an old state.
#[test]
fn there_are_alerts_for_what_a_standby_needs() {
    for name in ["lease_age_seconds", "replicas_may_be_old", "replica_lag_bytes", "commit_retries"]
    {
        let name = format!("ldk_server_postgres_{name}");
        assert!(ALERTS.contains(&name), "{name}");
    }
    assert!(ALERTS.contains("ldk_server_postgres_standbys == 0"));
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables.iter().any(|variable| {
            variable["type"] == "datasource" && variable["query"] == "prometheus"
        })
    );
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            assert!(target["expr"].as_str().is_some_and(|expr| !expr.is_empty()), "{panel}");
        }
    }
}
