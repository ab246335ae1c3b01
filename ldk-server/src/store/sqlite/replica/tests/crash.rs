//! The mirror after a crash at each step of its writing.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use super::super::base_backup::{BaseBackup, database_in};
use super::super::disk::Disk;
use super::super::queue::{Message, Queue};
use super::durable::Durable;
use super::{Store, between_commits, commits, find, open, shipped, write};

/// How many parts the database is copied in.
const PARTS: u64 = 3;

/// How many values are written, one after the other.
const KEYS: u64 = 40;

/// How many losses of power are tried at each step.
const LOSSES: usize = 4;

/// What the mirror is told to do, as it was with a real store.
enum Step {
    Database(u64, Vec<u8>),
    Log(u64, Vec<u8>),
    Place,
    Sync,
    Checkpoint,
}

/// A store, and what its mirror would do.
struct Recorder {
    store: Store,
    database: File,
    queue: Arc<Queue>,
    steps: Vec<Step>,
    number: u64,
}

impl Recorder {
    fn new(dir: &Path) -> Self {
        let (store, database) = (open(dir), File::open(database_in(dir)).unwrap());
        let queue = Arc::new(Queue::new(String::new()));
        Self { store, database, queue, steps: Vec::new(), number: 0 }
    }

    /// Writes more often than there is room in the log.
    fn write(&mut self) {
        for _ in 0..12 {
            self.number += 1;
            // All numbers together are how often this was done.
            let key = self.number % KEYS;
            write(&self.store, &key.to_string(), self.number.div_ceil(KEYS));
        }
    }

    fn copy(mut self) -> Self {
        let queue = Arc::clone(&self.queue);
        let follow = move |database: &_, wal_reader: &mut super::super::wal_reader::WalReader| {
            wal_reader.follow(database, queue);
        };
        between_commits(&self.store, follow);
        self.database.rewind().unwrap();
        let part_bytes = self.database.metadata().unwrap().len() / PARTS + 1;
        for part in 0..=PARTS {
            let mut bytes = Vec::new();
            (&self.database).take(part_bytes).read_to_end(&mut bytes).unwrap();
            self.steps.push(Step::Database(part * part_bytes, bytes));
            self.write();
            // Those of the last part come later than they were made.
            if part > 1 {
                self = self.take();
            }
        }
        self = self.take();
        self.steps.push(Step::Place);
        self
    }

    fn checkpoint(mut self) -> Self {
        self.store.checkpoint().unwrap();
        self = self.take();
        self.steps.push(Step::Checkpoint);
        self
    }

    fn follow(mut self) -> Self {
        for _ in 0..2 {
            self.write();
            self = self.take();
            self.steps.push(Step::Sync);
        }
        self
    }

    fn take(mut self) -> Self {
        shipped(&self.store);
        while let Some(message) = self.queue.next(Some(Instant::now())).unwrap() {
            if let Message::Commits(commits) = message {
                self.steps.push(Step::Log(commits.offset, commits.bytes));
            }
        }
        self
    }
}

/// Does so many steps on the disk; tells whether those were all.
fn run(dir: &Path, steps: &[Step], on_disk: Option<usize>) -> bool {
    let disk = Disk { steps: on_disk.map(Cell::new), ..Default::default() };
    run_on(disk, dir, steps).0
}

/// Tells also on which disk.
fn run_on(disk: Disk, dir: &Path, steps: &[Step]) -> (bool, Option<Disk>) {
    let Ok(mut copy) = BaseBackup::begin(disk, dir) else {
        return (false, None);
    };
    let mut take = |step: &_| match step {
        Step::Database(offset, bytes) => copy.write_database(*offset, bytes),
        Step::Log(offset, bytes) => copy.append(*offset, bytes),
        Step::Place => copy.place(),
        Step::Sync => copy.sync(),
        Step::Checkpoint => copy.checkpoint(),
    };
    let are_all = steps.iter().all(|step| take(step).is_ok());
    (are_all, Some(copy.disk))
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A mirror that a process which was killed has left, and what the next one does.
struct Turn {
    killed: TempDir,
    steps: Vec<Step>,
    /// The epochs are those after this one.
    begin: u64,
    least: u64,
    newest: u64,
}

impl Turn {
    fn new() -> Self {
        let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut recorder = Recorder::new(dir.path());
        recorder.write();
        let begin = commits(&recorder.store) - recorder.number;
        recorder = recorder.copy().follow();
        let first = std::mem::take(&mut recorder.steps);
        let least = commits(&recorder.store);
        let generations = first.iter().filter(|step| matches!(step, Step::Log(0, _))).count();
        assert!(generations > 2, "the log began anew {generations} times");
        recorder = recorder.copy().checkpoint().follow().checkpoint();
        assert!(run(killed.path(), &first, None));
        let newest = commits(&recorder.store);
        Self { killed, steps: recorder.steps, begin, least, newest }
    }

    /// Returns the epoch that is found there.
    fn check(&self, mirror: &Path, on_disk: usize) -> u64 {
        let found = find(mirror).unwrap();
        let commits = found.epoch.commits;
        assert!((self.least..=self.newest).contains(&commits), "step {on_disk}");
        assert_eq!(found.numbers, commits - self.begin, "step {on_disk}");
        commits
    }
}

#[test]
fn at_each_step_it_is_the_state_of_a_commit() {
    let (mut turn, mirror) = (Turn::new(), tempfile::tempdir().unwrap());
    for on_disk in 0.. {
        fs::remove_dir_all(mirror.path()).unwrap();
        copy_dir(turn.killed.path(), mirror.path());
        let is_all = run(mirror.path(), &turn.steps, Some(on_disk));
        turn.least = turn.check(mirror.path(), on_disk);
        if is_all {
            break;
        }
    }
    assert_eq!(turn.least, turn.newest);
    assert_eq!(fs::read_dir(mirror.path()).unwrap().count(), 1, "it is one file");
}

#[test]
fn it_outlives_a_loss_of_power_at_each_step() {
    let (turn, mirror) = (Turn::new(), tempfile::tempdir().unwrap());
    let mut random = StdRng::seed_from_u64(7);
    for on_disk in 1.. {
        fs::remove_dir_all(mirror.path()).unwrap();
        copy_dir(turn.killed.path(), mirror.path());
        let durable = Durable::of(mirror.path());
        let disk = Disk { steps: Some(Cell::new(on_disk)), durable: Some(durable) };
        let (is_all, disk) = run_on(disk, mirror.path(), &turn.steps);
        if let Some(durable) = disk.and_then(|disk| disk.durable) {
            for _ in 0..LOSSES {
                let left = tempfile::tempdir().unwrap();
                let chance = |below| random.random_range(0..below);
                durable.lose_power(mirror.path(), left.path(), chance);
                turn.check(left.path(), on_disk);
            }
        }
        if is_all {
            break;
        }
    }
}

#[test]
fn the_first_copy_is_there_only_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(dir.path());
    recorder.write();
    let recorder = recorder.copy();
    let newest = commits(&recorder.store);
    let mirror = tempfile::tempdir().unwrap();
    for on_disk in 1.. {
        fs::remove_dir_all(mirror.path()).unwrap();
        let is_all = run(mirror.path(), &recorder.steps, Some(on_disk));
        if let Some(found) = find(mirror.path()) {
            assert_eq!(found.epoch.commits, newest, "step {on_disk}");
        }
        if is_all {
            break;
        }
    }
    assert!(find(mirror.path()).is_some());
}
