//! A look at the replicas of the database.

use super::error::PostgresError;
use super::health::{Replica, Replicas};
use super::session::Session;

/// Looks at the replicas. Base backups that are being made are none.
pub(super) async fn look(session: &Session) -> Result<Replicas, PostgresError> {
    let rows = session
        .query(
            "SELECT current_setting('synchronous_standby_names') <> '', application_name, sync_state,
                 pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::bigint
             FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'",
            &[],
        )
        .await?;
    let visible = rows.iter().filter_map(|row| {
        let lag_bytes: Option<i64> = row.get(3);
        Some(Replica {
            name: row.get::<_, Option<String>>(1)?,
            sync_state: row.get::<_, Option<String>>(2)?,
            lag_bytes: lag_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0)),
        })
    });
    Ok(Replicas {
        number: rows.len(),
        are_waited_for: rows.first().is_some_and(|row| row.get(0)),
        visible: visible.collect(),
    })
}
