//! The id of a request, in the log and in the answer.
//!
//! It is not made by the layers of tower-http: they use an id that the caller sends, which may be any
//! text, and keep it in the headers and extensions of the request and of the answer; that is five more
//! allocations for each call.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Starts at a random number, so that requests of one run are not confused with those of the next.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(rand::random::<u32>().into()));

/// The number of a request, shown in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId(u64);

impl RequestId {
    /// A new id, unique in this process.
    pub(super) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
