//! A loss of power amid the library's work, played by a commit that does not come to the disk: what is
//! left is a cut, with all that was said to be on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::{iter, thread};

use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::payment::PaymentStatus::Succeeded;

use super::library::{Library, Written};
use super::play::Play;
use super::{none_was_forced, state};
use crate::store::Store;
use crate::store::conformance::{Failure, TestDatabase};
use crate::store::model::SERVER;

/// Each of the first so many commits is made to fail in its turn.
const TURNS: u32 = 40;
/// After so many steps, at most, the library waits for the disk.
const BUSY_STEPS: usize = 40;
const KIND: &str = "trial";

/// Writes an own record for each payment that has succeeded, as an event would be; returns those that
/// were answered.
fn tell(store: &Store, succeeded: Receiver<u16>) -> Vec<u16> {
    let is_told = |payment: &u16| {
        store.barrier().is_ok() && store.put(KIND, &payment.to_string(), Vec::new()).is_ok()
    };
    succeeded.into_iter().take_while(is_told).collect()
}

/// Works until nothing can be written any more; returns what is said to be on disk.
fn work(store: &Store, mut play: Play<'_>, succeeded: mpsc::Sender<u16>) -> Vec<Written> {
    let durability = store.durability();
    let mut busy_steps = (1..=BUSY_STEPS).cycle().step_by(7);
    loop {
        for _ in 0..busy_steps.next().unwrap() {
            let payment = play.step();
            // Who listens has ended when nothing can be written.
            payment.map(|payment| succeeded.send(payment));
        }
        play.rest();
        if durability.barrier().is_err() {
            break;
        }
    }
    let is_on_disk = |(position, _): &&(u64, Written)| durability.is_reached(*position);
    play.library.written.iter().filter(is_on_disk).map(|(_, written)| *written).collect()
}

/// Returns how much was on disk.
fn fail_at<D: TestDatabase>(turn: u32) -> usize {
    let database = D::new();
    let has_failed = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&has_failed);
    let on_failure = move |_: &str| failing.store(true, Ordering::SeqCst);
    let store = database.open_with(on_failure);
    let library = Library::with_channels(&store, 2);
    database.fail(&store, Failure::Batch(turn));
    let (send, succeeded) = mpsc::channel();
    let (on_disk, mut told) = thread::scope(|scope| {
        let store = &store;
        let told = scope.spawn(move || tell(store, succeeded));
        let on_disk = work(store, Play::new(library, u64::from(turn)), send);
        (on_disk, told.join().unwrap())
    });
    assert!(has_failed.load(Ordering::SeqCst));
    assert!(store.barrier().is_err() && store.put(KIND, "late", Vec::new()).is_err());
    none_was_forced(&store);
    drop(store);

    let store = database.open();
    let state = state(&database);
    state.is_a_cut();
    for written in &on_disk {
        assert!(state.has(*written), "{written:?} was said to be on disk: {state:?}");
    }
    let mut found: Vec<u16> = KVStoreSync::list(&store, SERVER, KIND)
        .unwrap()
        .iter()
        .map(|key| key.parse().unwrap())
        .collect();
    found.sort_unstable();
    told.sort_unstable();
    assert_eq!(found, told, "an own record is there if it was answered, and only then");
    for payment in &told {
        assert_eq!(state.records[payment], Succeeded, "it was told of {payment}");
    }
    // A node starts from it.
    store.resolve_unsent_payments().unwrap();
    assert_eq!(store.payment_counts().failed, 0);
    Library::new(&store, &database).begin_cuts();
    on_disk.len()
}

pub(super) fn what_is_left_is_a_cut<D: TestDatabase>() {
    let on_disk: Vec<_> = (1..=TURNS).map(fail_at::<D>).collect();
    let grown = iter::zip(&on_disk, &on_disk[1..]).filter(|(before, after)| before < after).count();
    assert!(grown > 0, "more and more was on disk: {on_disk:?}");
}
