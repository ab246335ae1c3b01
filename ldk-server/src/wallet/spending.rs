//! One on-chain spend after the other. The wallet of the library learns of a transaction of its own
//! only when it finds it on the chain; until then it would spend the same coins again, and one of the
//! two transactions would never be. So a spend waits until the wallet knows the one before it.
//!
//! A transaction that the network does not have after [`ACCEPTANCE`] was refused, and its coins are
//! free. Of a channel or a splice that is still being agreed on, nobody can say when its transaction
//! is made: other spends are refused until it is, or is given up.
//!
//! After a restart the wallet looks at the whole mempool once before the first spend. A splice that
//! was being agreed on at the restart is not waited for. What the library spends of its own accord,
//! as an LSPS2 service and for fees of closures, does not wait either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::{Node, UserChannelId};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::bulkhead::{Bulkhead, Place};
use crate::caller::Caller;
use crate::chain::bitcoind;
use crate::clock::since_epoch;
use crate::config::{BitcoindConfig, ChainSource, Config};
use crate::error::Error;
use crate::store::Store;

/// How many spends may wait or be under way; each occupies a thread.
const MAX_WAITING: usize = 16;
/// How long a spend waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a transaction may take to get to where the chain source has it. Less than a spend waits,
/// so that one after a refused transaction need not be asked for twice.
const ACCEPTANCE: Duration = Duration::from_secs(20);
/// How often the wallet is asked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// For when the library wants its funding transactions to be confirmed.
const FUNDING_TARGET_BLOCKS: u16 = 12;
/// The lowest rate that the library uses: 253 sat for 1000 weight units.
const LEAST_SAT_PER_KVB: u64 = 1_012;
/// Where the rate cannot be asked for.
const ASSUMED_SAT_PER_VB: u64 = 10;
/// The wallet looks every 2 s. It takes longer for many blocks, or many transactions at the start.
const LONGEST_AWAY: Duration = Duration::from_secs(60);
/// How long a spend waits for a good moment.
const MOMENT_PATIENCE: Duration = Duration::from_secs(4);

/// The spends from the on-chain wallet.
pub struct Spending {
    node: Arc<Node>,
    store: Arc<Store>,
    config: Arc<Config>,
    stopping: CancellationToken,
    queue: Bulkhead,
    turn: Semaphore,
    /// Held while the wallet looks at the chain at our request.
    look: Arc<tokio::sync::Mutex<()>>,
    last: LastSpend,
}

/// The right to spend. The next in the queue gets it when this is dropped.
struct Turn<'a> {
    _place: Place,
    _turn: SemaphorePermit<'a>,
}

impl Spending {
    /// No spend so far, but perhaps one before the last restart. Waiting ends when `stopping` is
    /// cancelled.
    pub fn new(
        node: Arc<Node>,
        store: Arc<Store>,
        config: Arc<Config>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            node,
            store,
            config,
            stopping,
            queue: Bulkhead::new(
                MAX_WAITING,
                &format!("{MAX_WAITING} on-chain spends are under way"),
            ),
            turn: Semaphore::new(1),
            look: Arc::default(),
            last: LastSpend::default(),
        }
    }

    /// Makes a transaction that pays this amount, if it is known, once the wallet knows of all before
    /// it. It is in the history when this returns.
    pub fn transaction(
        &self,
        caller: &Caller,
        amount_sats: Option<u64>,
        make: impl FnOnce() -> Result<Txid, Error>,
    ) -> Result<Txid, Error> {
        let turn = self.turn(caller)?;
        let txid = make()?;
        self.last.set(Spend::transaction(txid));
        drop(turn);
        if let Err(error) = self.store.transaction_made(txid, amount_sats) {
            // It is made all the same.
            tracing::error!("transaction {txid} cannot be written into the history: {error}");
        }
        Ok(txid)
    }

    /// Opens a channel, once the wallet knows of all transactions before it.
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

    /// Begins to splice coins of the wallet into a channel, once it knows of all transactions
    /// before.
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

    /// A splice will have none.
    pub fn splice_failed(&self, channel: UserChannelId) {
        self.last.replace(Spend::Splice(channel), Spend::Known);
    }

    /// What to allow for the fee of a funding transaction of this size. The library has no call for
    /// the rate that it is going to use.
    pub fn fee_allowance_sats(&self, vbytes: u64) -> u64 {
        let Some(config) = self.bitcoind() else { return vbytes * ASSUMED_SAT_PER_VB };
        let rate = bitcoind::sat_per_kvb(config, FUNDING_TARGET_BLOCKS);
        let rate = block_in_place(|| Handle::current().block_on(rate));
        let sat_per_kvb = rate.unwrap_or_else(|error| {
            tracing::debug!("no estimate of the fee rate: {error}");
            None
        });
        // Without an estimate, as on a quiet chain, the library pays the least that is relayed.
        let sat_per_kvb = sat_per_kvb.unwrap_or_default().max(LEAST_SAT_PER_KVB);
        vbytes.saturating_mul(sat_per_kvb).div_ceil(1_000)
    }

    /// Waits for the right to spend, which a caller who has given up does not get. Must not be called
    /// on an async worker.
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
            let known = self.is_known(last).await;
            let known = known
                .map_err(|error| Error::Internal(format!("cannot read the wallet: {error}")))?;
            // An event may have told more meanwhile.
            if known && self.last.replace(last, Spend::Known) {
                break;
            }
            if self.bitcoind().is_none() {
                // By itself the wallet looks every 80 s only.
                self.look().await;
            }
            sleep(POLL_INTERVAL).await;
        }
        self.good_moment().await?;
        Ok(turn)
    }

    /// Whether the wallet knows of this spend, or there is nothing to know.
    async fn is_known(&self, spend: Spend) -> io::Result<bool> {
        match spend {
            Spend::Known => Ok(true),
            Spend::BeforeStart => Ok(self.full_look().await && self.refused_before_start().await?),
            Spend::Transaction { txid, since } => {
                let is_known = self.store.wallet_knows(&txid)?;
                Ok(is_known || since.elapsed() > ACCEPTANCE && self.was_refused(&txid).await?)
            },
            Spend::Channel(id) => match self.channel_funding(id) {
                None => Ok(true),
                Some(None) => Ok(false),
                Some(Some(txid)) => self.store.wallet_knows(&txid),
            },
            Spend::Splice(id) => Ok(self.channel_funding(id).is_none()),
        }
    }

    /// The funding transaction of a channel, if there is one, and if there is the channel.
    fn channel_funding(&self, id: UserChannelId) -> Option<Option<Txid>> {
        let channels = self.node.list_channels();
        let channel = channels.iter().find(|channel| channel.user_channel_id == id)?;
        Some(channel.funding_txo.map(|outpoint| outpoint.txid))
    }

    /// Takes note of the transactions from before the start that were refused; true when it could.
    async fn refused_before_start(&self) -> io::Result<bool> {
        for txid in self.store.transactions_not_found()? {
            if !self.store.wallet_knows(&txid)? {
                self.was_refused(&txid).await?;
            }
        }
        Ok(true)
    }

    /// Whether the network certainly does not have this transaction, which the wallet did not know
    /// a moment ago.
    async fn was_refused(&self, txid: &Txid) -> io::Result<bool> {
        if let Some(config) = self.bitcoind() {
            // The wallet may be blind for it: see `good_moment`.
            match bitcoind::is_in_mempool(config, txid).await {
                Ok(false) => {},
                Ok(true) => return Ok(false),
                Err(error) => {
                    tracing::debug!("cannot ask for transaction {txid}: {error}");
                    return Ok(false);
                },
            }
        }
        // It may have been in a block that the wallet has not seen.
        let was_refused = self.full_look().await && !self.store.wallet_knows(txid)?;
        if was_refused {
            tracing::warn!(
                "transaction {txid} was not accepted by the network; its coins are used again"
            );
            self.store.transaction_refused(*txid)?;
        }
        Ok(was_refused)
    }

    /// Waits for a moment in which a new transaction will be seen by the wallet.
    ///
    /// With Bitcoin Core the library looks at the mempool every 2 s, and takes of it what entered in
    /// a later second than the latest that it has seen. It is blind for what enters in that very
    /// second after it has looked, until that is in a block. So a transaction is best made in the
    /// second after a look, and not when the next look is near.
    ///
    /// Fails when Bitcoin Core has been away: the library would say that it has sent a transaction,
    /// and never try again.
    async fn good_moment(&self) -> Result<(), Error> {
        if self.bitcoind().is_none() {
            return Ok(());
        }
        let since_look = self.since_last_look();
        if since_look > LONGEST_AWAY {
            return Err(Error::Unavailable(format!(
                "the wallet could not look at the chain for {} s; a transaction might not be sent",
                since_look.as_secs()
            )));
        }
        let wait = async {
            while !is_good_moment(self.since_last_look()) {
                sleep(POLL_INTERVAL / 2).await;
            }
        };
        // Looks that are late or slow leave no such moment. Then it may come to pass that the next
        // spend has to wait for a block.
        let _ = timeout(MOMENT_PATIENCE, wait).await;
        Ok(())
    }

    /// The time since the beginning of the second in which the wallet last looked at the chain.
    fn since_last_look(&self) -> Duration {
        let look = self.node.status().latest_onchain_wallet_sync_timestamp.unwrap_or_default();
        since_epoch().saturating_sub(Duration::from_secs(look))
    }

    /// Has the wallet look at the chain from now on, and says whether it could.
    async fn full_look(&self) -> bool {
        // The first may be one that had begun before.
        self.look().await && self.look().await
    }

    /// Has the wallet look at the chain, or waits for a look under way, and says whether it could. It
    /// may take long: a look goes on when nobody waits for it any more, and there is one at most.
    async fn look(&self) -> bool {
        let guard = Arc::clone(&self.look).lock_owned().await;
        let node = Arc::clone(&self.node);
        let look = spawn_blocking(move || {
            let _guard = guard;
            node.sync_wallets()
        });
        match look.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!("the wallet cannot look at the chain: {error}");
                false
            },
            Err(error) => {
                tracing::error!("the look at the chain was lost: {error}");
                false
            },
        }
    }

    fn bitcoind(&self) -> Option<&BitcoindConfig> {
        match &self.config.chain_source {
            ChainSource::Bitcoind(config) => Some(config),
            ChainSource::Electrum { .. } | ChainSource::Esplora { .. } => None,
        }
    }
}

fn is_good_moment(since_last_look: Duration) -> bool {
    (Duration::from_millis(1_000)..Duration::from_millis(1_600)).contains(&since_last_look)
}

/// A spend, as far as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spend {
    /// The wallet knows of it.
    Known,
    /// It may have been before the daemon was started.
    BeforeStart,
    /// Its transaction was made.
    Transaction { txid: Txid, since: Instant },
    /// The library makes the funding transaction of this channel when the peer has agreed.
    Channel(UserChannelId),
    /// It is part of a transaction that the peer of this channel and we agree on.
    Splice(UserChannelId),
}

impl Spend {
    fn transaction(txid: Txid) -> Self {
        Self::Transaction { txid, since: Instant::now() }
    }

    /// Why another spend cannot be made.
    fn not_yet_known(self) -> Error {
        let under_way = "another on-chain spend is under way";
        let reason = match self {
            Self::Known => format!("{under_way}; try again later"),
            Self::BeforeStart => {
                let reason =
                    "the wallet has not looked at the chain since the start; try again later";
                return Error::Unavailable(reason.to_owned());
            },
            Self::Transaction { txid, .. } => format!(
                "{under_way}: the wallet has not found its transaction {txid} on the chain yet; try \
                 again later, at the latest when it is confirmed"
            ),
            Self::Channel(id) => format!(
                "{under_way}: the peer has not agreed to open channel {} yet; try again later, or \
                 close that channel",
                id.0
            ),
            Self::Splice(id) => format!(
                "{under_way}: the peer has not agreed to the splice of channel {} yet; try again \
                 later",
                id.0
            ),
        };
        Error::FailedPrecondition(reason)
    }
}

/// The last spend.
struct LastSpend(Mutex<Spend>);

impl Default for LastSpend {
    fn default() -> Self {
        Self(Mutex::new(Spend::BeforeStart))
    }
}

impl LastSpend {
    fn get(&self) -> Spend {
        *self.lock()
    }

    fn set(&self, spend: Spend) {
        *self.lock() = spend;
    }

    /// Replaces the last spend if it is still `old`, and says whether it was.
    fn replace(&self, old: Spend, new: Spend) -> bool {
        let mut last = self.lock();
        let is_last = *last == old;
        if is_last {
            *last = new;
        }
        is_last
    }

    fn lock(&self) -> MutexGuard<'_, Spend> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;

    use super::*;

    const CHANNEL: UserChannelId = UserChannelId(1);
    const OTHER: UserChannelId = UserChannelId(2);

    #[test]
    fn only_the_last_spend_changes_its_state() {
        let last = LastSpend::default();
        last.set(Spend::Splice(CHANNEL));
        assert!(!last.replace(Spend::Splice(OTHER), Spend::Known));
        assert!(!last.replace(Spend::Channel(CHANNEL), Spend::Known));
        assert_eq!(last.get(), Spend::Splice(CHANNEL));
        let transaction = Spend::transaction(Txid::from_byte_array([1; 32]));
        assert!(last.replace(Spend::Splice(CHANNEL), transaction));
        assert_eq!(last.get(), transaction);
    }

    #[test]
    fn a_refusal_says_what_is_waited_for() {
        let txid = Txid::from_byte_array([1; 32]);
        for (spend, name) in [
            (Spend::transaction(txid), txid.to_string()),
            (Spend::Channel(CHANNEL), "channel 1".to_owned()),
            (Spend::Splice(OTHER), "channel 2".to_owned()),
        ] {
            let Error::FailedPrecondition(reason) = spend.not_yet_known() else {
                panic!("another status");
            };
            assert!(reason.contains(&name), "{reason}");
        }
        assert!(matches!(Spend::BeforeStart.not_yet_known(), Error::Unavailable(_)));
    }

    #[test]
    fn a_good_moment_is_the_second_after_a_look() {
        for (millis, is_good) in [(0, false), (999, false), (1_000, true), (1_700, false)] {
            assert_eq!(is_good_moment(Duration::from_millis(millis)), is_good, "{millis}");
        }
    }
}
