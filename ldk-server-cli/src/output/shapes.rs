//! The JSON of answers, as scripts read it.

use ldk_server_grpc::api::{
    DecodeInvoiceResponse, DecodeOfferResponse, DisconnectPeerResponse,
    ExportPathfindingScoresResponse, GetBalancesResponse, GetNodeInfoResponse,
    GetPaymentDetailsResponse, GraphListChannelsResponse, ListChannelsResponse,
    ListEventConsumersResponse, UnifiedSendResponse, unified_send_response,
};
use ldk_server_grpc::events::{
    ChannelState, ChannelStateChangeReason, ChannelStateChangeReasonKind, ChannelStateChanged,
    EventEnvelope, HolderForceClosedDetails, PaymentClaimable, PaymentFailedBack,
    PaymentFailedBackReason, PaymentReceived, SpliceState, SpliceStateChanged,
    channel_state_change_reason, event_envelope,
};
use ldk_server_grpc::types::{
    BalanceSource, BestBlock, Bolt11, Bolt11Feature, Channel, ChannelConfig,
    ClaimableAwaitingConfirmations, CustomTlvRecord, EventConsumer, Feature, ForwardedPayment,
    LightningBalance, Network, OfferAmount, OfferQuantity, OutPoint, Payment, PaymentDirection,
    PaymentKind, PaymentStatus, lightning_balance, offer_amount, offer_quantity, payment_kind,
};
use serde::Serialize;

use super::{Format, render};

#[track_caller]
fn assert_json(answer: &impl Serialize, expected: &str) {
    assert_eq!(render(answer, Format::Json).unwrap(), expected);
}

#[test]
fn what_acts_on_a_terminal_is_escaped_in_json() {
    let answer = serde_json::json!({ "alias": "a\u{202e}\u{9b}नी\u{200d}क" });
    assert_json(&answer, "{\n  \"alias\": \"a\\u202e\\u009bनी\u{200d}क\"\n}");
}

fn received_payment() -> Payment {
    let bolt11 = Bolt11 {
        hash: "00ff".to_owned(),
        preimage: None,
        secret: Some(vec![0xAB, 0x01]),
        counterparty_skimmed_fee_msat: None,
    };
    Payment {
        id: "00ff".to_owned(),
        kind: Some(PaymentKind { kind: Some(payment_kind::Kind::Bolt11(bolt11)) }),
        amount_msat: Some(18_446_744_073_709_551_615),
        direction: PaymentDirection::Outbound.into(),
        status: PaymentStatus::Succeeded.into(),
        latest_update_timestamp: 1_760_000_000,
        fee_paid_msat: None,
        created_at: 1_759_999_999,
        expired: false,
        outcome_unknown: false,
        failure_reason: None,
        label: String::new(),
        metadata: Default::default(),
    }
}

#[test]
fn an_answer_without_fields_is_an_empty_object() {
    assert_json(&DisconnectPeerResponse {}, "{}");
}

#[test]
fn node_info_has_every_field_and_enums_by_name() {
    let features = [(14, "payment_secret"), (9, "tlv_onion")]
        .map(|(bit, name)| (bit, Feature { name: name.to_owned(), is_required: bit % 2 == 0 }));
    let info = GetNodeInfoResponse {
        node_id: "02aa".to_owned(),
        current_best_block: Some(BestBlock { block_hash: "00".to_owned(), height: 7 }),
        latest_onchain_wallet_sync_timestamp: Some(1_760_000_000),
        listening_addresses: vec!["127.0.0.1:9735".to_owned()],
        network: Network::Regtest.into(),
        features: features.into(),
        ..Default::default()
    };
    assert_json(
        &info,
        r#"{
  "node_id": "02aa",
  "current_best_block": {
    "block_hash": "00",
    "height": 7
  },
  "latest_lightning_wallet_sync_timestamp": null,
  "latest_onchain_wallet_sync_timestamp": 1760000000,
  "latest_fee_rate_cache_update_timestamp": null,
  "latest_rgs_snapshot_timestamp": null,
  "latest_node_announcement_broadcast_timestamp": null,
  "listening_addresses": [
    "127.0.0.1:9735"
  ],
  "announcement_addresses": [],
  "node_alias": null,
  "node_uris": [],
  "network": "REGTEST",
  "features": {
    "9": {
      "name": "tlv_onion",
      "is_required": false
    },
    "14": {
      "name": "payment_secret",
      "is_required": true
    }
  }
}"#,
    );
}

#[test]
fn a_oneof_is_an_object_under_its_name() {
    let balance = ClaimableAwaitingConfirmations {
        channel_id: "cc".to_owned(),
        counterparty_node_id: "02aa".to_owned(),
        amount_satoshis: 5,
        confirmation_height: 8,
        source: BalanceSource::CoopClose.into(),
    };
    let balance = lightning_balance::BalanceType::ClaimableAwaitingConfirmations(balance);
    let balances = GetBalancesResponse {
        total_lightning_balance_sats: 5,
        lightning_balances: vec![LightningBalance { balance_type: Some(balance) }],
        ..Default::default()
    };
    assert_json(
        &balances,
        r#"{
  "total_onchain_balance_sats": 0,
  "spendable_onchain_balance_sats": 0,
  "total_anchor_channels_reserve_sats": 0,
  "total_lightning_balance_sats": 5,
  "lightning_balances": [
    {
      "balance_type": {
        "claimable_awaiting_confirmations": {
          "channel_id": "cc",
          "counterparty_node_id": "02aa",
          "amount_satoshis": 5,
          "confirmation_height": 8,
          "source": "COOP_CLOSE"
        }
      }
    }
  ],
  "pending_balances_from_channel_closures": []
}"#,
    );
}

#[test]
fn a_payment_has_its_kind_nested_and_its_secret_as_hex() {
    let details = GetPaymentDetailsResponse { payment: Some(received_payment()) };
    assert_json(
        &details,
        r#"{
  "payment": {
    "id": "00ff",
    "kind": {
      "kind": {
        "bolt11": {
          "hash": "00ff",
          "preimage": null,
          "secret": "ab01",
          "counterparty_skimmed_fee_msat": null
        }
      }
    },
    "amount_msat": 18446744073709551615,
    "direction": "OUTBOUND",
    "status": "SUCCEEDED",
    "latest_update_timestamp": 1760000000,
    "fee_paid_msat": null,
    "created_at": 1759999999,
    "expired": false,
    "outcome_unknown": false
  }
}"#,
    );
    assert_json(&GetPaymentDetailsResponse { payment: None }, "{\n  \"payment\": null\n}");
}

#[test]
fn a_channel_has_every_field() {
    let channel = Channel {
        channel_id: "cc".to_owned(),
        counterparty_node_id: "02aa".to_owned(),
        funding_txo: Some(OutPoint { txid: "dd".to_owned(), vout: 1 }),
        user_channel_id: "340282366920938463463374607431768211455".to_owned(),
        channel_value_sats: 100_000,
        is_outbound: true,
        channel_config: Some(ChannelConfig::default()),
        ..Default::default()
    };
    assert_json(
        &ListChannelsResponse { channels: vec![channel] },
        r#"{
  "channels": [
    {
      "channel_id": "cc",
      "counterparty_node_id": "02aa",
      "funding_txo": {
        "txid": "dd",
        "vout": 1
      },
      "user_channel_id": "340282366920938463463374607431768211455",
      "unspendable_punishment_reserve": null,
      "channel_value_sats": 100000,
      "feerate_sat_per_1000_weight": 0,
      "outbound_capacity_msat": 0,
      "inbound_capacity_msat": 0,
      "confirmations_required": null,
      "confirmations": null,
      "is_outbound": true,
      "is_channel_ready": false,
      "is_usable": false,
      "is_announced": false,
      "channel_config": {
        "forwarding_fee_proportional_millionths": null,
        "forwarding_fee_base_msat": null,
        "cltv_expiry_delta": null,
        "force_close_avoidance_max_fee_satoshis": null,
        "accept_underpaying_htlcs": null,
        "max_dust_htlc_exposure": null
      },
      "next_outbound_htlc_limit_msat": 0,
      "next_outbound_htlc_minimum_msat": 0,
      "force_close_spend_delay": null,
      "counterparty_outbound_htlc_minimum_msat": null,
      "counterparty_outbound_htlc_maximum_msat": null,
      "counterparty_unspendable_punishment_reserve": 0,
      "counterparty_forwarding_info_fee_base_msat": null,
      "counterparty_forwarding_info_fee_proportional_millionths": null,
      "counterparty_forwarding_info_cltv_expiry_delta": null
    }
  ]
}"#,
    );
}

#[test]
fn a_unified_payment_is_flattened_to_its_result() {
    let paid = unified_send_response::PaymentResult::Bolt11PaymentId("00ff".to_owned());
    let answer = UnifiedSendResponse { payment_result: Some(paid), ..Default::default() };
    assert_json(&answer, "{\n  \"bolt11_payment_id\": \"00ff\"\n}");
    let answer = UnifiedSendResponse { left_out: vec!["on chain: dust".to_owned()], ..answer };
    let left_out = "\"left_out\": [\n    \"on chain: dust\"\n  ]";
    assert_json(&answer, &format!("{{\n  \"bolt11_payment_id\": \"00ff\",\n  {left_out}\n}}"));
}

#[test]
fn scores_are_hex_under_a_longer_name() {
    let answer = ExportPathfindingScoresResponse { scores: vec![0, 255] };
    assert_json(&answer, "{\n  \"pathfinding_scores\": \"00ff\"\n}");
}

#[test]
fn short_channel_ids_are_whole_numbers() {
    let answer = GraphListChannelsResponse { short_channel_ids: vec![u64::MAX] };
    let expected = "{\n  \"short_channel_ids\": [\n    18446744073709551615\n  ]\n}";
    assert_json(&answer, expected);
}

#[test]
fn features_are_listed_by_their_bits() {
    let feature = |name: &str, is_required, is_known| Bolt11Feature {
        name: name.to_owned(),
        is_required,
        is_known,
    };
    let answer = DecodeInvoiceResponse {
        features: [(99, feature("unknown", false, false)), (8, feature("x", true, true))].into(),
        ..Default::default()
    };
    let json = render(&answer, Format::Json).unwrap();
    let features = r#"
  "features": {
    "8": {
      "name": "x",
      "is_required": true,
      "is_known": true
    },
    "99": {
      "name": "unknown",
      "is_required": false,
      "is_known": false
    }
  },"#;
    assert!(json.contains(features), "{json}");
}

#[test]
fn amount_and_quantity_of_an_offer_are_oneofs() {
    let answer = DecodeOfferResponse {
        amount: Some(OfferAmount { amount: Some(offer_amount::Amount::BitcoinAmountMsats(5)) }),
        quantity: Some(OfferQuantity { quantity: Some(offer_quantity::Quantity::One(true)) }),
        ..Default::default()
    };
    let json = serde_json::to_string(&answer).unwrap();
    assert!(json.contains(r#""amount":{"amount":{"bitcoin_amount_msats":5}}"#), "{json}");
    assert!(json.contains(r#""quantity":{"quantity":{"one":true}}"#), "{json}");
}

/// An event as the command `events` prints it.
fn line(event: event_envelope::Event) -> String {
    serde_json::to_string(&EventEnvelope {
        event_index: 7,
        created_at: 1_760_000_000,
        event: Some(event),
    })
    .unwrap()
}

#[test]
fn an_event_is_one_line() {
    let changed = ChannelStateChanged {
        channel_id: "cc".to_owned(),
        user_channel_id: "7".to_owned(),
        state: ChannelState::Ready.into(),
        ..Default::default()
    };
    assert_eq!(
        line(event_envelope::Event::ChannelStateChanged(changed)),
        r#"{"event_index":7,"created_at":1760000000,"event":{"channel_state_changed":{"channel_id":"cc","user_channel_id":"7","counterparty_node_id":null,"state":"CHANNEL_STATE_READY","funding_txo":null,"reason":null,"closure_initiator":"CHANNEL_CLOSURE_INITIATOR_UNSPECIFIED"}}}"#
    );
    let received =
        PaymentReceived { payment: Some(received_payment()), custom_records: Vec::new() };
    let line = line(event_envelope::Event::PaymentReceived(received));
    assert!(line.starts_with(
        r#"{"event_index":7,"created_at":1760000000,"event":{"payment_received":{"payment":{"id""#
    ));
    assert!(!line.contains('\n'));
}

#[test]
fn a_closed_channel_tells_why() {
    let details =
        HolderForceClosedDetails { broadcasted_latest_txn: Some(true), message: "gone".to_owned() };
    let reason = ChannelStateChangeReason {
        kind: ChannelStateChangeReasonKind::HolderForceClosed.into(),
        message: "closed".to_owned(),
        details: Some(channel_state_change_reason::Details::HolderForceClosed(details)),
    };
    let changed = ChannelStateChanged { reason: Some(reason), ..Default::default() };
    let line = line(event_envelope::Event::ChannelStateChanged(changed));
    let expected = r#""reason":{"kind":"CHANNEL_STATE_CHANGE_REASON_KIND_HOLDER_FORCE_CLOSED","message":"closed","details":{"holder_force_closed":{"broadcasted_latest_txn":true,"message":"gone"}}}"#;
    assert!(line.contains(expected), "{line}");
}

#[test]
fn a_held_payment_has_its_records_and_deadline() {
    let record = CustomTlvRecord { type_num: 65_537, value: vec![0, 255] };
    let claimable = PaymentClaimable {
        payment: None,
        custom_records: vec![record],
        claim_deadline: Some(144),
        claimable_amount_msat: Some(7_000),
    };
    assert_eq!(
        line(event_envelope::Event::PaymentClaimable(claimable)),
        r#"{"event_index":7,"created_at":1760000000,"event":{"payment_claimable":{"payment":null,"custom_records":[{"type_num":65537,"value":"00ff"}],"claim_deadline":144,"claimable_amount_msat":7000}}}"#
    );
    let failed_back = PaymentFailedBack {
        payment: None,
        reason: PaymentFailedBackReason::Deadline.into(),
        claim_deadline: None,
    };
    assert_eq!(
        line(event_envelope::Event::PaymentFailedBack(failed_back)),
        r#"{"event_index":7,"created_at":1760000000,"event":{"payment_failed_back":{"payment":null,"reason":"PAYMENT_FAILED_BACK_REASON_DEADLINE","claim_deadline":null}}}"#
    );
}

#[test]
fn a_splice_has_its_state_by_name() {
    let changed = SpliceStateChanged {
        channel_id: "cc".to_owned(),
        user_channel_id: "7".to_owned(),
        counterparty_node_id: "02aa".to_owned(),
        state: SpliceState::Pending.into(),
        funding_txo: Some("dd:1".to_owned()),
    };
    assert_eq!(
        line(event_envelope::Event::SpliceStateChanged(changed)),
        r#"{"event_index":7,"created_at":1760000000,"event":{"splice_state_changed":{"channel_id":"cc","user_channel_id":"7","counterparty_node_id":"02aa","state":"SPLICE_STATE_PENDING","funding_txo":"dd:1"}}}"#
    );
}

#[test]
fn a_forwarded_payment_has_the_time_it_was_forwarded() {
    let forwarded = ForwardedPayment { created_at: 1_760_000_000, ..Default::default() };
    let json = serde_json::to_string(&forwarded).unwrap();
    assert!(json.ends_with(r#""created_at":1760000000}"#), "{json}");
}

#[test]
fn consumers_are_a_list_and_one_table() {
    let shop = EventConsumer {
        name: "shop".to_owned(),
        acknowledged_index: 7,
        unacknowledged_events: 2,
        created_at: 1_760_000_000,
        last_acknowledged_at: None,
    };
    let answer =
        ListEventConsumersResponse { consumers: vec![shop], head_index: 9, oldest_index: 1 };
    assert_json(
        &answer,
        r#"{
  "consumers": [
    {
      "name": "shop",
      "acknowledged_index": 7,
      "unacknowledged_events": 2,
      "created_at": 1760000000,
      "last_acknowledged_at": null
    }
  ],
  "head_index": 9,
  "oldest_index": 1
}"#,
    );
    let expected = "\
┌──────────────┬───┐
│ head_index   ┆ 9 │
│ oldest_index ┆ 1 │
└──────────────┴───┘
consumers:
┌──────┬────────────────────┬───────────────────────┬────────────┬──────────────────────┐
│ name ┆ acknowledged_index ┆ unacknowledged_events ┆ created_at ┆ last_acknowledged_at │
╞══════╪════════════════════╪═══════════════════════╪════════════╪══════════════════════╡
│ shop ┆ 7                  ┆ 2                     ┆ 1760000000 ┆ -                    │
└──────┴────────────────────┴───────────────────────┴────────────┴──────────────────────┘";
    assert_eq!(render(&answer, Format::Table).unwrap(), expected);
}
