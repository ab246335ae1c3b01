//! Copies of the database that are made while the library works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use tempfile::TempDir;

use crate::store::conformance::cuts::library::{Library, State};
use crate::store::conformance::cuts::none_was_forced;
use crate::store::conformance::cuts::play::Play;
use crate::store::sqlite::replica::tests::{in_mirror, level};
use crate::store::sqlite::testing::{contents, contents_of_file};
use crate::store::{Store, testing};

const SNAPSHOTS: usize = 60;
const LOOKS: u64 = 25;

/// Has the worker stop, whatever became of the test.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Works until it is told to stop, with a rest now and then.
fn work(store: &Store, library: Library<'_>, is_over: &AtomicBool) {
    let mut play = Play::new(library, 7);
    for step in 1_u64.. {
        play.step();
        if step.is_multiple_of(29) {
            play.rest();
            store.barrier().unwrap();
        }
        if is_over.load(Ordering::Relaxed) {
            return play.rest();
        }
    }
}

#[test]
fn a_backup_at_any_moment_is_a_cut() {
    let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = testing::open(dir.path());
    let library = Library::with_channels(&store, 2);
    let is_over = AtomicBool::new(false);
    let managers = thread::scope(|scope| {
        let worker = scope.spawn(|| work(&store, library, &is_over));
        let _stop = Stop(&is_over);
        let mut managers = Vec::new();
        for number in 0..SNAPSHOTS {
            let copy = copies.path().join(number.to_string());
            store.snapshot(&copy).unwrap();
            let state = State::of(&contents_of_file(&copy));
            state.is_a_cut();
            managers.push(state.manager);
            fs::remove_file(copy).unwrap();
            assert!(!worker.is_finished());
        }
        managers
    });
    none_was_forced(&store);
    assert!(managers.is_sorted());
    managers.iter().for_each(|manager| assert!(*manager > 0));
    assert!(managers.first() < managers.last(), "{managers:?}");
}

#[test]
fn the_mirror_is_a_cut_whenever_it_is_level() {
    let (dir, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mirror = place.path().join("regtest");
    let store = testing::open(dir.path());
    store.mirror_to(&mirror).unwrap();
    let library = Library::with_channels(&store, 2);
    let mut play = Play::new(library, 8);
    let mut waited = 0;
    for look in 0..LOOKS {
        for _ in 0..=look * 3 {
            play.step();
        }
        // On another thread, because this one may have a pin.
        thread::scope(|scope| scope.spawn(|| level(&store)).join().unwrap());
        let state = State::of(&in_mirror(&mirror, contents).unwrap());
        state.is_a_cut();
        waited += u32::from(state.monitors != play.library.channels);
        if look % 4 == 3 {
            play.rest();
        }
    }
    assert!(waited > 0, "nothing ever waited");
    play.rest();
    let channels = play.library.channels.clone();
    drop(play);
    none_was_forced(&store);
    drop(store);
    let state = State::of(&in_mirror(&mirror, contents).unwrap());
    state.is_a_cut();
    assert_eq!(state.monitors, channels);
}
