//! Gives memory back to the system. The allocator of the GNU C library keeps most of what was freed, so
//! that a rush of callers would be seen in the process for ever.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Ticks;

/// How often. It takes a few milliseconds off the async threads.
const EVERY: Duration = Duration::from_secs(60);

/// Gives back what is free, again and again, until `stop`.
pub(crate) async fn keep_giving_back(stop: CancellationToken) {
    let mut ticks = Ticks::after(EVERY, EVERY, stop);
    while ticks.next().await {
        // There is nothing to be done if it cannot.
        let _ = spawn_blocking(give_back).await;
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time (malloc_trim(3)).
    #[allow(unsafe_code, reason = "nothing safe calls it")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Others give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}
