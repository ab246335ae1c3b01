//! Channel state that is set aside: that of a copy which is too old to be used. Monitors come back
//! when their channels were closed by the peers; then all that is left to do with them is to claim.

use std::path::Path;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use ldk_node::lightning::io;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::compat::wallet;

use super::schema::{self, SyncMode};
use super::sole_writer::SoleWriter;
use super::{as_i64, channel_manager, epoch, primary, sql_error};
use crate::store::model::{
    BROADCASTS, CUTS_MADE, Epoch, Lineage, QuarantinedMonitor, SERVER, invalid_data,
};

/// A database that no server has open.
pub struct OfflineDatabase(Connection, SoleWriter);

impl OfflineDatabase {
    /// Opens the database in this directory, which must be there, and brings it up to date: the library's
    /// records are complete then. Fails if it is damaged.
    pub fn open(dir: &Path) -> io::Result<Self> {
        if !dir.join(SQLITE_DB_FILE_NAME).try_exists()? {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no database"));
        }
        primary::refuse_working_copy(dir)?;
        let (database, sole_writer) = schema::open(dir, SyncMode::Full)?;
        let verdict: String = database
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(sql_error)?;
        if verdict != "ok" {
            return Err(invalid_data(&format!("the database is damaged: {verdict}")));
        }
        channel_manager::complete(&database).map_err(sql_error)?;
        Ok(Self(database, sole_writer))
    }

    /// Its lineage and its epoch.
    pub fn epoch(&self) -> io::Result<(Lineage, Epoch)> {
        epoch::read(&self.0).map_err(sql_error)
    }

    /// The library's record of which on-chain wallet it is, if there is one yet.
    pub fn wallet_descriptor(&self) -> io::Result<Option<Vec<u8>>> {
        let (primary, secondary, key) = wallet::DESCRIPTOR;
        let sql = "SELECT value FROM ldk_node_data
                   WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3";
        let found = self.0.query_row(sql, [primary, secondary, key], |row| row.get(0));
        found.optional().map_err(sql_error)
    }

    /// Makes it later than all that came of the original, which has come to this epoch.
    pub fn restored(&self, newest: Epoch) -> io::Result<Epoch> {
        let restores = as_i64(newest.restores.saturating_add(1));
        self.0
            .execute("UPDATE ldk_server_epoch SET restores = ?1", [restores])
            .map_err(sql_error)?;
        // What had not left the node when the copy was made may have left it later.
        self.0
            .execute(
                "DELETE FROM ldk_node_data
                 WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
                [SERVER, CUTS_MADE.0, CUTS_MADE.1],
            )
            .map_err(sql_error)?;
        // What was to be broadcast then is not what the channels are at now.
        self.0
            .execute(
                "DELETE FROM ldk_node_data
                 WHERE primary_namespace = ?1 AND secondary_namespace = ?2",
                [SERVER, BROADCASTS],
            )
            .map_err(sql_error)?;
        Ok(self.epoch()?.1)
    }

    /// Sets the state of all channels aside, and tells of how many.
    pub fn quarantine_channels(&mut self) -> io::Result<usize> {
        let change = self.0.transaction().map_err(sql_error)?;
        change
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS ldk_server_aside (
                     primary_namespace TEXT NOT NULL,
                     secondary_namespace TEXT NOT NULL,
                     key TEXT NOT NULL,
                     value BLOB NOT NULL,
                     PRIMARY KEY (primary_namespace, secondary_namespace, key)
                 ) STRICT;
                 INSERT OR REPLACE INTO ldk_server_aside
                     SELECT primary_namespace, secondary_namespace, key, value FROM ldk_node_data
                     WHERE primary_namespace IN ('monitors', 'monitor_updates')
                     OR (primary_namespace = '' AND secondary_namespace = '' AND key = 'manager');
                 DELETE FROM ldk_node_data
                     WHERE primary_namespace IN ('monitors', 'monitor_updates')
                     OR (primary_namespace = '' AND secondary_namespace = '' AND key = 'manager');",
            )
            .map_err(sql_error)?;
        let monitors = change
            .query_row(
                "SELECT count(*) FROM ldk_server_aside WHERE primary_namespace = 'monitors'",
                [],
                |row| row.get(0),
            )
            .map_err(sql_error)?;
        epoch::advance(&change).map_err(sql_error)?;
        change.commit().map_err(sql_error)?;
        Ok(monitors)
    }

    /// Moves all of the log into the database.
    pub fn close(self) -> io::Result<()> {
        let Self(database, _sole_writer) = self;
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(sql_error)?;
        database.close().map_err(|(_, error)| sql_error(error))
    }
}

/// The monitors that are set aside.
pub(super) fn monitors(database: &Connection) -> rusqlite::Result<Vec<QuarantinedMonitor>> {
    if !epoch::has_table(database, "ldk_server_aside")? {
        return Ok(Vec::new());
    }
    let mut statement = database.prepare(
        "SELECT key, value FROM ldk_server_aside
         WHERE primary_namespace = 'monitors' AND secondary_namespace = ''",
    )?;
    let monitors = statement
        .query_map([], |row| Ok(QuarantinedMonitor { name: row.get(0)?, bytes: row.get(1)? }))?;
    monitors.collect()
}

/// Gives a monitor and its updates back to the library.
pub(super) fn restore(database: &Connection, name: &str) -> rusqlite::Result<()> {
    let of_monitor = "(primary_namespace = 'monitors' AND key = ?1)
         OR (primary_namespace = 'monitor_updates' AND secondary_namespace = ?1)";
    database.execute(
        &format!(
            "INSERT OR IGNORE INTO ldk_node_data
                 (primary_namespace, secondary_namespace, key, value)
             SELECT primary_namespace, secondary_namespace, key, value
             FROM ldk_server_aside WHERE {of_monitor}"
        ),
        params![name],
    )?;
    let sql = format!("DELETE FROM ldk_server_aside WHERE {of_monitor}");
    database.execute(&sql, params![name]).map(drop)
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::util::persist::KVStoreSync;

    use super::*;
    use crate::store::{Store, testing};

    const RECORDS: [(&str, &str, &str); 5] = [
        ("", "", "manager"),
        ("", "", "peers"),
        ("monitors", "", "aa_0"),
        ("monitors", "", "bb_1"),
        ("monitor_updates", "aa_0", "1"),
    ];

    fn there(store: &Store) -> Vec<bool> {
        let is_there = |(one, two, key)| KVStoreSync::read(store, one, two, key).is_ok();
        RECORDS.into_iter().map(is_there).collect()
    }

    #[test]
    fn channel_state_goes_aside_and_a_monitor_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = testing::open(dir.path());
        for (one, two, key) in RECORDS {
            KVStoreSync::write(&store, one, two, key, key.as_bytes().to_vec()).unwrap();
        }
        assert!(store.monitors_in_quarantine().unwrap().is_empty());
        let (lineage, before) = store.epoch().unwrap();
        drop(store);

        let mut closed = OfflineDatabase::open(dir.path()).unwrap();
        assert_eq!(closed.quarantine_channels().unwrap(), 2);
        assert_eq!(closed.quarantine_channels().unwrap(), 2);
        let restored = closed.restored(before).unwrap();
        assert!(restored.restores == 1 && restored > before);
        closed.close().unwrap();

        let store = testing::open(dir.path());
        assert_eq!(store.epoch().unwrap().0, lineage);
        assert_eq!(there(&store), [false, true, false, false, false]);
        let aside: Vec<_> = store
            .monitors_in_quarantine()
            .unwrap()
            .into_iter()
            .map(|monitor| monitor.name)
            .collect();
        assert_eq!(aside, ["aa_0", "bb_1"]);
        store.restore_monitor("aa_0".to_owned()).unwrap();
        assert_eq!(there(&store), [false, true, true, false, true]);
        assert_eq!(KVStoreSync::read(&store, "monitors", "", "aa_0").unwrap(), b"aa_0");
        assert_eq!(store.monitors_in_quarantine().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            OfflineDatabase::open(dir.path()).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
        std::fs::write(dir.path().join(SQLITE_DB_FILE_NAME), "no database").unwrap();
        assert!(OfflineDatabase::open(dir.path()).is_err());
    }
}
