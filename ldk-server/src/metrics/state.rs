//! The metrics of the database, the mirror and the backups.

use super::page::{Page, signed};
use crate::store::{MirrorState, StoreState};

/// Adds the metrics of the store.
pub(super) fn add(page: &Page, state: &StoreState) -> prometheus::Result<()> {
    add_writes(page, state)?;
    add_sizes(page, state)?;
    if let Some(mirror) = &state.mirror {
        add_mirror(page, mirror)?;
    }
    if let Some(at_secs) = state.backed_up_at {
        page.gauge(
            "ldk_server_last_backup_timestamp_seconds",
            "When the last backup was made, in Unix time.",
            signed(at_secs),
        )?;
    }
    page.gauge(
        "ldk_server_event_subscribers",
        "Streams of events that are open.",
        signed(state.event_subscribers),
    )
}

fn add_writes(page: &Page, state: &StoreState) -> prometheus::Result<()> {
    let StoreState { queued_writes, waits, cuts_begun, .. } = *state;
    page.gauge(
        "ldk_server_store_queued_writes",
        "Changes that wait for the commit after the one under way.",
        signed(queued_writes),
    )?;
    page.gauge(
        "ldk_server_store_commit_pending_seconds",
        "For how long the disk has been busy with the commit under way; 0 if there is none.",
        signed(waits.disk.as_secs()),
    )?;
    page.gauge(
        "ldk_server_consistent_cuts",
        "1 if the state of the channels is written at consistent cuts, otherwise 0.",
        i64::from(cuts_begun),
    )?;
    page.gauge(
        "ldk_server_cut_uncovered_seconds",
        "For how long the state of a channel has waited for the manager that knows of it.",
        signed(waits.manager.as_secs()),
    )
}

fn add_sizes(page: &Page, state: &StoreState) -> prometheus::Result<()> {
    let StoreState { database_bytes, log_bytes, disk_available_bytes, .. } = *state;
    page.gauge(
        "ldk_server_store_database_bytes",
        "The size of the database's file.",
        signed(database_bytes),
    )?;
    page.gauge(
        "ldk_server_store_log_bytes",
        "The size of the database's write-ahead log.",
        signed(log_bytes),
    )?;
    match disk_available_bytes {
        Some(bytes) => page.gauge(
            "ldk_server_store_disk_available_bytes",
            "What the disk of the database has room for.",
            signed(bytes),
        ),
        None => Ok(()),
    }
}

fn add_mirror(page: &Page, mirror: &MirrorState) -> prometheus::Result<()> {
    let MirrorState { behind, is_failing } = *mirror;
    page.gauge(
        "ldk_server_mirror_behind_seconds",
        "For how long the mirror has lacked changes of the database; 0 if it has them all.",
        signed(behind.as_secs()),
    )?;
    page.gauge(
        "ldk_server_mirror_failing",
        "1 if the mirror cannot be written, otherwise 0.",
        i64::from(is_failing),
    )
}
