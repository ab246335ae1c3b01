//! Changes of the mirror's files. Tests let them end at each step, as a crash does, and lose what was
//! not synced, as a loss of power does.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Where the mirror's files are.
#[derive(Default)]
pub(super) struct Disk {
    /// How many more steps are taken; of the one after these a write does the half.
    #[cfg(test)]
    pub(super) steps: Option<std::cell::Cell<usize>>,
    /// What has become durable.
    #[cfg(test)]
    pub(super) durable: Option<super::tests::durable::Durable>,
}

impl Disk {
    /// Makes a directory for this user only, unless it is there. The one above must be: a disk that
    /// is not mounted is not to be taken for one that is.
    pub(super) fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Makes an empty file that only this user may read.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)
    }

    pub(super) fn write(&self, mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        if let Err(error) = self.step() {
            file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    pub(super) fn set_len(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step()?;
        file.set_len(bytes)
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.step()?;
        #[cfg(test)]
        if let Some(durable) = &self.durable {
            durable.synced(file);
        }
        file.sync_data()
    }

    /// Makes sure that files have the names that they were given.
    pub(super) fn sync_names(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        #[cfg(unix)]
        File::open(dir)?.sync_all()?;
        #[cfg(test)]
        if let Some(durable) = &self.durable {
            durable.synced_names(dir);
        }
        Ok(())
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests count the steps")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        let Some(steps) = &self.steps else {
            return Ok(());
        };
        let left = steps.get().checked_sub(1).ok_or_else(|| io::Error::other("no more steps"))?;
        steps.set(left);
        Ok(())
    }
}
