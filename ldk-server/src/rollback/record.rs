//! The rollback record: a small file beside the directory of the network, with the newest epoch of
//! the state. It outlives the database, so that an older copy of the database is detected.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ldk_node::bitcoin::Network;

use crate::store::{Epoch, Lineage};

/// The file. It has one line for each state of this machine: its lineage and its newest epoch.
pub(crate) struct RollbackRecord {
    path: PathBuf,
}

impl RollbackRecord {
    /// The record of a network in a storage directory.
    pub(crate) fn new(storage_dir: &Path, network: Network) -> Self {
        Self { path: storage_dir.join(format!("{network}.epochs")) }
    }

    /// The newest epoch that was seen of a state.
    pub(crate) fn newest(&self, lineage: Lineage) -> io::Result<Option<Epoch>> {
        Ok(self.read()?.get(&lineage.to_string()).copied())
    }

    /// Records an epoch, unless it is older than the recorded one.
    pub(crate) fn note(&self, lineage: Lineage, epoch: Epoch) -> io::Result<()> {
        let mut seen = self.read()?;
        if seen.get(&lineage.to_string()).is_some_and(|newest| *newest >= epoch) {
            return Ok(());
        }
        seen.insert(lineage.to_string(), epoch);
        self.write(&seen)
    }

    fn read(&self) -> io::Result<BTreeMap<String, Epoch>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        let line = |line: &str| {
            let (lineage, epoch) = line.split_once(' ')?;
            Some((lineage.to_owned(), epoch.parse().ok()?))
        };
        let seen = text.lines().map(line).collect::<Option<_>>();
        seen.ok_or_else(|| self.failed(&"holds something else than epochs; move it away"))
    }

    fn write(&self, seen: &BTreeMap<String, Epoch>) -> io::Result<()> {
        let partial = self.path.with_extension("epochs.partial");
        let write = || {
            let mut file = File::create(&partial)?;
            for (lineage, epoch) in seen {
                writeln!(file, "{lineage} {epoch}")?;
            }
            file.sync_all()?;
            fs::rename(&partial, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| self.failed(&error))
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> io::Error {
        io::Error::other(format!("{}: {reason}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_epoch_of_each_state_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let record = RollbackRecord::new(dir.path(), Network::Regtest);
        let [one, other] = ["07".repeat(16), "08".repeat(16)].map(|text| text.parse().unwrap());
        let epoch = |commits| Epoch { commits, ..Epoch::default() };
        assert_eq!(record.newest(one).unwrap(), None);
        for (lineage, commits, newest) in [(one, 7, 7), (other, 3, 3), (one, 9, 9), (one, 8, 9)] {
            record.note(lineage, epoch(commits)).unwrap();
            assert_eq!(record.newest(lineage).unwrap(), Some(epoch(newest)));
        }
        assert_eq!(record.newest(other).unwrap(), Some(epoch(3)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let record = RollbackRecord::new(dir.path(), Network::Regtest);
        fs::write(dir.path().join("regtest.epochs"), "hello\n").unwrap();
        let lineage = "07".repeat(16).parse().unwrap();
        let error = record.note(lineage, Epoch::default()).unwrap_err().to_string();
        assert!(error.contains("regtest.epochs: holds something else"), "{error}");
    }
}
