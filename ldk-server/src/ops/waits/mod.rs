//! Waiting for what comes of payments, invoices and channels. One who waits costs an entry in a map, no thread and no
//! polling.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::executor::joined;

pub mod channels;
pub mod invoices;
pub mod payments;

/// What came of waiting.
#[derive(Debug)]
pub struct Waited<T> {
    /// As it is.
    pub latest: T,
    /// Whether the time was over before there was a result.
    pub timed_out: bool,
}

/// Until when to wait: an answer that comes after the caller's deadline would be no answer.
pub(crate) fn until(caller: &Caller, timeout: Duration) -> Instant {
    let until = Instant::now() + timeout;
    caller.deadline().map_or(until, |deadline| until.min(deadline.shortly_before()))
}

/// Asks the library or the disk on a blocking thread, of which those who wait have a few together.
async fn read<T: Send + 'static>(
    app: &Arc<App>,
    read: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    const NAME: &str = "read_for_waiter";
    let place = app.reading_for_waiters.enter().await?;
    let working = Arc::clone(app);
    let work = app.executor.spawn(NAME, move || {
        let _place = place;
        read(&working)
    });
    joined(NAME, work).await
}
