//! Waiting for what comes of payments and invoices. One who waits costs an entry in a map, no thread and no
//! polling.

use std::time::Duration;

use tokio::time::Instant;

use crate::caller::Caller;

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
