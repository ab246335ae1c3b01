//! The eight calls, and what is seen of them elsewhere.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, Spend, Spent, until};
use ldk_server_client::Code;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::splice_in_request::Amount as SpliceAmount;
use ldk_server_client::api::{
    Bolt11SendRequest, Bolt12ReceiveRequest, Bolt12SendRequest, ListPaymentsRequest,
    OnchainSendRequest, OpenChannelRequest, SpliceInRequest, SpliceOutRequest,
    SpontaneousSendRequest, UnifiedSendRequest,
};
use ldk_server_client::types::{Payment, PaymentDirection, PaymentStatus};

const PATIENCE: Duration = Duration::from_secs(60);
/// The library waits for the invoice of an offer for two of its minutes, which begin anew with a restart.
const PATIENCE_WITH_OFFERS: Duration = Duration::from_secs(180);
const SATS: u64 = 30_000;
const OPENED_SATS: u64 = 200_000;
const BLOCKS: u32 = 6;

/// Alice spends, and Bob and the chain see it.
pub(super) struct Spends<'a> {
    pub(super) network: &'a Network,
    pub(super) alice: &'a Node,
    pub(super) bob: &'a Node,
}

/// What there is before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Payments that Bob has received.
    received: usize,
    channels: usize,
    capacity_sats: u64,
}

impl Spends<'_> {
    pub(super) const NAMES: [&'static str; 8] = [
        "Bolt11Send",
        "Bolt12Send",
        "SpontaneousSend",
        "UnifiedSend",
        "OnchainSend",
        "SpliceOut",
        "SpliceIn",
        "OpenChannel",
    ];

    /// The call of this name, for something new.
    pub(super) async fn make(&self, name: &str) -> Result<Spend> {
        let (alice, bob) = (self.alice, self.bob);
        Ok(match name {
            "Bolt11Send" => {
                let invoice = bob.invoice(SATS * 1_000).await?;
                Spend::Bolt11(Bolt11SendRequest { invoice, ..Default::default() })
            },
            "Bolt12Send" => {
                let offer = self.offer().await?;
                Spend::Bolt12(Bolt12SendRequest { offer, ..Default::default() })
            },
            "SpontaneousSend" => Spend::Spontaneous(SpontaneousSendRequest {
                amount_msat: SATS * 1_000,
                node_id: bob.id().to_owned(),
                ..Default::default()
            }),
            "UnifiedSend" => {
                let offer = self.offer().await?;
                let uri = format!("bitcoin:?lno={offer}");
                Spend::Unified(UnifiedSendRequest { uri, ..Default::default() })
            },
            "OnchainSend" => Spend::Onchain(OnchainSendRequest {
                address: bob.new_address().await?,
                amount_sats: Some(SATS),
                ..Default::default()
            }),
            "SpliceOut" | "SpliceIn" => {
                let channels = alice.channels().await?;
                let with_most =
                    channels.into_iter().max_by_key(|channel| channel.outbound_capacity_msat);
                let channel = with_most.context("no channel")?;
                let (user_channel_id, counterparty_node_id) =
                    (channel.user_channel_id, channel.counterparty_node_id);
                if name == "SpliceIn" {
                    Spend::SpliceIn(SpliceInRequest {
                        user_channel_id,
                        counterparty_node_id,
                        amount: Some(SpliceAmount::SpliceAmountSats(SATS)),
                        ..Default::default()
                    })
                } else {
                    Spend::SpliceOut(SpliceOutRequest {
                        user_channel_id,
                        counterparty_node_id,
                        splice_amount_sats: SATS,
                        ..Default::default()
                    })
                }
            },
            "OpenChannel" => Spend::Open(OpenChannelRequest {
                node_pubkey: bob.id().to_owned(),
                address: bob.address(),
                amount: Some(Amount::ChannelAmountSats(OPENED_SATS)),
                ..Default::default()
            }),
            other => bail!("no call {other}"),
        })
    }

    async fn offer(&self) -> Result<String> {
        let request = Bolt12ReceiveRequest {
            description: "tea".to_owned(),
            amount_msat: Some(SATS * 1_000),
            ..Default::default()
        };
        Ok(self.bob.client().bolt12_receive(request).await?.offer)
    }

    /// What there is now. Whatever is under way on chain is confirmed first.
    pub(super) async fn seen(&self, name: &str) -> Result<Seen> {
        until("the channels are usable", PATIENCE, async || {
            if !is_lightning(name) {
                self.network.mine(BLOCKS).await?;
                self.alice.connect_to(self.bob).await?;
            }
            let channels = self.alice.channels().await?;
            let are_usable = channels.iter().all(|channel| channel.is_usable);
            ensure!(are_usable && !channels.is_empty(), "{channels:?}");
            Ok(Seen {
                received: received(self.bob).await?.len(),
                channels: channels.len(),
                capacity_sats: channels.iter().map(|channel| channel.channel_value_sats).sum(),
            })
        })
        .await
    }

    /// What is answered to the call that is made again after a crash, and what there was before it. The
    /// wallet may have to look at the chain first.
    pub(super) async fn told(
        &self,
        name: &str,
        (spend, key): (&Spend, &str),
        before: Seen,
    ) -> Result<(Spent, Seen)> {
        let before = Cell::new(before);
        until("the call is answered", PATIENCE, async || {
            let refused = match spend.make(self.alice.client(), key).await {
                Ok(told) => return Ok((told, before.get())),
                Err(refused) => refused,
            };
            if !is_lightning(name) && refused.code() == Some(Code::FailedPrecondition) {
                // The splice of an earlier call has gone on after a crash, later than it was looked for.
                before.set(self.seen(name).await?);
            }
            Err(refused.into())
        })
        .await
    }

    /// Waits until Bob and the chain have seen it, and fails if that was more than once.
    pub(super) async fn once_since(&self, name: &str, before: Seen) -> Result<()> {
        let happened = until("it has happened", PATIENCE, async || {
            let happened = self.happened(name, before).await?;
            ensure!(happened > 0, "nothing has happened");
            Ok(happened)
        })
        .await?;
        ensure!(happened == 1, "it has happened {happened} times");
        self.nothing_is_left(name, before).await
    }

    /// Waits until a payment is over, and fails unless Bob has seen it once or it has failed.
    pub(super) async fn as_told(&self, name: &str, before: Seen, payment: &str) -> Result<()> {
        let patience = match name {
            "Bolt12Send" | "UnifiedSend" => PATIENCE_WITH_OFFERS,
            _ => PATIENCE,
        };
        let succeeded = until("the payment is over", patience, async || {
            let payment = self.alice.payment(payment).await?;
            ensure!(payment.status() != PaymentStatus::Pending, "{payment:?}");
            Ok(payment.status() == PaymentStatus::Succeeded)
        })
        .await?;
        if succeeded {
            return self.once_since(name, before).await;
        }
        let happened = self.happened(name, before).await?;
        ensure!(happened == 0, "it has failed, and happened {happened} times");
        Ok(())
    }

    /// What has happened is all that does: nothing else is under way.
    async fn nothing_is_left(&self, name: &str, before: Seen) -> Result<()> {
        until("nothing is under way", PATIENCE, async || {
            let pending = sent(self.alice, PaymentStatus::Pending).await?;
            let pending = pending.iter().filter(|payment| is_over_lightning(payment)).count();
            ensure!(pending == 0, "{pending} payments are pending");
            Ok(())
        })
        .await?;
        let happened = self.happened(name, before).await?;
        ensure!(happened == 1, "it has happened {happened} times in the end");
        Ok(())
    }

    /// How often it has happened since.
    pub(super) async fn happened(&self, name: &str, before: Seen) -> Result<usize> {
        let now = self.seen(name).await?;
        let spliced = now.capacity_sats.abs_diff(before.capacity_sats);
        Ok(match name {
            "OpenChannel" => now.channels - before.channels,
            "SpliceIn" | "SpliceOut" => usize::try_from(spliced.div_ceil(SATS / 2 * 3))?,
            _ => now.received - before.received,
        })
    }
}

/// What is Bob's.
async fn received(bob: &Node) -> Result<Vec<Payment>> {
    let payments = payments(bob).await?.into_iter();
    let is_his = |payment: &Payment| {
        payment.direction() == PaymentDirection::Inbound
            && payment.amount_msat == Some(SATS * 1_000)
            && (payment.status() == PaymentStatus::Succeeded || !is_over_lightning(payment))
    };
    Ok(payments.filter(is_his).collect())
}

/// What Alice has sent.
pub(super) async fn sent(alice: &Node, status: PaymentStatus) -> Result<Vec<Payment>> {
    let payments = payments(alice).await?.into_iter();
    let is_so = |payment: &Payment| {
        payment.direction() == PaymentDirection::Outbound && payment.status() == status
    };
    Ok(payments.filter(is_so).collect())
}

async fn payments(node: &Node) -> Result<Vec<Payment>> {
    let request = ListPaymentsRequest { page_size: Some(500), ..Default::default() };
    let page = node.client().list_payments(request).await.context("no payments")?;
    Ok(page.payments)
}

fn is_over_lightning(payment: &Payment) -> bool {
    use ldk_server_client::types::payment_kind::Kind;
    let kind = payment.kind.as_ref().and_then(|kind| kind.kind.as_ref());
    !matches!(kind, Some(Kind::Onchain(_)))
}

pub(super) fn is_lightning(name: &str) -> bool {
    matches!(name, "Bolt11Send" | "Bolt12Send" | "SpontaneousSend" | "UnifiedSend")
}
