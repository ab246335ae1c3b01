//! Writes files with secrets: each file gets its final permissions under a temporary name, is
//! synced, and then gets its name, so that it is complete or does not exist.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::SecretError;

pub(super) fn exists(path: &Path) -> Result<bool, SecretError> {
    path.try_exists().map_err(|error| SecretError::new(path, error))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, SecretError> {
    fs::read(path).map_err(|error| SecretError::new(path, format!("cannot be read: {error}")))
}

/// Creates `path` with `bytes` and `mode`, durably, or changes nothing.
pub(super) fn create_once(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SecretError> {
    // A hard link fails if the name is taken; a rename would not.
    write_aside(path, bytes, mode, |partial| {
        let linked = fs::hard_link(partial, path);
        linked.and(fs::remove_file(partial))
    })
}

/// Replaces the file at `path` by one with `bytes` and `mode`, durably, or changes nothing.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SecretError> {
    write_aside(path, bytes, mode, |partial| fs::rename(partial, path))
}

/// Writes a file beside `path`; `name` gives it its name.
fn write_aside(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    name: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), SecretError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let written = write_synced(&partial, bytes, mode).and_then(|()| name(&partial));
    if written.is_err() {
        // The error of the write counts, not that of the removal.
        let _ = fs::remove_file(&partial);
    }
    written
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|error| SecretError::new(path, format!("cannot be written: {error}")))
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    // The mode at creation is subject to the umask.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
