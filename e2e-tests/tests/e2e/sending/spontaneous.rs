//! SpontaneousSend.

use anyhow::Result;
use e2e_tests::{Network, Node, invalid, refused};
use ldk_server_client::Code;
use ldk_server_client::api::SpontaneousSendRequest;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{
    CustomTlvRecord, PaymentDirection, PaymentStatus, RouteParametersConfig, Spontaneous,
};

use crate::sending::{
    AMOUNT_MSAT, STRANGER, TOO_MANY_MSATS, failed, fee_limit, kind, next_received,
};

/// 32 times 01, and its SHA-256.
const PREIMAGE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const HASH: &str = "72cd6e8422c407fb6d098690f1130b7ded7ec2f7f5e1d30bd9d521f015363793";

/// What a record may hold at most if it is the only one: its type takes 5 bytes, its length 3.
const LARGEST_RECORD_BYTES: usize = 1_192;

pub(super) fn to(payee: &Node) -> SpontaneousSendRequest {
    SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: payee.id().to_owned(),
        ..Default::default()
    }
}

fn record(type_num: u64, value: &[u8]) -> CustomTlvRecord {
    CustomTlvRecord { type_num, value: value.to_vec() }
}

pub(super) async fn both_sides_tell_of_it(payer: &Node, payee: &Node) -> Result<()> {
    let before = Network::at_rest(payer, payee).await?;
    let (mut sending, mut receiving) = (payer.events().await?, payee.events().await?);
    let records = [record(65_537, b"one"), record(65_539, b""), record(u64::MAX, &[0; 300])];
    let request = SpontaneousSendRequest {
        // In the order of their types they are sent, whatever the order here.
        custom_tlvs: records.iter().rev().cloned().collect(),
        preimage: Some(PREIMAGE.to_owned()),
        ..to(payee)
    };
    let payment_id = payer.client().spontaneous_send(request.clone()).await?.payment_id;
    assert_eq!(payment_id, HASH);

    let sent = sending.payment_successful(HASH).await?;
    let (received, arrived) = next_received(&mut receiving).await?;
    assert_eq!(arrived, records);
    assert_eq!((sent.direction(), sent.fee_paid_msat), (PaymentDirection::Outbound, Some(0)));
    assert_eq!((received.direction(), &received.id), (PaymentDirection::Inbound, &sent.id));
    let details = Spontaneous { hash: HASH.to_owned(), preimage: Some(PREIMAGE.to_owned()) };
    for (node, payment) in [(payer, sent), (payee, received)] {
        assert_eq!(payment.status(), PaymentStatus::Succeeded);
        assert_eq!(payment.amount_msat, Some(AMOUNT_MSAT));
        assert_eq!(kind(&payment), Some(Kind::Spontaneous(details.clone())));
        assert_eq!(node.payment(HASH).await?, payment);
    }
    let after = Network::at_rest(payer, payee).await?;
    assert_eq!(after, [before[0] - AMOUNT_MSAT, before[1] + AMOUNT_MSAT]);

    // The preimage has had its use, on both sides.
    let again = payer.client().spontaneous_send(request).await;
    refused(again, Code::FailedPrecondition, &["preimage", "succeeded"]);
    let back = SpontaneousSendRequest { preimage: Some(PREIMAGE.to_owned()), ..to(payer) };
    let back = payee.client().spontaneous_send(back).await;
    refused(back, Code::FailedPrecondition, &["preimage", "to this node"]);
    assert_eq!(Network::at_rest(payer, payee).await?, after);
    Ok(())
}

pub(super) async fn as_many_records_as_fit(payer: &Node, payee: &Node) -> Result<()> {
    let mut receiving = payee.events().await?;
    let largest = [record(65_537, &[7; LARGEST_RECORD_BYTES])];
    let route_parameters =
        RouteParametersConfig { max_total_cltv_expiry_delta: u32::MAX, ..Default::default() };
    let request = SpontaneousSendRequest {
        custom_tlvs: largest.to_vec(),
        route_parameters: Some(route_parameters),
        ..to(payee)
    };
    payer.client().spontaneous_send(request).await?;
    assert_eq!(next_received(&mut receiving).await?.1, largest);

    let larger = vec![record(65_537, &[7; LARGEST_RECORD_BYTES + 1])];
    let request = SpontaneousSendRequest { custom_tlvs: larger, ..to(payee) };
    let refusal = payer.client().spontaneous_send(request).await;
    refused(refusal, Code::InvalidArgument, &["custom_tlvs: ", "1201", "1200"]);
    Ok(())
}

pub(super) async fn an_even_type_fails(payer: &Node, payee: &Node) -> Result<()> {
    let before = Network::at_rest(payer, payee).await?;
    let mut sending = payer.events().await?;
    let preimage = "02".repeat(32);
    let request = SpontaneousSendRequest { preimage: Some(preimage), ..to(payee) };
    let even = SpontaneousSendRequest {
        custom_tlvs: vec![record(65_536, b"do you know this?")],
        ..request.clone()
    };
    let payment_id = payer.client().spontaneous_send(even).await?.payment_id;
    failed(&mut sending, &payment_id).await?;
    assert_eq!(Network::at_rest(payer, payee).await?, before);

    // What has failed may be tried again, with the same preimage.
    assert_eq!(payer.client().spontaneous_send(request).await?.payment_id, payment_id);
    sending.payment_successful(&payment_id).await?;
    Ok(())
}

pub(super) async fn unusable(payer: &Node, payee: &Node) -> Result<()> {
    let before = Network::at_rest(payer, payee).await?;
    let send = |request| payer.client().spontaneous_send(request);
    for amount_msat in [0, TOO_MANY_MSATS, u64::MAX] {
        invalid(send(SpontaneousSendRequest { amount_msat, ..to(payee) }).await, "amount_msat");
    }
    for node_id in ["", "02ab", &STRANGER[2..], payer.id()] {
        let node_id = node_id.to_owned();
        invalid(send(SpontaneousSendRequest { node_id, ..to(payee) }).await, "node_id");
    }
    for (types, words) in [
        (&[65_537, 65_535][..], ["custom_tlvs[1]", "65535"]),
        (&[5_482_373_484], ["custom_tlvs[0]", "5482373484"]),
        (&[77_777], ["custom_tlvs[0]", "77777"]),
        (&[65_537, 65_539, 65_537], ["custom_tlvs[2]", "65537"]),
    ] {
        let custom_tlvs = types.iter().map(|type_num| record(*type_num, b"x")).collect();
        let refusal = send(SpontaneousSendRequest { custom_tlvs, ..to(payee) }).await;
        refused(refusal, Code::InvalidArgument, &words);
    }
    for secret in ["", "5ec2e7", &format!("{}zz", "5ec2".repeat(15)), &"5ec2".repeat(17)] {
        let preimage = Some((*secret).to_owned());
        let refusal = send(SpontaneousSendRequest { preimage, ..to(payee) }).await;
        let message = refusal.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(!message.contains("5ec2"), "a preimage is quoted: {message}");
        invalid(refusal, "preimage");
    }
    for (field, route_parameters) in [
        (
            "route_parameters.max_path_count",
            RouteParametersConfig { max_path_count: 256, ..Default::default() },
        ),
        (
            "route_parameters.max_channel_saturation_power_of_half",
            RouteParametersConfig {
                max_channel_saturation_power_of_half: 256,
                ..Default::default()
            },
        ),
        (
            "route_parameters.max_total_cltv_expiry_delta",
            RouteParametersConfig { max_total_cltv_expiry_delta: 144, ..Default::default() },
        ),
    ] {
        let route_parameters = Some(route_parameters);
        invalid(send(SpontaneousSendRequest { route_parameters, ..to(payee) }).await, field);
    }
    let node_id = STRANGER.to_owned();
    let nowhere = send(SpontaneousSendRequest { node_id, ..to(payee) }).await;
    refused(nowhere, Code::FailedPrecondition, &["no route"]);
    let all = before[0] + 1;
    let too_much = send(SpontaneousSendRequest { amount_msat: all, ..to(payee) }).await;
    refused(too_much, Code::FailedPrecondition, &["the channels can send", &all.to_string()]);
    // The limits that are least are no hindrance where there is no one to pay a fee to.
    let route_parameters = fee_limit(0);
    send(SpontaneousSendRequest { route_parameters, ..to(payee) }).await?;
    let after = Network::at_rest(payer, payee).await?;
    assert_eq!(after, [before[0] - AMOUNT_MSAT, before[1] + AMOUNT_MSAT]);
    Ok(())
}
