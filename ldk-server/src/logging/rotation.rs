//! Moving a log file away: `<log>.<when, UTC>`, of which the newest are kept.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use file_rotate::compression::Compression;
use file_rotate::suffix::{Representation, SuffixScheme};
use file_rotate::{ContentLimit, FileRotate, SuffixInfo};

const SUFFIX_FORMAT: &str = "%Y-%m-%dT%H-%M-%SZ";

/// Moves the file away, if it is there, and removes the oldest of those moved before, so that
/// `max_files` remain.
pub(super) fn rotate(log: &Path, max_files: usize) -> io::Result<()> {
    // The library panics where it expects a file or a directory that is not there.
    if !log.try_exists()? {
        return Ok(());
    }
    let scheme = ByTime { max_files };
    FileRotate::new(log, scheme, ContentLimit::None, Compression::None, None).rotate()
}

/// When a file was moved away. The newest comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MovedAt(Reverse<DateTime<Utc>>);

impl std::fmt::Display for MovedAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.0.format(SUFFIX_FORMAT).fmt(f)
    }
}

impl Representation for MovedAt {}

struct ByTime {
    max_files: usize,
}

impl SuffixScheme for ByTime {
    type Repr = MovedAt;

    /// Now; or the next second that no other file is called after, so that none is overwritten.
    fn rotate_file(
        &mut self,
        log: &Path,
        _: Option<&MovedAt>,
        moved_before: &Option<MovedAt>,
    ) -> io::Result<MovedAt> {
        if moved_before.is_some() || !log.try_exists()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut moved_at = MovedAt(Reverse(Utc::now()));
        while moved_at.to_path(log).try_exists()? {
            moved_at.0.0 += TimeDelta::seconds(1);
        }
        Ok(moved_at)
    }

    fn parse(&self, suffix: &str) -> Option<MovedAt> {
        let time = NaiveDateTime::parse_from_str(suffix, SUFFIX_FORMAT).ok()?;
        Some(MovedAt(Reverse(time.and_utc())))
    }

    fn too_old(&self, _: &MovedAt, newer_files: usize) -> bool {
        newer_files >= self.max_files
    }

    /// The library's own panics in a directory that cannot be listed; there, none is removed.
    fn scan_suffixes(&self, log: &Path) -> BTreeSet<SuffixInfo<MovedAt>> {
        let dir = log.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names = fs::read_dir(dir).into_iter().flatten();
        let prefix = log.file_name().unwrap_or_default().to_string_lossy();
        names
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                let suffix = name.to_str()?.strip_prefix(&*prefix)?.strip_prefix('.')?;
                Some(SuffixInfo { suffix: self.parse(suffix)?, compressed: false })
            })
            .collect()
    }
}
