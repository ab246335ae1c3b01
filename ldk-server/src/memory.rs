//! Returns free memory to the system. The allocator of the GNU C library keeps most of it, so that
//! the process would stay as large as after its busiest moment.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Ticks;

/// How often memory is returned. This takes a few milliseconds on a blocking thread.
const EVERY: Duration = Duration::from_secs(60);

/// By default there are up to eight arenas for each core, and memory that is free in one is not
/// used in another. Two are enough to keep threads from waiting for each other.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 2;

/// Larger allocations get pages of their own, which are returned to the system at once. Otherwise the
/// buffers of large answers would leave holes in the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES_BYTES: libc::c_int = 64 * 1024;

/// Makes the allocator keep less memory. Must be called before other threads start.
pub fn configure_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and no other thread is there yet (mallopt(3)).
    #[allow(unsafe_code, reason = "nothing safe calls it")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
    }
}

/// Returns free memory periodically, until `stop` is cancelled.
pub(crate) async fn release_periodically(stop: CancellationToken) {
    let mut ticks = Ticks::after(EVERY, EVERY, stop);
    while ticks.next().await {
        // A failure has no consequence.
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

/// Other allocators do this by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}

/// What all databases of the process take in memory.
pub(crate) fn database_bytes() -> u64 {
    // SAFETY: it takes no pointer, and may be called by any thread at any time
    // (https://www.sqlite.org/c3ref/memory_highwater.html).
    #[allow(unsafe_code, reason = "nothing safe calls it")]
    let bytes = unsafe { rusqlite::ffi::sqlite3_memory_used() };
    bytes.try_into().unwrap_or_default()
}
