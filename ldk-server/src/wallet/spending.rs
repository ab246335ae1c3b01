//! Makes one on-chain spend after the other. The library's wallet learns of its own transaction only
//! when it finds the transaction on the chain; until then it would spend the same coins again, and
//! only one of the two transactions could confirm. So a spend waits until the wallet knows the one
//! before it.
//!
//! A transaction that the network does not have after 20 seconds was refused, and its coins are free.
//! The transaction of a channel or splice that the peer has not agreed to yet may come at any time:
//! other spends are refused until it exists or is abandoned.
//!
//! After a restart the wallet reads the whole mempool once before the first spend. A splice that was
//! being negotiated at the restart is not waited for. What the library spends by itself, as an LSPS2
//! service and for fees of closures, does not wait either.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::bitcoin::Txid;
use ldk_node::{Node, UserChannelId};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::chain_view::ChainView;
use super::spend::{LastSpend, Spend};
use crate::bulkhead::{Bulkhead, Place};
use crate::caller::Caller;
use crate::chain::bitcoind;
use crate::compat::fee_rates::{FUNDING_TARGET, LOWEST};
use crate::config::Config;
use crate::crash_points::{self, CrashPoint};
use crate::error::Error;
use crate::store::Store;

/// How many spends may wait or be under way; each uses a thread.
const MAX_WAITING: usize = 16;
/// How long a spend waits for the previous ones.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the state of the last spend is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The assumed fee rate without Bitcoin Core.
const ASSUMED_SAT_PER_VB: u64 = 10;

/// The spends from the on-chain wallet.
pub struct Spending {
    store: Arc<Store>,
    view: ChainView,
    stopping: CancellationToken,
    queue: Bulkhead,
    turn: Semaphore,
    last: LastSpend,
}

/// The right to spend, until this is dropped.
struct Turn<'a> {
    _place: Place,
    _turn: SemaphorePermit<'a>,
}

impl Spending {
    /// Begins without a known spend; there may have been one before the start. Waiting ends when
    /// `stopping` is cancelled.
    pub fn new(
        node: Arc<Node>,
        store: Arc<Store>,
        config: Arc<Config>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            view: ChainView::new(node, Arc::clone(&store), config),
            store,
            stopping,
            queue: Bulkhead::new(
                MAX_WAITING,
                &format!("{MAX_WAITING} on-chain spends are under way"),
            ),
            turn: Semaphore::new(1),
            last: LastSpend::default(),
        }
    }

    /// Creates a transaction that pays this amount, if known, once the wallet knows all earlier
    /// ones. The transaction is in the history when this returns.
    pub fn transaction(
        &self,
        caller: &Caller,
        amount_sats: Option<u64>,
        make: impl FnOnce() -> Result<Txid, Error>,
    ) -> Result<Txid, Error> {
        let turn = self.turn(caller)?;
        // It does not leave before it is written down that it was made, and for whom.
        let _pin = self.store.durability().pin_broadcasts();
        crash_points::reached(CrashPoint::Intent);
        let txid = make()?;
        crash_points::reached(CrashPoint::Dispatched);
        self.last.set(Spend::transaction(txid));
        drop(turn);
        if let Err(error) = self.store.transaction_made(txid, amount_sats, caller.intent()) {
            // The transaction exists anyway.
            tracing::error!(%txid, %error, "cannot record a transaction in the history");
        }
        Ok(txid)
    }

    /// Opens a channel, once the wallet knows all earlier transactions.
    pub fn channel(
        &self,
        caller: &Caller,
        open: impl FnOnce() -> Result<UserChannelId, Error>,
    ) -> Result<UserChannelId, Error> {
        let _turn = self.turn(caller)?;
        let channel = open()?;
        self.last.set(Spend::Channel(channel));
        Ok(channel)
    }

    /// Begins to splice coins of the wallet into a channel, once the wallet knows all earlier
    /// transactions.
    pub fn splice(
        &self,
        caller: &Caller,
        channel: UserChannelId,
        begin: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _turn = self.turn(caller)?;
        // The splice may have its transaction before the call has returned.
        self.last.set(Spend::Splice(channel));
        begin().inspect_err(|_| self.splice_failed(channel))
    }

    /// A channel has its funding transaction.
    pub fn channel_funded(&self, channel: UserChannelId, txid: Txid) {
        self.last.replace(Spend::Channel(channel), Spend::transaction(txid));
    }

    /// A splice has its transaction.
    pub fn splice_pending(&self, channel: UserChannelId, txid: Txid) {
        self.last.replace(Spend::Splice(channel), Spend::transaction(txid));
    }

    /// A splice failed and will have no transaction.
    pub fn splice_failed(&self, channel: UserChannelId) {
        self.last.replace(Spend::Splice(channel), Spend::Known);
    }

    /// The fee to allow for a funding transaction of this size, in satoshis. The library has no
    /// call for the fee rate that it will use.
    pub fn fee_allowance_sats(&self, vbytes: u64) -> u64 {
        let Some(config) = self.view.bitcoind() else { return vbytes * ASSUMED_SAT_PER_VB };
        let rate = bitcoind::sat_per_kvb(config, FUNDING_TARGET);
        let rate = block_in_place(|| Handle::current().block_on(rate));
        let sat_per_kvb = rate.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot estimate the fee rate");
            None
        });
        // Without an estimate, as on a chain with few transactions, the library pays the minimum.
        let sat_per_kvb = sat_per_kvb.unwrap_or_default().max(4 * LOWEST.to_sat_per_kwu());
        vbytes.saturating_mul(sat_per_kvb).div_ceil(1_000)
    }

    /// Waits for the right to spend. Fails if the caller has given up. Blocks.
    fn turn(&self, caller: &Caller) -> Result<Turn<'_>, Error> {
        let place = self.queue.try_enter()?;
        let turn = async {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {
                    Err(Error::Unavailable("the server is stopping".to_owned()))
                },
                turn = timeout(PATIENCE, self.wait_for_turn(caller)) => {
                    turn.unwrap_or_else(|_| Err(self.last.get().not_yet_known()))
                },
            }
        };
        let turn = block_in_place(|| Handle::current().block_on(turn))?;
        caller.commit()?;
        Ok(Turn { _place: place, _turn: turn })
    }

    async fn wait_for_turn(&self, caller: &Caller) -> Result<SemaphorePermit<'_>, Error> {
        let turn = self.turn.acquire().await.map_err(|error| Error::Internal(error.to_string()))?;
        loop {
            caller.still_waits()?;
            let last = self.last.get();
            let known = self.view.is_known(last).await;
            let known = known
                .map_err(|error| Error::Internal(format!("cannot read the wallet: {error}")))?;
            // An event may have changed the state meanwhile.
            if known && self.last.replace(last, Spend::Known) {
                break;
            }
            if self.view.bitcoind().is_none() {
                // By itself the wallet syncs every 80 s only.
                self.view.sync().await;
            }
            sleep(POLL_INTERVAL).await;
        }
        self.view.wait_for_good_moment().await?;
        Ok(turn)
    }
}
