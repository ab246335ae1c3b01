//! The periodic check whether the node is ready.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::config::BackgroundSyncConfig;
use ldk_node::{Node, NodeStatus};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Readiness, Reason};
use crate::certificate::Certificate;
use crate::clock::{Ticks, unix_secs};
use crate::config::{ChainSource, Config};
use crate::disk::available_bytes;
use crate::store::{Store, Waits};
use crate::wallet::reserve::ReserveWatch;

/// From one check to the next.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long the node may take to answer from memory.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// The library polls Bitcoin Core every 2 seconds, with a timeout of 10.
const BITCOIND_SILENCE: Duration = Duration::from_secs(60);

/// The library's timeout for a sync with a server, in seconds.
const SYNC_TIMEOUT_SECS: u64 = 20;

/// After so many failed syncs in a row the chain source counts as silent.
const FAILED_SYNCS: u64 = 3;

/// With less free space than this the disk counts as nearly full. Operators can still react: the
/// database, and with it the daemon, fails only when nothing is left.
const LOW_DISK_MIB: u64 = 256;

/// After this time without a commit the disk counts as stalled.
const STALL: Duration = Duration::from_secs(5);

/// What is checked, and the limits.
#[derive(Clone)]
pub(crate) struct Probe {
    node: Arc<Node>,
    store: Arc<Store>,
    network_dir: PathBuf,
    certificate: Certificate,
    reserve: Arc<ReserveWatch>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    /// The library stores the time of its last sync. A sync before this was by an earlier process.
    started_at_secs: u64,
    /// The same by the monotonic clock.
    probing_since: Instant,
    silence: Duration,
}

/// The result of a check.
struct Findings {
    /// The time of the last sync of both wallets, in Unix seconds; `None` for never.
    synced_at_secs: Option<u64>,
    /// The free space of the disk; `None` if unknown.
    left_mib: Option<u64>,
    /// The last second in which the certificate is valid, in Unix time.
    certificate_expires_at_secs: u64,
    /// For how long writes have waited.
    waits: Waits,
    /// Whether the wallet lacks some of the reserve for closing channels.
    lacks_reserve: bool,
    /// Whether a replica of PostgreSQL may take over with an old state.
    may_replicas_be_old: bool,
}

impl Probe {
    /// Checks this node, whose start began at this time in Unix seconds, and its certificate.
    pub(crate) fn new(
        node: Arc<Node>,
        store: Arc<Store>,
        config: &Config,
        certificate: Certificate,
        started_at_secs: u64,
    ) -> Self {
        let silence = match config.chain_source {
            ChainSource::Bitcoind(_) => BITCOIND_SILENCE,
            ChainSource::Electrum(_) | ChainSource::Esplora(_) => server_silence(&config.sync),
        };
        let limits = Limits { started_at_secs, probing_since: Instant::now(), silence };
        let (network_dir, reserve) = (config.network_dir(), Arc::default());
        Self { node, store, network_dir, certificate, reserve, limits }
    }

    /// Checks at once and then at intervals, and sets `readiness`, until `stop` is cancelled.
    pub(crate) async fn run(self, readiness: Readiness, stop: CancellationToken) {
        let mut ticks = Ticks::after(Duration::ZERO, INTERVAL, stop);
        while ticks.next().await {
            let probe = self.clone();
            let mut probing = spawn_blocking(move || probe.reasons());
            let found = match timeout(ANSWER_PATIENCE, &mut probing).await {
                Ok(found) => found,
                Err(_) => {
                    readiness.node_is_silent();
                    probing.await
                },
            };
            match found {
                Ok(reasons) => readiness.node_answered(reasons),
                Err(error) => tracing::error!(%error, "cannot check the node"),
            }
        }
    }

    fn reasons(&self) -> Vec<Reason> {
        let NodeStatus {
            latest_lightning_wallet_sync_timestamp: lightning,
            latest_onchain_wallet_sync_timestamp: onchain,
            ..
        } = self.node.status();
        let synced_at_secs = lightning.zip(onchain).map(|(one, other)| one.min(other));
        let findings = Findings {
            synced_at_secs,
            left_mib: left_mib(&self.network_dir),
            certificate_expires_at_secs: self.certificate.expires_at_secs(),
            waits: self.store.waits(),
            lacks_reserve: self.reserve.is_short(&self.node),
            may_replicas_be_old: self.may_replicas_be_old(),
        };
        self.limits.reasons(&findings, unix_secs(), self.limits.probing_since.elapsed())
    }

    fn may_replicas_be_old(&self) -> bool {
        let replicas = self.store.postgres_state().and_then(|state| state.replicas);
        replicas.is_some_and(|replicas| replicas.may_be_old())
    }
}

impl Limits {
    fn reasons(&self, findings: &Findings, now_secs: u64, probed_for: Duration) -> Vec<Reason> {
        let Findings {
            synced_at_secs,
            left_mib,
            certificate_expires_at_secs,
            waits,
            lacks_reserve,
            may_replicas_be_old,
        } = *findings;
        let mut reasons = Vec::new();
        // If the clock was set back since the start, no sync would count until it has caught up.
        let first_probe_secs = now_secs.saturating_sub(probed_for.as_secs());
        let started_at_secs = self.started_at_secs.min(first_probe_secs);
        match synced_at_secs.filter(|synced_at| *synced_at >= started_at_secs) {
            None => reasons.push(Reason::Syncing),
            Some(silent_since)
                if now_secs.saturating_sub(silent_since) > self.silence.as_secs() =>
            {
                reasons.push(Reason::ChainSource { silent_since });
            },
            Some(_) => {},
        }
        let waited = waits.disk.max(waits.manager);
        if waited >= STALL {
            reasons.push(Reason::Stalled { secs: waited.as_secs() });
        }
        if certificate_expires_at_secs < now_secs {
            reasons.push(Reason::Certificate);
        }
        if let Some(left_mib) = left_mib.filter(|left| *left < LOW_DISK_MIB) {
            reasons.push(Reason::Disk { left_mib });
        }
        if lacks_reserve {
            reasons.push(Reason::Reserve);
        }
        if may_replicas_be_old {
            reasons.push(Reason::Replicas);
        }
        reasons
    }
}

/// The free space for this user on the disk of a directory, in MiB.
fn left_mib(dir: &Path) -> Option<u64> {
    Some(available_bytes(dir)? >> 20)
}

/// How long an Electrum or Esplora server may be silent.
fn server_silence(sync: &BackgroundSyncConfig) -> Duration {
    let interval_secs =
        sync.onchain_wallet_sync_interval_secs.max(sync.lightning_wallet_sync_interval_secs);
    Duration::from_secs(FAILED_SYNCS * (interval_secs + SYNC_TIMEOUT_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED_AT_SECS: u64 = 1_000;

    /// By a clock that nobody has set.
    fn reasons(synced_at_secs: Option<u64>, left_mib: Option<u64>, now_secs: u64) -> Vec<Reason> {
        reasons_after(now_secs - STARTED_AT_SECS, synced_at_secs, left_mib, now_secs)
    }

    fn reasons_after(
        probed_for_secs: u64,
        synced_at_secs: Option<u64>,
        left_mib: Option<u64>,
        now_secs: u64,
    ) -> Vec<Reason> {
        let findings = Findings {
            synced_at_secs,
            left_mib,
            certificate_expires_at_secs: 3_000,
            waits: Waits::default(),
            lacks_reserve: false,
            may_replicas_be_old: false,
        };
        let limits = Limits {
            started_at_secs: STARTED_AT_SECS,
            probing_since: Instant::now(),
            silence: Duration::from_secs(60),
        };
        limits.reasons(&findings, now_secs, Duration::from_secs(probed_for_secs))
    }

    #[test]
    fn a_sync_counts_if_it_was_since_the_start() {
        assert_eq!(reasons(None, None, 1_001), [Reason::Syncing]);
        assert_eq!(reasons(Some(999), None, 1_001), [Reason::Syncing]);
        assert_eq!(reasons(Some(1_000), None, 1_001), []);
    }

    #[test]
    fn a_chain_source_may_be_silent_for_a_while() {
        assert_eq!(reasons(Some(2_000), None, 2_060), []);
        let silent = Reason::ChainSource { silent_since: 2_000 };
        assert_eq!(reasons(Some(2_000), None, 2_061), [silent]);
    }

    #[test]
    fn a_clock_that_is_set_does_not_matter_for_long() {
        // Back, before and after the next sync.
        assert_eq!(reasons_after(1_000, Some(2_000), None, 1_500), []);
        assert_eq!(reasons_after(1_000, Some(1_502), None, 1_502), []);
        // Back to before the start.
        assert_eq!(reasons_after(100, Some(1_100), None, 500), []);
        assert_eq!(reasons_after(102, Some(502), None, 502), []);
        let silent_since = 502;
        let silent = Reason::ChainSource { silent_since };
        assert_eq!(reasons_after(163, Some(silent_since), None, 563), [silent]);
        // Forward.
        let silent_since = 1_100;
        let silent = Reason::ChainSource { silent_since };
        assert_eq!(reasons_after(100, Some(silent_since), None, 2_100), [silent]);
        assert_eq!(reasons_after(102, Some(2_102), None, 2_102), []);
    }

    #[test]
    fn a_disk_is_nearly_full_before_it_is_full() {
        assert_eq!(reasons(Some(2_000), Some(256), 2_000), []);
        for left_mib in [0, 255] {
            assert_eq!(reasons(Some(2_000), Some(left_mib), 2_000), [Reason::Disk { left_mib }]);
        }
        let both = [Reason::Syncing, Reason::Disk { left_mib: 1 }];
        assert_eq!(reasons(None, Some(1), 2_000), both);
    }

    #[test]
    fn a_certificate_is_valid_to_its_last_second() {
        assert_eq!(reasons(Some(2_950), None, 3_000), []);
        assert_eq!(reasons(Some(2_950), None, 3_001), [Reason::Certificate]);
    }

    #[cfg(unix)]
    #[test]
    fn the_disk_says_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert!(left_mib(dir.path()).is_some());
        assert_eq!(left_mib(&dir.path().join("missing")), None);
    }
}
