//! What the on-chain wallet knows of the chain and the mempool.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::{Node, UserChannelId};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::spend::Spend;
use crate::chain::bitcoind;
use crate::clock::since_epoch;
use crate::config::{BitcoindConfig, ChainSource, Config};
use crate::error::Error;
use crate::store::Store;

/// How long a transaction may take to get to where the chain source has it. Less than a spend waits,
/// so that one after a refused transaction need not be asked for twice.
const ACCEPTANCE: Duration = Duration::from_secs(20);
/// How often the wallet is asked for its last sync.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The wallet syncs every 2 s. It takes longer for many blocks, or many transactions at the start.
const LONGEST_AWAY: Duration = Duration::from_secs(60);
/// How long a spend waits for a good moment.
const MOMENT_PATIENCE: Duration = Duration::from_secs(4);

/// What the on-chain wallet knows of the chain and the mempool.
pub(super) struct ChainView {
    node: Arc<Node>,
    store: Arc<Store>,
    config: Arc<Config>,
    /// Held during a sync that was asked for here.
    syncing: Arc<tokio::sync::Mutex<()>>,
}

impl ChainView {
    pub(super) fn new(node: Arc<Node>, store: Arc<Store>, config: Arc<Config>) -> Self {
        Self { node, store, config, syncing: Arc::default() }
    }

    /// Whether the wallet knows this spend, or will never have to.
    pub(super) async fn is_known(&self, spend: Spend) -> io::Result<bool> {
        match spend {
            Spend::Known => Ok(true),
            Spend::BeforeStart => Ok(self.full_sync().await && self.refused_before_start().await?),
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

    /// The funding transaction of a channel, if it exists; the outer option is whether the channel
    /// does.
    fn channel_funding(&self, id: UserChannelId) -> Option<Option<Txid>> {
        let channels = self.node.list_channels();
        let channel = channels.iter().find(|channel| channel.user_channel_id == id)?;
        Some(channel.funding_txo.map(|outpoint| outpoint.txid))
    }

    /// Records the transactions from before the start that were refused. Returns true.
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
            // The wallet may have missed it: see `wait_for_good_moment`.
            match bitcoind::is_in_mempool(config, txid).await {
                Ok(false) => {},
                Ok(true) => return Ok(false),
                Err(error) => {
                    tracing::debug!(%txid, %error, "cannot look up a transaction in the mempool");
                    return Ok(false);
                },
            }
        }
        // It may be in a block that the wallet has not seen.
        let was_refused = self.full_sync().await && !self.store.wallet_knows(txid)?;
        if was_refused {
            tracing::warn!(%txid, "the network did not accept a transaction; its coins can be spent again");
            self.store.transaction_refused(*txid)?;
        }
        Ok(was_refused)
    }

    /// Waits for a moment at which the wallet will find a new transaction in the mempool.
    ///
    /// With Bitcoin Core the library reads the mempool every 2 s, and takes the transactions that
    /// entered in a later second than the latest it has seen. It misses what enters in that same
    /// second after the sync, until that is in a block. So a transaction is best created in the
    /// second after a sync, and not when the next one is near.
    ///
    /// Fails if Bitcoin Core was away: the library would report the transaction as sent, and never
    /// try again.
    pub(super) async fn wait_for_good_moment(&self) -> Result<(), Error> {
        if self.bitcoind().is_none() {
            return Ok(());
        }
        let since_sync = self.since_last_sync();
        if since_sync > LONGEST_AWAY {
            return Err(Error::Unavailable(format!(
                "the wallet could not look at the chain for {} s; a transaction might not be sent",
                since_sync.as_secs()
            )));
        }
        let wait = async {
            while !is_good_moment(self.since_last_sync()) {
                sleep(POLL_INTERVAL).await;
            }
        };
        // Late or slow syncs leave no such moment. The next spend may then have to wait for a block.
        let _ = timeout(MOMENT_PATIENCE, wait).await;
        Ok(())
    }

    /// The time since the beginning of the second of the last sync.
    fn since_last_sync(&self) -> Duration {
        let synced = self.node.status().latest_onchain_wallet_sync_timestamp.unwrap_or_default();
        since_epoch().saturating_sub(Duration::from_secs(synced))
    }

    /// Syncs the wallet up to now, and returns whether that succeeded.
    async fn full_sync(&self) -> bool {
        // The first sync may have begun before.
        self.sync().await && self.sync().await
    }

    /// Syncs the wallet, or waits for a sync under way, and returns whether that succeeded. A sync
    /// may take long: it goes on when nobody waits for it any more, and there is one at most.
    pub(super) async fn sync(&self) -> bool {
        let guard = Arc::clone(&self.syncing).lock_owned().await;
        let node = Arc::clone(&self.node);
        let sync = spawn_blocking(move || {
            let _guard = guard;
            node.sync_wallets()
        });
        match sync.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot sync the wallet");
                false
            },
            Err(error) => {
                tracing::error!(%error, "the task that syncs the wallet failed");
                false
            },
        }
    }

    /// Bitcoin Core, if it is the chain source.
    pub(super) fn bitcoind(&self) -> Option<&BitcoindConfig> {
        match &self.config.chain_source {
            ChainSource::Bitcoind(config) => Some(config),
            ChainSource::Electrum { .. } | ChainSource::Esplora { .. } => None,
        }
    }
}

fn is_good_moment(since_last_sync: Duration) -> bool {
    (Duration::from_millis(1_000)..Duration::from_millis(1_600)).contains(&since_last_sync)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_moment_is_the_second_after_a_look() {
        for (millis, is_good) in [(0, false), (999, false), (1_000, true), (1_700, false)] {
            assert_eq!(is_good_moment(Duration::from_millis(millis)), is_good, "{millis}");
        }
    }
}
