//! The machine that the figures are of.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::figures::Millis;

const SYNCS: usize = 200;
const PAGE_BYTES: usize = 4096;

/// What there is to know of the machine, and of the file system that this directory is on.
pub(crate) fn machine(dir: &Path) -> Result<String> {
    let cores = thread::available_parallelism()?;
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "cores: {cores}\nCPU: {}\nkernel: {}\nfile system: {}\n\
         4 KiB appended and fdatasync: p50 {:.2} ms of {SYNCS}\nbuild: {}",
        cpu.map_or("unknown", |(_, model)| model),
        kernel.trim_end(),
        file_system(dir)?,
        sync_times(dir)?.percentile(50),
        if cfg!(debug_assertions) { "debug; the figures are of no use" } else { "release" },
    ))
}

/// The type of the file system, such as ext4, and where it is mounted.
fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|mount| {
        let mut words = mount.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    // Of those mounted at the same place the last hides the others.
    let (place, kind) = mounts
        .filter(|(place, _)| dir.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .context("no file system is mounted")?;
    Ok(format!("{kind}, mounted at {place}"))
}

/// How long it takes until a page at the end of a file is on disk.
fn sync_times(dir: &Path) -> Result<Millis> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; PAGE_BYTES])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    fs::remove_file(path)?;
    Ok(times.into_iter().collect())
}
