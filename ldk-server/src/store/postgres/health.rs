//! What is known of the lease, the commits, the replicas and the standbys, for metrics and health checks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use prometheus::core::Collector;
use prometheus::{Histogram, IntCounter};

use crate::store::metrics::{Metrics, counter, histogram};

const DURATION_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What is known of PostgreSQL. Set by those who work with it.
pub(in crate::store) struct PostgresHealth {
    lease_lasts: Duration,
    commit_duration: Histogram,
    commit_retries: IntCounter,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    renewed_at: Option<Instant>,
    replicas: Option<Replicas>,
    standbys: Option<u64>,
}

/// What is known of PostgreSQL at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresState {
    /// How long ago the lease was renewed.
    pub lease_age: Duration,
    /// How long it lasts.
    pub lease_lasts: Duration,
    /// The replicas, as of the last look; `None` before the first.
    pub replicas: Option<Replicas>,
    /// How many nodes wait that have the last changes, as of the last look.
    pub standbys: Option<u64>,
}

/// The replicas of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// How many are connected.
    pub number: usize,
    /// Whether commits wait for any of them.
    pub are_waited_for: bool,
    /// What is known of each; nothing if the user may not see it.
    pub visible: Vec<Replica>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The name that it has given itself.
    pub name: String,
    /// Whether commits wait for it, in PostgreSQL's words: `sync`, `quorum`, `potential` or `async`.
    pub sync_state: String,
    /// How much of what is committed it has not on its disk, in bytes; `None` if it has not said yet
    /// what it has.
    pub lag_bytes: Option<u64>,
}

impl Replicas {
    /// Whether one of them may take the place of the database with an old state.
    pub fn may_be_old(&self) -> bool {
        self.number > 0 && !self.are_waited_for
    }
}

impl PostgresHealth {
    /// Nothing is known yet. The lease lasts so long.
    pub(in crate::store) fn new(lease_lasts: Duration) -> io::Result<Self> {
        Ok(Self {
            lease_lasts,
            commit_duration: histogram(
                "ldk_server_postgres_commit_duration_seconds",
                "How long PostgreSQL took for each commit since the start, in seconds.",
                &DURATION_BUCKETS,
            )?,
            commit_retries: counter(
                "ldk_server_postgres_commit_retries_total",
                "How often a commit since the start was tried again.",
            )?,
            known: Mutex::default(),
        })
    }

    /// The lease was renewed at this time.
    pub(super) fn renewed(&self, at: Instant) {
        self.known().renewed_at = Some(at);
    }

    pub(super) fn committed(&self, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
    }

    pub(super) fn tried_again(&self) {
        self.commit_retries.inc();
    }

    /// These are the replicas, and so many nodes wait that could take over at once.
    pub(super) fn found(&self, replicas: Replicas, standbys: u64) {
        let mut known = self.known();
        known.replicas = Some(replicas);
        known.standbys = Some(standbys);
    }

    /// What is known; `None` before there is a lease.
    pub(in crate::store) fn state(&self) -> Option<PostgresState> {
        let Known { renewed_at, replicas, standbys } = &*self.known();
        Some(PostgresState {
            lease_age: (*renewed_at)?.elapsed(),
            lease_lasts: self.lease_lasts,
            replicas: replicas.clone(),
            standbys: *standbys,
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metrics for PostgresHealth {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.commit_duration.clone()), Box::new(self.commit_retries.clone())]
    }
}
