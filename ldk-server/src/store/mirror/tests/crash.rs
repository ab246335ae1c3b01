//! The mirror after a crash at each step of its writing.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::super::copy::{Copy, database_in};
use super::super::disk::Disk;
use super::super::feed::{Feed, Message};
use super::{Store, commits, find, open, shipped, write};

/// How many parts the database is copied in.
const PARTS: u64 = 3;

/// What the mirror is told to do, as it was with a real store.
enum Step {
    Database(u64, Vec<u8>),
    Log(u64, Vec<u8>),
    Place,
    Sync,
    Settle,
}

/// A store, and what its mirror would do.
struct Recorder {
    store: Store,
    database: File,
    feed: Arc<Feed>,
    steps: Vec<Step>,
    number: u64,
}

impl Recorder {
    fn new(dir: &Path) -> Self {
        let (store, database) = (open(dir), File::open(database_in(dir)).unwrap());
        let feed = Arc::new(Feed::new(String::new()));
        Self { store, database, feed, steps: Vec::new(), number: 0 }
    }

    /// Writes more often than there is room in the log.
    fn write(&mut self) {
        for _ in 0..12 {
            self.number += 1;
            write(&self.store, "key", self.number);
        }
    }

    fn copy(mut self) -> Self {
        let feed = Arc::clone(&self.feed);
        let follow = move |database: &_, tail: &mut super::super::Tail| tail.follow(database, feed);
        self.store.writer.errands().run(follow).unwrap();
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

    fn settle(mut self) -> Self {
        self.store.settle().unwrap();
        self = self.take();
        self.steps.push(Step::Settle);
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
        while let Some(message) = self.feed.next(Some(Instant::now())).unwrap() {
            if let Message::Commits(commits) = message {
                self.steps.push(Step::Log(commits.offset, commits.bytes));
            }
        }
        self
    }
}

/// Does so many steps on the disk; tells whether those were all.
fn run(dir: &Path, steps: &[Step], on_disk: Option<usize>) -> bool {
    let disk = Disk { steps: on_disk.map(Cell::new) };
    let Ok(mut copy) = Copy::begin(disk, dir) else {
        return false;
    };
    let mut take = |step: &_| match step {
        Step::Database(offset, bytes) => copy.write_database(*offset, bytes),
        Step::Log(offset, bytes) => copy.append(*offset, bytes),
        Step::Place => copy.place(),
        Step::Sync => copy.sync(),
        Step::Settle => copy.settle(),
    };
    steps.iter().all(|step| take(step).is_ok())
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn at_each_step_it_is_the_state_of_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(dir.path());
    recorder.write();
    let before_first = commits(&recorder.store) - recorder.number;
    recorder = recorder.copy().follow();
    let first = std::mem::take(&mut recorder.steps);
    let after_first = commits(&recorder.store);
    recorder = recorder.copy().settle().follow().settle();
    let (newest, second) = (commits(&recorder.store), recorder.steps);

    let (killed, mirror) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(run(killed.path(), &first, None));
    assert_eq!(find(killed.path()).unwrap().epoch.commits, after_first);
    let generations = first.iter().filter(|step| matches!(step, Step::Log(0, _))).count();
    assert!(generations > 2, "the log began anew {generations} times");
    let mut least = after_first;
    for on_disk in 0.. {
        fs::remove_dir_all(mirror.path()).unwrap();
        copy_dir(killed.path(), mirror.path());
        let is_all = run(mirror.path(), &second, Some(on_disk));
        let found = find(mirror.path()).unwrap();
        assert!((least..=newest).contains(&found.epoch.commits), "step {on_disk}");
        assert_eq!(found.numbers, found.epoch.commits - before_first, "step {on_disk}");
        least = found.epoch.commits;
        if is_all {
            break;
        }
    }
    assert_eq!(least, newest);
    assert_eq!(fs::read_dir(mirror.path()).unwrap().count(), 1, "it is one file");
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
