//! Bolt12Receive and Bolt12Send.

use anyhow::{Result, bail};
use e2e_tests::Node;
use ldk_server_client::api::{Bolt12ReceiveRequest, Bolt12ReceiveResponse, Bolt12SendRequest};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{
    Bolt12Offer, Payment, PaymentDirection, PaymentStatus, RouteParametersConfig,
};

use crate::sending::{AMOUNT_MSAT, kind, next_received};

const NOTE: &str = "thank you for the ☕";
/// The longest that there may be.
const DESCRIPTION_BYTES: usize = 4096;
const NOTE_BYTES: usize = 512;

/// An offer, as this request asks for it.
pub(super) async fn offer(
    payee: &Node,
    request: Bolt12ReceiveRequest,
) -> Result<Bolt12ReceiveResponse> {
    Ok(payee.client().bolt12_receive(request).await?)
}

/// Pays an offer; returns the payment as the payer and as the payee tell of it.
pub(super) async fn pays(
    payer: &Node,
    payee: &Node,
    request: Bolt12SendRequest,
) -> Result<[Payment; 2]> {
    let (mut sending, mut receiving) = (payer.events().await?, payee.events().await?);
    let payment_id = payer.client().bolt12_send(request).await?.payment_id;
    let sent = sending.payment_successful(&payment_id).await?;
    let (received, records) = next_received(&mut receiving).await?;
    assert_eq!(records, [], "an offer is paid without records");
    assert_eq!(payer.payment(&payment_id).await?, sent);
    assert_eq!(payee.payment(&received.id).await?, received);
    Ok([sent, received])
}

fn details(payment: &Payment) -> Result<Bolt12Offer> {
    match kind(payment) {
        Some(Kind::Bolt12Offer(details)) => Ok(details),
        other => bail!("not a payment for an offer: {other:?}"),
    }
}

pub(super) async fn both_sides_tell_of_it(payer: &Node, payee: &Node) -> Result<()> {
    let request = Bolt12ReceiveRequest {
        description: "coffee".to_owned(),
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: Some(3_600),
        quantity: Some(5),
        ..Default::default()
    };
    let Bolt12ReceiveResponse { offer, offer_id } = self::offer(payee, request).await?;
    assert!(offer.starts_with("lno1"), "{offer}");
    let request = Bolt12SendRequest {
        offer,
        quantity: Some(3),
        payer_note: Some(NOTE.to_owned()),
        ..Default::default()
    };
    let [sent, received] = pays(payer, payee, request).await?;

    assert_eq!(sent.direction(), PaymentDirection::Outbound);
    assert_eq!(received.direction(), PaymentDirection::Inbound);
    let (theirs, ours) = (details(&received)?, details(&sent)?);
    assert_eq!(Some(&received.id), theirs.hash.as_ref(), "what arrives has its hash for an id");
    assert_ne!(Some(&sent.id), ours.hash.as_ref(), "what is sent has an id of its own");
    assert_eq!((ours.hash, ours.preimage.clone()), (theirs.hash, theirs.preimage));
    assert_eq!(ours.preimage.map(|preimage| preimage.len()), Some(64), "it is proven");
    for (payment, details) in [(&sent, details(&sent)?), (&received, details(&received)?)] {
        assert_eq!(payment.status(), PaymentStatus::Succeeded);
        assert_eq!(payment.amount_msat, Some(3 * AMOUNT_MSAT), "{payment:?}");
        assert_eq!(details.offer_id, offer_id);
        assert_eq!(details.payer_note.as_deref(), Some(NOTE));
        assert_eq!(details.quantity, Some(3));
    }
    Ok(())
}

pub(super) async fn the_payer_chooses_within_the_offer(payer: &Node, payee: &Node) -> Result<()> {
    // Any amount, of an offer that says as much as an offer can, with a note that does.
    let variable =
        Bolt12ReceiveRequest { description: "a".repeat(DESCRIPTION_BYTES), ..Default::default() };
    let variable = offer(payee, variable).await?.offer;
    let note = "é".repeat(NOTE_BYTES / 2);
    let request = Bolt12SendRequest {
        offer: variable,
        amount_msat: Some(1_234_567),
        payer_note: Some(note.clone()),
        ..Default::default()
    };
    for payment in pays(payer, payee, request).await? {
        assert_eq!(payment.amount_msat, Some(1_234_567));
        assert_eq!(details(&payment)?.payer_note, Some(note.clone()));
        assert_eq!(details(&payment)?.quantity, None);
    }

    // As much as the offer asks for, and more; and as often as one likes.
    let fixed = Bolt12ReceiveRequest { amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
    let fixed = offer(payee, fixed).await?.offer;
    for (amount_msat, paid) in [(None, AMOUNT_MSAT), (Some(AMOUNT_MSAT + 1), AMOUNT_MSAT + 1)] {
        let route_parameters = Some(RouteParametersConfig {
            max_total_routing_fee_msat: Some(0),
            max_total_cltv_expiry_delta: 500,
            max_path_count: 1,
            max_channel_saturation_power_of_half: 1,
            max_total_routing_fee_ppm: Some(0),
        });
        let offer = fixed.clone();
        let request =
            Bolt12SendRequest { offer, amount_msat, route_parameters, ..Default::default() };
        for payment in pays(payer, payee, request).await? {
            assert_eq!(payment.amount_msat, Some(paid));
        }
    }
    Ok(())
}
