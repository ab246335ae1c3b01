//! How far the state has come: numbers that grow with each commit, written by the commit itself. They
//! tell which of two copies of a node's state is the newer one. One whose channels are older must not
//! be used: the states they are in were revoked.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::{Store, as_u64, sql_error};

/// How far a state has come. What was restored from a copy is later than all that came of the
/// original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// How often the state was restored from a copy.
    pub restores: u64,
    /// How often the state of a channel was changed.
    pub channels: u64,
    /// How many commits were made.
    pub commits: u64,
}

impl Epoch {
    /// Whether channels were in later states at the other epoch.
    pub fn has_older_channels_than(&self, other: &Self) -> bool {
        (self.restores, self.channels) < (other.restores, other.channels)
    }
}

/// What copies of the state of the same node have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage([u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restores, channels, commits } = self;
        write!(formatter, "{restores}.{channels}.{commits}")
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Vec<u64> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(drop)?;
        let [restores, channels, commits] = numbers[..] else { return Err(()) };
        Ok(Self { restores, channels, commits })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Lineage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = hex::decode(text).map_err(drop)?;
        bytes.try_into().map(Self).map_err(drop)
    }
}

/// The epoch and the lineage of the state in this database.
pub(super) fn read(database: &Connection) -> rusqlite::Result<(Lineage, Epoch)> {
    database
        .prepare_cached("SELECT lineage, restores, channels, commits FROM ldk_server_epoch")?
        .query_row([], |row| {
            let number = |column| row.get(column).map(as_u64);
            let epoch = Epoch { restores: number(1)?, channels: number(2)?, commits: number(3)? };
            Ok((Lineage(row.get(0)?), epoch))
        })
}

/// Begins the next epoch, within the commit that it is of.
pub(super) fn advance(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET commits = commits + 1")?;
    statement.execute([]).map(drop)
}

/// Writes down that the commit under way changes the state of a channel.
pub(super) fn channel_changed(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET channels = channels + 1")?;
    statement.execute([]).map(drop)
}

/// The lineage and the epoch of the database in this file; `None` if there is none.
pub fn epoch_of(path: &Path) -> io::Result<Option<(Lineage, Epoch)>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    read(&database.map_err(sql_error)?).map(Some).map_err(sql_error)
}

impl Store {
    /// The lineage of the state, and the epoch of the last commit.
    pub fn epoch(&self) -> io::Result<(Lineage, Epoch)> {
        self.readers.read(read)
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::util::persist::KVStoreSync;

    use super::super::testing;
    use super::*;

    #[test]
    fn every_commit_begins_an_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        let (lineage, first) = store.epoch().unwrap();
        testing::record(&store, 3);
        let later = Epoch { commits: first.commits + 3, ..first };
        assert_eq!(store.epoch().unwrap(), (lineage, later));
        assert!(!first.has_older_channels_than(&later));
        KVStoreSync::write(&store, "monitors", "", "aa_0", vec![1]).unwrap();
        KVStoreSync::write(&store, "", "", "manager", vec![1]).unwrap();
        let (_, changed) = store.epoch().unwrap();
        assert!(changed.channels == 1 && later.has_older_channels_than(&changed));
        drop(store);
        let (same, epoch) = testing::open(dir.path()).epoch().unwrap();
        assert_eq!(same, lineage);
        assert!(epoch >= later);
    }

    #[test]
    fn another_database_has_another_lineage() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [(one, _), (other, _)] = dirs.map(|dir| testing::open(dir.path()).epoch().unwrap());
        assert_ne!(one, other);
    }

    #[test]
    fn what_was_restored_is_later() {
        let [old, new] = ["0.700.9", "1.3.2"].map(|text| text.parse::<Epoch>().unwrap());
        assert!(old < new);
        assert_eq!(old.to_string(), "0.700.9");
        for text in ["", "7", "1.2", "1..2", "1.2.3.4", "-1.2.3"] {
            assert_eq!(text.parse::<Epoch>(), Err(()), "{text}");
        }
        let lineage = Lineage([7; 16]);
        assert_eq!(lineage.to_string().parse(), Ok(lineage));
        assert_eq!("07".parse::<Lineage>(), Err(()));
    }
}
