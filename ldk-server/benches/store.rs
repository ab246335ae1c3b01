//! What a durable write costs: our store against the library's own, in the same directory and by
//! turns, with 1, 8 and 64 writers who each write 2 KiB again and again under keys of their own; and
//! how much is read meanwhile.
//!
//! `cargo bench -p ldk-server --bench store -- [--dir DIR] [--rounds N] [--millis N]`
//!
//! The directory must not be in memory, where nothing is made durable; a round takes so many
//! milliseconds for each line and store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use ldk_node::io::sqlite_store::SqliteStore;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_server::store::{KvOwner, Store};

const VALUE_BYTES: usize = 2 << 10;
/// How many keys each writer has.
const KEYS: u64 = 100;
const WRITERS: [usize; 3] = [1, 8, 64];
const READERS: [usize; 2] = [1, 4];
/// How many write while others read.
const WRITERS_BESIDE: usize = 8;
const NAMESPACE: &str = "bench";

#[derive(Parser)]
struct Args {
    /// Where to make the databases; by default in the build directory.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// How often each line is measured; the median is shown.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How long each measurement takes, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Either store.
trait Both: KVStore + KVStoreSync + Send + Sync {}
impl<T: KVStore + KVStoreSync + Send + Sync> Both for T {}

/// What a line of the table measures.
#[derive(Clone, Copy)]
enum Line {
    /// Writers on threads of their own.
    Sync { writers: usize },
    /// Writers that are tasks.
    Async { writers: usize },
    /// Readers on threads of their own, while others write.
    Read { readers: usize },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir_in(&args.dir)?;
    println!(
        "values of {VALUE_BYTES} bytes, median of {} rounds of {} ms, in {} ({})\n",
        args.rounds,
        args.millis,
        args.dir.display(),
        file_system(&args.dir).unwrap_or_else(|_| "unknown file system".to_owned()),
    );
    println!("{:<34} {:>12} {:>12} {:>8}", "per second", "the library", "ours", "ratio");
    let lines = WRITERS.map(|writers| Line::Sync { writers }).into_iter();
    let lines = lines.chain(WRITERS.map(|writers| Line::Async { writers }));
    for line in lines.chain(READERS.map(|readers| Line::Read { readers })) {
        let (library, ours) = open(dir.path())?;
        let measured = Duration::from_millis(args.millis);
        let mut rates: [Vec<f64>; 2] = Default::default();
        for _ in 0..args.rounds {
            for (store, rates) in [&library, &ours].into_iter().zip(&mut rates) {
                rates.push(line.measure(store, measured)?);
            }
        }
        let [library, ours] = rates.map(median);
        println!("{:<34} {library:>12.0} {ours:>12.0} {:>7.2}x", line.name(), ours / library);
    }
    Ok(())
}

fn open(dir: &Path) -> Result<(Arc<dyn Both>, Arc<dyn Both>)> {
    let dir = tempfile::tempdir_in(dir)?.keep();
    let library = SqliteStore::new(dir.join("library"), None, None)?;
    let ours = dir.join("ours");
    std::fs::create_dir(&ours)?;
    let on_failure = |reason: &str| {
        eprintln!("{reason}");
        std::process::exit(1);
    };
    Ok((Arc::new(library), Arc::new(Store::open(&ours, KvOwner::Server, on_failure)?)))
}

impl Line {
    fn name(self) -> String {
        match self {
            Self::Sync { writers } => format!("writes, {writers} threads"),
            Self::Async { writers } => format!("writes, {writers} tasks"),
            Self::Read { readers } => {
                format!("reads, {readers} threads, {WRITERS_BESIDE} writing")
            },
        }
    }

    /// How many times a second it is done.
    fn measure(self, store: &Arc<dyn Both>, duration: Duration) -> Result<f64> {
        let run = Arc::new(Run::default());
        let started = Instant::now();
        match self {
            Self::Sync { writers } => run.on_threads(store, writers, 0, duration)?,
            Self::Async { writers } => run.on_tasks(store, writers, duration)?,
            Self::Read { readers } => run.on_threads(store, WRITERS_BESIDE, readers, duration)?,
        }
        let done = match self {
            Self::Read { .. } => &run.reads,
            _ => &run.writes,
        };
        Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
    }
}

/// What was done until it was over.
#[derive(Default)]
struct Run {
    is_over: AtomicBool,
    writes: AtomicU64,
    reads: AtomicU64,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn on_threads(
        self: &Arc<Self>,
        store: &Arc<dyn Both>,
        writers: usize,
        readers: usize,
        duration: Duration,
    ) -> Result<()> {
        for key in 0..KEYS {
            KVStoreSync::write(&**store, NAMESPACE, "0", &key.to_string(), value(key))?;
        }
        thread::scope(|scope| {
            let writers: Vec<_> = (0..writers)
                .map(|writer| scope.spawn(move || self.write(&**store, writer)))
                .collect();
            let readers: Vec<_> =
                (0..readers).map(|_| scope.spawn(move || self.read(&**store))).collect();
            let started = Instant::now();
            while let Some(rest) = duration.checked_sub(started.elapsed()) {
                thread::park_timeout(rest);
            }
            self.is_over.store(true, Ordering::Relaxed);
            for thread in writers.into_iter().chain(readers) {
                thread.join().ok().context("a thread panicked")??;
            }
            Ok(())
        })
    }

    fn write(&self, store: &dyn Both, writer: usize) -> Result<()> {
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            let (writer, key) = (writer.to_string(), (number % KEYS).to_string());
            KVStoreSync::write(store, NAMESPACE, &writer, &key, value(number))?;
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read(&self, store: &dyn Both) -> Result<()> {
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            KVStoreSync::read(store, NAMESPACE, "0", &(number % KEYS).to_string())?;
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn on_tasks(
        self: &Arc<Self>,
        store: &Arc<dyn Both>,
        writers: usize,
        duration: Duration,
    ) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
        runtime.block_on(async {
            let writers: Vec<_> = (0..writers)
                .map(|writer| {
                    let (run, store) = (Arc::clone(self), Arc::clone(store));
                    tokio::spawn(async move { run.write_async(&*store, writer).await })
                })
                .collect();
            tokio::time::sleep(duration).await;
            self.is_over.store(true, Ordering::Relaxed);
            for writer in writers {
                writer.await??;
            }
            Ok(())
        })
    }

    async fn write_async(&self, store: &dyn Both, writer: usize) -> Result<()> {
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            let (writer, key) = (writer.to_string(), (number % KEYS).to_string());
            KVStore::write(store, NAMESPACE, &writer, &key, value(number)).await?;
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn value(number: u64) -> Vec<u8> {
    vec![number as u8; VALUE_BYTES]
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// The file system as the system names it: that with the longest mount point above the directory.
fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        Some((Path::new(parts.next()?), parts.next()?))
    });
    let above = mounts.filter(|(mount, _)| dir.starts_with(mount));
    let (_, kind) =
        above.max_by_key(|(mount, _)| mount.as_os_str().len()).context("no mount point")?;
    Ok(kind.to_owned())
}
