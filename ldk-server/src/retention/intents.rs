//! The task that forgets the outcomes of calls under keys.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{all, repeat, report_count};
use crate::clock::unix_secs;
use crate::store::Store;

/// From one removal to the next.
const INTERVAL: Duration = Duration::from_secs(600);
/// So long an outcome is kept. Whoever repeats a call does so within hours.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Forgets old outcomes at once and then at intervals, until `stop` is cancelled.
pub(crate) async fn run(store: Arc<Store>, stop: CancellationToken) {
    const KEYS: &str = "old idempotency keys";
    let forget = move |stop: &CancellationToken| {
        let created_before = unix_secs().saturating_sub(KEPT.as_secs());
        all(|| store.remove_old_intents(created_before), stop)
    };
    repeat(INTERVAL, KEYS, stop, forget, report_count(KEYS)).await;
}
