//! The directory of one network's state: made private, and used by one process at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::start::StartError;

/// Makes the directory of a network's state, and those above it.
pub fn make_dirs(network_dir: &Path) -> Result<(), StartError> {
    fs::create_dir_all(network_dir).map_err(|error| unusable(network_dir, &error))
}

/// Makes sure that no other process runs on the same state, which would lose funds. The lock ends
/// with the returned file, or with the process.
pub(crate) fn lock(network_dir: &Path) -> Result<File, StartError> {
    let path = network_dir.join("ldk-server.lock");
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    let file = options.open(&path).map_err(|error| unusable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::AlreadyRunning(format!(
            "another ldk-server is running on {}; two on the same data would lose funds",
            network_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
    }
}

fn unusable(path: &Path, error: &io::Error) -> StartError {
    StartError::Storage(format!("cannot use {}: {error}", path.display()))
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
        let message = make_dirs(&file.join("regtest")).err().unwrap().to_string();
        assert!(message.contains("file/regtest"), "{message}");
    }
}
