//! The row that counts the commits, each in its own transaction.

use std::fs;
use std::path::{Path, PathBuf};

use ldk_node::lightning::io;
use rusqlite::{Connection, OpenFlags};

use super::{as_u64, sql_error};
use crate::store::model::{Epoch, Lineage};

/// The epoch and the lineage of the state in this database.
pub(in crate::store) fn read(database: &Connection) -> rusqlite::Result<(Lineage, Epoch)> {
    database
        .prepare_cached("SELECT lineage, restores, channels, commits FROM ldk_server_epoch")?
        .query_row([], |row| {
            let number = |column| row.get(column).map(as_u64);
            let epoch = Epoch { restores: number(1)?, channels: number(2)?, commits: number(3)? };
            Ok((Lineage(row.get(0)?), epoch))
        })
}

/// Begins the next epoch, within the commit that it is of.
pub(in crate::store) fn advance(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET commits = commits + 1")?;
    statement.execute([]).map(drop)
}

/// Writes down that the commit under way changes the state of a channel.
pub(in crate::store) fn channel_changed(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET channels = channels + 1")?;
    statement.execute([]).map(drop)
}

/// Writes down that the library's manager of the channels knows of all changes so far. The library
/// writes it a moment after the state of a channel, and closes channels that the manager is behind.
pub(in crate::store) fn managed(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_epoch SET managed = channels")?;
    statement.execute([]).map(drop)
}

/// The lineage and the epoch of the database in this file, with the log beside it; `None` if there is
/// none, or one that has none of them. Nothing but SQLite's locks is written meanwhile, and they are
/// removed afterwards: of the database that this or another process uses, ask its store.
pub fn epoch_of(path: &Path) -> io::Result<Option<(Lineage, Epoch)>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let beside = |suffix| PathBuf::from(format!("{}{suffix}", path.display()));
    let made: Vec<_> =
        ["-wal", "-shm"].map(beside).into_iter().filter(|file| !file.exists()).collect();
    let found = read_only(path).map_err(sql_error);
    for file in made.iter().filter(|file| file.exists()) {
        fs::remove_file(file)?;
    }
    found
}

/// Whoever only reads moves nothing from the log into the database.
fn read_only(path: &Path) -> rusqlite::Result<Option<(Lineage, Epoch)>> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if has_table(&database, "ldk_server_epoch")? { read(&database).map(Some) } else { Ok(None) }
}

/// Whether the database has a table of this name.
pub(in crate::store) fn has_table(database: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    database.query_row(sql, [name], |row| row.get(0))
}

/// How often the state of a channel was changed, if the library has written down all that belongs to
/// the last of these changes.
pub(super) fn settled_channels(database: &Connection) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT CASE WHEN managed = channels THEN channels END FROM ldk_server_epoch";
    let settled: Option<i64> = database.query_row(sql, [], |row| row.get(0))?;
    Ok(settled.map(as_u64))
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::util::persist::KVStoreSync;

    use super::*;
    use crate::store::testing;

    #[test]
    fn every_commit_begins_an_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        let (lineage, first) = store.epoch().unwrap();
        assert_eq!(store.settled_channels().unwrap(), Some(0));
        testing::record(&store, 3);
        let later = Epoch { commits: first.commits + 3, ..first };
        assert_eq!(store.epoch().unwrap(), (lineage, later));
        assert!(!first.has_older_channels_than(&later));
        KVStoreSync::write(&store, "monitors", "", "aa_0", vec![1]).unwrap();
        KVStoreSync::write(&store, "", "", "manager", vec![1]).unwrap();
        let (_, changed) = store.epoch().unwrap();
        assert!(changed.channels == 1 && later.has_older_channels_than(&changed));
        assert_eq!(store.settled_channels().unwrap(), Some(1));
        KVStoreSync::write(&store, "monitor_updates", "aa_0", "1", vec![1]).unwrap();
        assert_eq!(store.settled_channels().unwrap(), None);
        drop(store);
        let later = Epoch { channels: 2, ..later };
        let (same, epoch) = testing::open(dir.path()).epoch().unwrap();
        assert_eq!(same, lineage);
        assert!(epoch >= later);
    }

    #[test]
    fn the_epoch_of_a_file_is_read_without_a_trace() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = copy.path().join("database");
        assert_eq!(epoch_of(&path).unwrap(), None);
        let store = testing::open(dir.path());
        testing::record(&store, 1);
        store.snapshot(&path).unwrap();
        assert_eq!(epoch_of(&path).unwrap(), Some(store.epoch().unwrap()));
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap()).collect();
        for file in
            files.iter().filter(|file| !file.file_name().to_string_lossy().ends_with("-shm"))
        {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        fs::remove_file(&path).unwrap();
        let path = copy.path().join("ldk_node_data.sqlite");
        assert_eq!(epoch_of(&path).unwrap(), Some(store.epoch().unwrap()));
        let left = fs::read_dir(copy.path()).unwrap().count();
        assert_eq!(left, 2, "the database and its log");
        let other = copy.path().join("other");
        fs::write(&other, "no database").unwrap();
        assert!(epoch_of(&other).is_err());
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
