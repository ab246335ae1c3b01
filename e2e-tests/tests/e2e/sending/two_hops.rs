//! alice pays carol through bob.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, refused, until};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11SendRequest, Bolt12ReceiveRequest, Bolt12SendRequest, SpontaneousSendRequest,
};
use ldk_server_client::events::event_envelope::Event;
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_client::types::{Payment, PaymentStatus};

use crate::sending::{
    AMOUNT_MSAT, CHANNEL_SATS, bolt12, failed, fee_limit, fee_limit_ppm, kind, spontaneous,
};

const PATIENCE: Duration = Duration::from_secs(90);

/// Bob takes 2,500 msat for the usual amount and 3,000 for twice as much.
const BOB_CHANNELS: &str = "[channels]\n\
    forwarding_fee_base_msat = 2000\n\
    forwarding_fee_proportional_millionths = 100\n\
    cltv_expiry_delta = 90\n\
    anchor_reserve_sats = 30000\n";
const ALICE_ROUTING: &str = "[routing]\nmax_total_routing_fee_msat = 2600\n";

/// Three nodes in a row.
pub(super) struct Path {
    alice: Arc<Node>,
    bob: Arc<Node>,
    carol: Arc<Node>,
    /// Of carol's. It was made when bob was all that she knew, and so names him as the way to her.
    offer: String,
}

impl Path {
    pub(super) async fn open(network: &Network) -> Result<Self> {
        let (alice, bob, carol) = tokio::try_join!(
            network.node_with("alice", ALICE_ROUTING),
            network.node_with("bob", BOB_CHANNELS),
            network.node("carol")
        )?;
        network.fund(&[&alice, &bob, &carol], 2 * CHANNEL_SATS).await?;
        carol.connect_to(&bob).await?;
        let request = Bolt12ReceiveRequest { amount_msat: Some(AMOUNT_MSAT), ..Default::default() };
        let offer = until("carol can be reached", PATIENCE, async || {
            bolt12::offer(&carol, request.clone()).await
        });
        let offer = offer.await?.offer;
        // Not announced, so that alice, too, is answered through bob: a node that is announced wants
        // to be connected to, and it takes a while until its address has come around.
        network.open_channel(&alice, &bob, CHANNEL_SATS, 0).await?;
        network.open_announced_channel(&bob, &carol, CHANNEL_SATS, 0).await?;
        let opened = bob.usable_channel(&carol).await?.channel_config.context("no settings")?;
        ensure!(opened.cltv_expiry_delta == Some(90), "{opened:?}");
        let kept_sats = bob.balances().await?.total_anchor_channels_reserve_sats;
        ensure!(kept_sats == 2 * 30_000, "{kept_sats} sat are kept for two channels");
        let path = Self { alice, bob, carol, offer };
        path.is_known().await?;
        Ok(path)
    }

    /// Waits until alice has heard of the channel beyond bob: then she can pay. An invoice may also name the
    /// channel, so that she pays it before.
    async fn is_known(&self) -> Result<()> {
        let (alice, carol) = (&self.alice, &self.carol);
        alice.hears_of_channels(1, &self.bob).await?;
        let invoice = carol.invoice(AMOUNT_MSAT).await?;
        let send = async || alice.send(&invoice).await;
        let payment_id = until("alice knows the way to carol", PATIENCE, send).await?;
        for node in [alice, carol] {
            let payment = node.settled(&payment_id).await?;
            ensure!(payment.status() == PaymentStatus::Succeeded, "{payment:?}");
        }
        Ok(())
    }

    pub(super) async fn an_offer_is_paid(&self) -> Result<()> {
        let mut forwarding = self.bob.events().await?;
        let request = Bolt12SendRequest {
            offer: self.offer.clone(),
            payer_note: Some("from afar".to_owned()),
            ..Default::default()
        };
        let [sent, received] = bolt12::pays(&self.alice, &self.carol, request).await?;
        let fee_msat = forwarding
            .wait_for("PaymentForwarded", |event| match event {
                Event::PaymentForwarded(forwarded) => forwarded.forwarded_payment,
                _ => None,
            })
            .await?
            .total_fee_earned_msat;
        ensure!(fee_msat.is_some_and(|fee_msat| fee_msat > 0), "bob earned {fee_msat:?}");
        assert_eq!(sent.fee_paid_msat, fee_msat);
        assert_eq!(received.amount_msat, Some(AMOUNT_MSAT), "the fee is on top");
        for payment in [&sent, &received] {
            let Some(Kind::Bolt12Offer(details)) = kind(payment) else {
                anyhow::bail!("not a payment for an offer: {payment:?}");
            };
            assert_eq!(details.payer_note.as_deref(), Some("from afar"));
        }
        Ok(())
    }

    pub(super) async fn a_node_is_paid(&self) -> Result<()> {
        let mut sending = self.alice.events().await?;
        let request = spontaneous::to(&self.carol);
        let sent = self.keysend(request).await?;
        let sent = sending.payment_successful(&sent).await?;
        // Nobody set a limit; there was one all the same.
        let fee_msat = sent.fee_paid_msat.context("no fee")?;
        ensure!(fee_msat > 0 && fee_msat <= AMOUNT_MSAT / 100 + 50_000, "{fee_msat} msat");
        assert_eq!(self.carol.settled(&sent.id).await?.amount_msat, Some(AMOUNT_MSAT));

        let route_parameters = fee_limit(fee_msat);
        let limited = SpontaneousSendRequest { route_parameters, ..spontaneous::to(&self.carol) };
        let sent = self.keysend(limited).await?;
        sending.payment_successful(&sent).await?;
        Ok(())
    }

    async fn keysend(&self, request: SpontaneousSendRequest) -> Result<String> {
        Ok(self.alice.client().spontaneous_send(request).await?.payment_id)
    }

    pub(super) async fn the_configured_fee_is_the_limit_of_requests_without_one(
        &self,
    ) -> Result<()> {
        let client = self.alice.client();
        let mut sending = self.alice.events().await?;
        let sent = self.keysend(spontaneous::to(&self.carol)).await?;
        assert_eq!(sending.payment_successful(&sent).await?.fee_paid_msat, Some(2_500));

        let amount_msat = 2 * AMOUNT_MSAT;
        let keysend = SpontaneousSendRequest { amount_msat, ..spontaneous::to(&self.carol) };
        let refusal = client.spontaneous_send(keysend).await;
        refused(refusal, Code::FailedPrecondition, &["no route"]);
        let invoice = self.carol.invoice(amount_msat).await?;
        let request = Bolt11SendRequest { invoice, ..Default::default() };
        let refusal = client.bolt11_send(request.clone()).await;
        refused(refusal, Code::FailedPrecondition, &["no route"]);

        let request = Bolt11SendRequest { route_parameters: fee_limit(3_000), ..request };
        let sent = client.bolt11_send(request).await?.payment_id;
        assert_eq!(sending.payment_successful(&sent).await?.fee_paid_msat, Some(3_000));
        Ok(())
    }

    pub(super) async fn the_fee_can_be_limited_by_the_amount(&self) -> Result<()> {
        const FEE_MSAT: u64 = 3_000;
        let amount_msat = 2 * AMOUNT_MSAT;
        let ppm = (FEE_MSAT * 1_000_000).div_ceil(amount_msat);
        let client = self.alice.client();
        let invoice = self.carol.invoice(amount_msat).await?;
        let with = |invoice: &str, ppm| {
            let route_parameters = fee_limit_ppm(ppm)?;
            let invoice = invoice.to_owned();
            anyhow::Ok(Bolt11SendRequest { invoice, route_parameters, ..Default::default() })
        };
        let too_low = with(&invoice, ppm - 1)?;
        refused(client.bolt11_send(too_low).await, Code::FailedPrecondition, &["no route"]);
        let mut sending = self.alice.events().await?;
        // The configured limit is lower, and does not apply.
        let sent = client.bolt11_send(with(&invoice, ppm)?).await?.payment_id;
        assert_eq!(sending.payment_successful(&sent).await?.fee_paid_msat, Some(FEE_MSAT));

        let to_carol = SpontaneousSendRequest { amount_msat, ..spontaneous::to(&self.carol) };
        let route_parameters = fee_limit_ppm(ppm - 1)?;
        let too_low = SpontaneousSendRequest { route_parameters, ..to_carol.clone() };
        refused(client.spontaneous_send(too_low).await, Code::FailedPrecondition, &["no route"]);
        let route_parameters = fee_limit_ppm(ppm)?;
        let sent = self.keysend(SpontaneousSendRequest { route_parameters, ..to_carol }).await?;
        sending.payment_successful(&sent).await?;
        Ok(())
    }

    pub(super) async fn no_fee_means_no_fee(&self) -> Result<()> {
        let route_parameters = fee_limit(0);
        let client = self.alice.client();
        let request = SpontaneousSendRequest { route_parameters, ..spontaneous::to(&self.carol) };
        let refusal = client.spontaneous_send(request).await;
        refused(refusal, Code::FailedPrecondition, &["no route"]);

        let invoice = self.carol.invoice(AMOUNT_MSAT).await?;
        let request = Bolt11SendRequest { invoice, route_parameters, ..Default::default() };
        let refusal = client.bolt11_send(request).await;
        refused(refusal, Code::FailedPrecondition, &["no route"]);

        let mut events = self.alice.events().await?;
        let offer = self.offer.clone();
        let request = Bolt12SendRequest { offer, route_parameters, ..Default::default() };
        let payment_id = client.bolt12_send(request).await?.payment_id;
        let Payment { fee_paid_msat, .. } = failed(&mut events, &payment_id).await?;
        assert_eq!(fee_paid_msat, None);
        Ok(())
    }
}
