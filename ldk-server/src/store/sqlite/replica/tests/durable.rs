//! What is left after a loss of power: what was synced, and of what was not synced some.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is written to a disk at once.
const SECTOR_BYTES: usize = 4096;

/// The files as they were synced last, by their inodes, and their names.
#[derive(Default)]
pub(in crate::store::sqlite::replica) struct Durable {
    contents: RefCell<HashMap<u64, Vec<u8>>>,
    names: RefCell<HashMap<PathBuf, u64>>,
    /// So that no inode is used again.
    opened: RefCell<Vec<File>>,
}

impl Durable {
    /// All that is in this directory.
    pub(super) fn of(dir: &Path) -> Self {
        let durable = Self::default();
        for file in fs::read_dir(dir).unwrap() {
            durable.synced(&File::open(file.unwrap().path()).unwrap());
        }
        durable.synced_names(dir);
        durable
    }

    pub(in crate::store::sqlite::replica) fn synced(&self, mut file: &File) {
        let inode = file.metadata().unwrap().ino();
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        self.contents.borrow_mut().insert(inode, bytes);
        self.opened.borrow_mut().push(file.try_clone().unwrap());
    }

    pub(in crate::store::sqlite::replica) fn synced_names(&self, dir: &Path) {
        *self.names.borrow_mut() = names(dir);
    }

    /// Leaves in another directory what `chance` decides of what was not synced.
    pub(super) fn lose_power(
        &self,
        dir: &Path,
        left: &Path,
        mut chance: impl FnMut(usize) -> usize,
    ) {
        let (written, synced) = (names(dir), self.names.borrow());
        let contents = self.contents.borrow();
        let all: BTreeSet<_> = written.keys().chain(synced.keys()).collect();
        for path in all {
            let names = if chance(2) == 0 { &written } else { &*synced };
            let Some(inode) = names.get(path) else {
                continue;
            };
            let synced = contents.get(inode).cloned().unwrap_or_default();
            let now = written.iter().find(|(_, other)| *other == inode);
            let bytes = match now {
                Some((path, _)) => mixed(&fs::read(path).unwrap(), &synced, &mut chance),
                None => synced,
            };
            fs::write(left.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

fn names(dir: &Path) -> HashMap<PathBuf, u64> {
    let name = |file: fs::DirEntry| (file.path(), file.metadata().unwrap().ino());
    fs::read_dir(dir).unwrap().map(|file| name(file.unwrap())).collect()
}

/// Some sectors as they were written, and others as they were synced.
fn mixed(written: &[u8], synced: &[u8], mut chance: impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut mixed = if chance(2) == 0 { written } else { synced }.to_vec();
    let likelihood = chance(5);
    for (number, sector) in mixed.chunks_mut(SECTOR_BYTES).enumerate() {
        let from = if chance(4) < likelihood { written } else { synced };
        if let Some(bytes) =
            from.get(number * SECTOR_BYTES..).filter(|rest| rest.len() >= sector.len())
        {
            sector.copy_from_slice(&bytes[..sector.len()]);
        }
    }
    mixed
}
