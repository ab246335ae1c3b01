//! What a disk has room for.

use std::path::Path;

/// What this user can still write where this is, in bytes; `None` if the disk does not say.
#[cfg(unix)]
pub(crate) fn available_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What this user can still write where this is, in bytes; `None` if the disk does not say.
#[cfg(not(unix))]
pub(crate) fn available_bytes(_: &Path) -> Option<u64> {
    None
}
