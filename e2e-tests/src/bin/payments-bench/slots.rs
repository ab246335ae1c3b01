//! How many payments the channel still takes.
//!
//! A channel of LDK takes 50 HTLCs in each direction, and an HTLC stays in it for a moment after its
//! payment has succeeded. A call for one more is answered with FAILED_PRECONDITION: there is no route.
//! Worse, one that finds the last place taken by another at the same moment is accepted, and the
//! library tries for 10 seconds until the payment fails. So callers wait here for a place, as those
//! of a busy node have to.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use e2e_tests::{Network, Node};
use ldk_server_client::Error;
use tokio::sync::{Notify, Semaphore};

use crate::settlements::Settlements;

/// LDK's default, which LDK Node leaves as it is.
const MAX_HTLCS: usize = 50;

/// The places for HTLCs in one direction of a channel.
pub(crate) struct Slots {
    amount_msat: u64,
    /// What both sides can send together when nothing is on its way.
    at_rest_msat: u64,
    free: Semaphore,
    wanted: Notify,
    /// The places that have been given, the free ones among them.
    given: AtomicUsize,
    /// The calls that have been answered: what they began is in the channel.
    answered: AtomicUsize,
}

impl Slots {
    /// The places in the channel between these two, who have nothing on its way, for payments of one
    /// amount.
    pub(crate) async fn of(payer: &Node, payee: &Node, amount_msat: u64) -> Result<Self> {
        Ok(Self {
            amount_msat,
            at_rest_msat: Network::at_rest(payer, payee).await?.iter().sum(),
            free: Semaphore::new(MAX_HTLCS),
            wanted: Notify::new(),
            given: AtomicUsize::new(MAX_HTLCS),
            answered: AtomicUsize::new(0),
        })
    }

    /// Makes a call that begins a payment, as soon as there is a place for it.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>> {
        if self.free.available_permits() == 0 {
            self.wanted.notify_one();
        }
        self.free.acquire().await?.forget();
        let answer = call.await;
        self.answered.fetch_add(1, Ordering::AcqRel);
        Ok(answer)
    }

    /// Looks for free places in the channel when those known of are used up, without end. A look now
    /// and then is enough if there are many more places than callers.
    pub(crate) async fn find(
        &self,
        payer: &Node,
        payee: &Node,
        settlements: &Settlements,
    ) -> Result<Infallible> {
        loop {
            self.wanted.notified().await;
            while self.free.available_permits() == 0 {
                match self.look(payer, payee).await? {
                    0 => settlements.next().await,
                    places => {
                        self.given.fetch_add(places, Ordering::AcqRel);
                        self.free.add_permits(places);
                    },
                }
            }
        }
    }

    /// The places that nobody has or is about to take.
    async fn look(&self, payer: &Node, payee: &Node) -> Result<usize> {
        // Before the look: it tells of all calls that are answered by now, perhaps of more.
        let answered = self.answered.load(Ordering::Acquire);
        let calling = self.given.load(Ordering::Acquire).saturating_sub(answered);
        let channel = payer.usable_channel(payee).await?;
        let both_msat = channel.outbound_capacity_msat + channel.inbound_capacity_msat;
        let under_way_msat = self.at_rest_msat.saturating_sub(both_msat);
        let htlcs = usize::try_from(under_way_msat.div_ceil(self.amount_msat))?;
        Ok(MAX_HTLCS.saturating_sub(htlcs + calling))
    }
}
