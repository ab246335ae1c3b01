//! Making the file of the database complete without its log.

use std::sync::mpsc;

use ldk_node::lightning::io;

use super::connection::Writing;
use super::{Sqlite, log, replica, sql_error};

impl Sqlite {
    /// Completes what is the library's, moves all of the log into the database, and waits for the mirror,
    /// but not for ever.
    pub(super) fn empty_log(&self) -> io::Result<()> {
        let (done, mirror_done) = mpsc::channel();
        let checkpoint = |writing: &mut Writing| {
            writing.complete()?;
            log::empty(&writing.database).map(|is_empty| {
                if is_empty {
                    writing.wal_reader.checkpoint(done);
                }
            })
        };
        self.maintenance.run(checkpoint)?.map_err(sql_error)?;
        let has_mirror = self.mirror.get().is_some();
        if has_mirror && mirror_done.recv_timeout(replica::PATIENCE).is_err() {
            tracing::warn!("the mirror is behind the database");
        }
        Ok(())
    }
}
