//! What a request is called, in the log and to its caller.

use std::fmt;
use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins anywhere, so that the requests of one run are not taken for those of the next.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(rand::random::<u32>().into()));

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The number of a request, shown in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// One that no other request of this process has.
    pub(crate) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Does `work`, during which this request is the current one.
    pub(crate) async fn accompany<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The request that the running task works for; 0 if it works for none.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(|id| *id).unwrap_or(Self(0))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
