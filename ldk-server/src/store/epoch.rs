//! How far the state has come: a number that grows with each commit, written by the commit itself.
//! It tells which of two copies of a node's state is the newer one, and an older one must not be
//! used: its channels are in states that were revoked.

use std::fmt;
use std::str::FromStr;

use ldk_node::lightning::io;
use rusqlite::Connection;

use super::{Store, as_u64};

/// How far a state has come. What was restored from a copy is later than all that came of the
/// original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// How often the state was restored from a copy.
    pub restores: u64,
    /// How many commits were made.
    pub commits: u64,
}

/// What copies of the state of the same node have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage([u8; 16]);

impl Lineage {
    /// The one that is written with these bytes.
    pub(super) fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.restores, self.commits)
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (restores, commits) = text.split_once('.').ok_or(())?;
        let number = |text: &str| text.parse().map_err(drop);
        Ok(Self { restores: number(restores)?, commits: number(commits)? })
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
    database.prepare_cached("SELECT lineage, restores, commits FROM ldk_server_epoch")?.query_row(
        [],
        |row| {
            let epoch = Epoch { restores: as_u64(row.get(1)?), commits: as_u64(row.get(2)?) };
            Ok((Lineage(row.get(0)?), epoch))
        },
    )
}

/// Begins the next epoch, within the commit that it is of.
pub(super) fn advance(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET commits = commits + 1")?;
    statement.execute([]).map(drop)
}

impl Store {
    /// The lineage of the state, and the epoch of the last commit.
    pub fn epoch(&self) -> io::Result<(Lineage, Epoch)> {
        self.readers.read(read)
    }
}

#[cfg(test)]
mod tests {
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
        let [old, new] = ["0.700", "1.3"].map(|text| text.parse::<Epoch>().unwrap());
        assert!(old < new);
        assert_eq!(old.to_string(), "0.700");
        for text in ["", "7", "1.", ".1", "1.2.3", "-1.2"] {
            assert_eq!(text.parse::<Epoch>(), Err(()), "{text}");
        }
        let lineage = Lineage([7; 16]);
        assert_eq!(lineage.to_string().parse(), Ok(lineage));
        assert_eq!("07".parse::<Lineage>(), Err(()));
    }
}
