//! One webhook: what is on disk of it, and how it goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_server_grpc::types;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::record::{RECORDS, Record};
use crate::store::Store;

/// What a webhook is called among the consumers of events. Callers cannot use such a name: theirs have no
/// colon.
pub(super) const CONSUMER_PREFIX: &str = "webhook:";

pub(super) struct Hook {
    pub(super) id: String,
    store: Arc<Store>,
    record: Mutex<Record>,
    /// Held while the record on disk is changed.
    changing: Mutex<()>,
    progress: Mutex<Progress>,
    /// An operator wants it to go on.
    pub(super) woken: Notify,
    pub(super) deleted: CancellationToken,
}

impl Hook {
    /// The webhook with this record, which has come so far.
    pub(super) fn new(store: Arc<Store>, record: Record, position: u64) -> Self {
        Self {
            id: record.id.clone(),
            store,
            record: Mutex::new(record),
            changing: Mutex::default(),
            progress: Mutex::new(Progress { position, ..Progress::default() }),
            woken: Notify::new(),
            deleted: CancellationToken::new(),
        }
    }

    /// Its name among the consumers of events.
    pub(super) fn consumer(&self) -> String {
        consumer(&self.id)
    }

    pub(super) fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    pub(super) fn is_paused(&self) -> bool {
        lock(&self.record).paused.is_some()
    }

    pub(super) fn is_failing(&self) -> bool {
        lock(&self.record).failing_since.is_some()
    }

    /// Whether it is for events of this kind.
    pub(super) fn is_for(&self, kind: &str) -> bool {
        lock(&self.record).is_for(kind)
    }

    pub(super) fn position(&self) -> u64 {
        lock(&self.progress).position
    }

    pub(super) fn progressed(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
    }

    /// Changes the record, durably. Nothing happens to a webhook that is deleted. Blocks.
    pub(super) fn change(&self, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let _changing = lock(&self.changing);
        if self.deleted.is_cancelled() {
            return Ok(());
        }
        let mut record = self.record();
        change(&mut record);
        self.store.put(RECORDS, &self.id, record.encode()?)?;
        *lock(&self.record) = record;
        Ok(())
    }

    /// Removes it, durably. Blocks.
    pub(super) fn delete(&self) -> io::Result<()> {
        let _changing = lock(&self.changing);
        // The record first: a consumer that a crash leaves is removed at the next start.
        self.store.delete(RECORDS, &self.id)?;
        self.deleted.cancel();
        self.store.delete_event_consumer(self.consumer()).map(drop)
    }

    /// As it is shown when `head` is the newest event: without its secret.
    pub(super) fn shown(&self, head: u64) -> types::Webhook {
        let (record, progress) = (self.record(), lock(&self.progress).clone());
        let (paused_at, pause_reason) = record.paused.map(|pause| (pause.at, pause.reason)).unzip();
        types::Webhook {
            id: record.id,
            url: record.url,
            kinds: record.kinds,
            label: record.label,
            created_at: record.created_at,
            delivered_index: progress.position,
            undelivered_events: head.saturating_sub(progress.position),
            last_delivered_at: progress.last_delivered_at,
            last_attempt_at: progress.last_attempt_at,
            last_status: progress.last_status.map(u32::from),
            last_error: progress.last_error,
            next_attempt_at: progress.next_attempt_at,
            failing_since: record.failing_since,
            paused_at,
            pause_reason: pause_reason.unwrap_or_default(),
            lost_events: record.lost_events,
        }
    }
}

/// What the webhook with this id is called among the consumers of events.
pub(super) fn consumer(id: &str) -> String {
    format!("{CONSUMER_PREFIX}{id}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
