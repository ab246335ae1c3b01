//! The directory of one network's state, which one process may use at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Why the directory of the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file or directory cannot be created or used.
    #[error("cannot use {}: {source}", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process uses the same state.
    #[error(
        "another ldk-server is running on {}; two on the same data would lose funds",
        .0.display()
    )]
    InUse(PathBuf),
}

/// Creates the directory of a network's state and its parents.
pub fn create_dirs(network_dir: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(network_dir).map_err(unusable(network_dir))
}

/// Locks the state against other processes, because two on the same state would lose funds. Closing
/// the returned file releases the lock.
pub(crate) fn lock(network_dir: &Path) -> Result<File, StorageError> {
    let path = network_dir.join("ldk-server.lock");
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    let file = options.open(&path).map_err(unusable(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse(network_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(StorageError::Unusable { path, source }),
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    |source| StorageError::Unusable { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_may_hold_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let message = lock(dir.path()).err().unwrap().to_string();
        assert!(message.contains("another ldk-server is running on"), "{message}");
        drop(held);
        lock(dir.path()).unwrap();
    }

    #[test]
    fn an_unusable_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let message = create_dirs(&file.join("regtest")).err().unwrap().to_string();
        assert!(message.contains("file/regtest"), "{message}");
    }
}
