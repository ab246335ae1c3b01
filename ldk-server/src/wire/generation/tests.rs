use ldk_server_grpc::RPC_NAMES;
use ldk_server_grpc::api::{
    AllFunds, DecodeOfferResponse, GetPaymentDetailsResponse, ListForwardedPaymentsResponse,
    OnchainSendRequest,
};
use ldk_server_grpc::events::{self, EventEnvelope, event_envelope};
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{self, Bolt11Jit, Bolt12Offer, Payment, Spontaneous};
use prost::Message;
use tonic::Code;

use super::head::{
    BlindedPath, DirectedShortChannelId, ForwardedPayment, HeadKind, HtlcLocator, IntroductionNode,
    PaymentKind,
};
use super::*;

/// A payment as a client of the later generation reads it.
#[derive(Clone, PartialEq, Message)]
struct HeadPayment {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<PaymentKind>,
    #[prost(uint64, optional, tag = "3")]
    amount_msat: Option<u64>,
    #[prost(uint64, tag = "6")]
    latest_update_timestamp: u64,
}

/// What holds one message in its field 1, as several answers do.
#[derive(Clone, PartialEq, Message)]
struct First<T: Message + Default + std::fmt::Debug> {
    #[prost(message, optional, tag = "1")]
    held: Option<T>,
}

/// An event, which has one of its kinds in a field.
#[derive(Clone, PartialEq, Message)]
struct HeadEnvelope {
    #[prost(uint64, tag = "1")]
    event_index: u64,
    #[prost(message, optional, tag = "6")]
    payment_forwarded: Option<First<ForwardedPayment>>,
}

fn payment(kind: Kind) -> Payment {
    Payment {
        id: "id".to_owned(),
        kind: Some(types::PaymentKind { kind: Some(kind) }),
        amount_msat: Some(7),
        latest_update_timestamp: 9,
        ..Default::default()
    }
}

fn read<T: Message + Default>(method: &str, answer: &impl Message) -> T {
    T::decode(&*answer_for_head(method, &answer.encode_to_vec()).unwrap()).unwrap()
}

#[test]
fn the_answers_that_differ_are_known() {
    let differing: Vec<_> = RPC_NAMES.iter().filter(|method| differs(method)).copied().collect();
    let expected = [
        "GetPaymentDetails",
        "WaitPayment",
        "UpdatePayment",
        "ListPayments",
        "ListForwardedPayments",
        "DecodeOffer",
        "SubscribeEvents",
    ];
    assert_eq!(differing, expected);
}

#[test]
fn a_payment_is_read_by_a_client_of_the_later_generation() {
    let skimmed = Some(3);
    for (kind, expected) in [
        (
            Kind::Bolt12Offer(Bolt12Offer { offer_id: "offer".to_owned(), ..Default::default() }),
            HeadKind::Bolt12Offer(Bolt12Offer {
                offer_id: "offer".to_owned(),
                ..Default::default()
            }),
        ),
        (
            Kind::Spontaneous(Spontaneous { hash: "hash".to_owned(), preimage: None }),
            HeadKind::Spontaneous(Spontaneous { hash: "hash".to_owned(), preimage: None }),
        ),
        (
            Kind::Bolt11Jit(Bolt11Jit {
                hash: "hash".to_owned(),
                counterparty_skimmed_fee_msat: skimmed,
                ..Default::default()
            }),
            HeadKind::Bolt11(types::Bolt11 {
                hash: "hash".to_owned(),
                counterparty_skimmed_fee_msat: skimmed,
                ..Default::default()
            }),
        ),
    ] {
        let answer = GetPaymentDetailsResponse { payment: Some(payment(kind)) };
        let First { held } = read::<First<HeadPayment>>("GetPaymentDetails", &answer);
        let held = held.unwrap();
        assert_eq!(held.kind.unwrap().kind, Some(expected));
        assert_eq!((held.id.as_str(), held.amount_msat), ("id", Some(7)));
        assert_eq!(held.latest_update_timestamp, 9);
    }
}

fn forwarded() -> (types::ForwardedPayment, ForwardedPayment) {
    let base = types::ForwardedPayment {
        prev_channel_id: "from".to_owned(),
        next_channel_id: "to".to_owned(),
        prev_user_channel_id: "1".to_owned(),
        total_fee_earned_msat: Some(5),
        claim_from_onchain_tx: true,
        prev_node_id: "alice".to_owned(),
        created_at: 8,
        ..Default::default()
    };
    let locator = |channel_id: &str, user: Option<&str>, node: Option<&str>| HtlcLocator {
        channel_id: channel_id.to_owned(),
        user_channel_id: user.map(str::to_owned),
        node_id: node.map(str::to_owned),
    };
    let head = ForwardedPayment {
        total_fee_earned_msat: Some(5),
        claim_from_onchain_tx: true,
        prev_htlcs: vec![locator("from", Some("1"), Some("alice"))],
        next_htlcs: vec![locator("to", None, None)],
        created_at: 8,
        ..Default::default()
    };
    (base, head)
}

#[test]
fn forwards_are_read_in_lists_and_in_events() {
    let (base, head) = forwarded();
    let answer = ListForwardedPaymentsResponse {
        forwarded_payments: vec![base.clone()],
        next_page_token: None,
    };
    let list = read::<First<ForwardedPayment>>("ListForwardedPayments", &answer);
    assert_eq!(list.held, Some(head.clone()));

    let event = event_envelope::Event::PaymentForwarded(events::PaymentForwarded {
        forwarded_payment: Some(base),
    });
    let envelope = EventEnvelope { event_index: 4, event: Some(event), ..Default::default() };
    let read = read::<HeadEnvelope>("SubscribeEvents", &envelope);
    assert_eq!(read.event_index, 4);
    assert_eq!(read.payment_forwarded.unwrap().held, Some(head));
}

#[test]
fn the_path_of_an_offer_begins_at_a_node_or_a_channel() {
    let path = types::BlindedPath {
        introduction_node_id: None,
        blinding_point: "point".to_owned(),
        num_hops: 2,
        introduction_scid: Some(42),
        introduction_direction: Some(types::ChannelDirection::NodeTwo.into()),
    };
    let expected = BlindedPath {
        introduction_node: Some(IntroductionNode::DirectedScid(DirectedShortChannelId {
            scid: 42,
            direction: 1,
        })),
        blinding_point: "point".to_owned(),
        num_hops: 2,
    };
    let head = head::blinded_path(&path.encode_to_vec()).unwrap();
    assert_eq!(BlindedPath::decode(&*head).unwrap(), expected);
    let by_node = types::BlindedPath {
        introduction_node_id: Some("alice".to_owned()),
        introduction_scid: None,
        introduction_direction: None,
        ..path.clone()
    };
    let head = head::blinded_path(&by_node.encode_to_vec()).unwrap();
    let node = Some(IntroductionNode::NodeId("alice".to_owned()));
    assert_eq!(BlindedPath::decode(&*head).unwrap().introduction_node, node);

    // All else in the answer stays as it is.
    let answer = DecodeOfferResponse {
        offer_id: "offer".to_owned(),
        paths: vec![path],
        ..Default::default()
    };
    let rewritten = answer_for_head("DecodeOffer", &answer.encode_to_vec()).unwrap();
    let without = |answer: &[u8]| {
        let mut answer = DecodeOfferResponse::decode(answer);
        answer.as_mut().map(|answer| answer.paths.clear()).is_ok()
    };
    assert!(!without(&rewritten), "a client of the first generation cannot read it");
}

#[test]
fn both_ways_to_send_all_are_told_apart() {
    let address = "bcrt1";
    let base = OnchainSendRequest {
        address: address.to_owned(),
        send_all: Some(true),
        ..Default::default()
    };
    assert_eq!(request_from_any("OnchainSend", &base.encode_to_vec()).unwrap(), None);
    // The address, an empty message in field 3, and a fee rate in field 4.
    let head = [&[0x0a, 5][..], address.as_bytes(), &[0x1a, 0, 0x20, 7]].concat();
    let read = request_from_any("OnchainSend", &head).unwrap().unwrap();
    let expected = OnchainSendRequest {
        address: address.to_owned(),
        all_funds: Some(AllFunds {}),
        fee_rate_sat_per_vb: Some(7),
        ..Default::default()
    };
    assert_eq!(OnchainSendRequest::decode(&*read).unwrap(), expected);
    assert_eq!(request_from_any("Bolt11Receive", &head).unwrap(), None);
    assert!(request_from_any("OnchainSend", &[0x1a, 9]).is_err());
}

#[test]
fn what_is_no_message_is_an_error() {
    for broken in [&[0x0a][..], &[0x0a, 5, 1], &[0x0a, 2, 0x12, 9], &[0xff; 12]] {
        assert!(answer_for_head("GetPaymentDetails", broken).is_err(), "{broken:?}");
    }
}

#[test]
fn the_generation_is_said_or_follows_from_the_signature() {
    let of = |values: &[&str], form| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        Generation::of(&headers, form).map_err(|status| status.code())
    };
    assert_eq!(of(&[], Form::TimestampOnly), Ok(Generation::Base));
    assert_eq!(of(&[], Form::BodyBound), Ok(Generation::Head));
    assert_eq!(of(&[], Form::RequestBound), Ok(Generation::Base));
    for form in [Form::TimestampOnly, Form::BodyBound, Form::RequestBound] {
        assert_eq!(of(&["base"], form), Ok(Generation::Base));
        assert_eq!(of(&["head"], form), Ok(Generation::Head));
        for wrong in [&["Head"][..], &[""], &["base", "head"], &["head", "head"]] {
            assert_eq!(of(wrong, form), Err(Code::InvalidArgument));
        }
    }
}
