//! The database as a whole.

use std::time::Duration;

/// How the mirror of the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorState {
    /// The age of the oldest commit that the mirror lacks, at most; zero if it lacks none.
    pub behind: Duration,
    /// Whether writing it fails or hangs, and it has not caught up since.
    pub is_failing: bool,
}

/// The space that the database takes on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct SpaceUsed {
    /// The size of the database, in bytes; 0 if it is not on a disk of this machine.
    pub(in crate::store) database_bytes: u64,
    /// The size of its write-ahead log, in bytes.
    pub(in crate::store) log_bytes: u64,
    /// The space that is left on the disk, in bytes; `None` if the disk does not say.
    pub(in crate::store) available_bytes: Option<u64>,
}
