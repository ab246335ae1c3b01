//! What time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since the Unix epoch; nothing for a clock that is set before it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time in Unix seconds.
pub(crate) fn unix_secs() -> u64 {
    since_epoch().as_secs()
}
