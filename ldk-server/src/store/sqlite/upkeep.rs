//! What SQLite offers for the database as a whole.

use std::fs;
use std::path::Path;

use ldk_node::lightning::io;

use super::Sqlite;
use super::log::log_of;
use crate::disk::available_bytes;
use crate::store::backend::Upkeep;
use crate::store::model::{Epoch, Lineage, MirrorState, SpaceUsed};

impl Upkeep for Sqlite {
    fn snapshot(&self, path: &Path) -> io::Result<(Lineage, Epoch)> {
        self.copy_to(path)
    }

    fn checkpoint(&self) -> io::Result<()> {
        self.empty_log()
    }

    fn mirror_to(&self, dir: &Path, lineage: Lineage) -> std::io::Result<()> {
        self.replicate_to(dir, lineage)
    }

    fn mirror_state(&self) -> Option<MirrorState> {
        self.replica_state()
    }

    fn space_used(&self) -> SpaceUsed {
        SpaceUsed {
            database_bytes: file_bytes(&self.path),
            log_bytes: file_bytes(&log_of(&self.path)),
            available_bytes: available_bytes(&self.path),
        }
    }
}

/// 0 for a file that is not there.
fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}
