//! Gives memory back to the system. The allocator of the GNU C library keeps most of what was freed, so
//! that a rush of callers would be seen in the process for ever.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Ticks;

/// How often. It takes a few milliseconds off the async threads.
const EVERY: Duration = Duration::from_secs(60);

/// Each thread that waits for another at the allocator would get an arena of its own, up to eight for
/// each core, and what is freed in one is not used in another. Two keep the threads apart well enough.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 2;

/// What is larger gets pages of its own, which go back to the system at once. The buffers of large answers
/// would otherwise leave holes between what stays.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES_BYTES: libc::c_int = 64 * 1024;

/// Has the allocator take less. To be called before there are threads.
pub fn configure_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and no other thread is there yet (mallopt(3)).
    #[allow(unsafe_code, reason = "nothing safe calls it")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
    }
}

/// Gives back what is free, again and again, until `stop`.
pub(crate) async fn release_periodically(stop: CancellationToken) {
    let mut ticks = Ticks::after(EVERY, EVERY, stop);
    while ticks.next().await {
        // There is nothing to be done if it cannot.
        let _ = spawn_blocking(release).await;
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn release() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time (malloc_trim(3)).
    #[allow(unsafe_code, reason = "nothing safe calls it")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Others give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}
