//! A node that lets its standby have the state.

use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, of_another, write, written};
use crate::store::conformance::TestDatabase as _;
use crate::store::postgres::testing::Database;
use crate::store::{Standby, Store};

#[test]
fn what_is_asked_for_before_a_handover_is_committed_and_what_comes_later_is_not() {
    let database = Database::new();
    let store = Arc::new(database.open_with_lost(|reason| panic!("{reason}")));
    assert_eq!(store.standbys().unwrap().waiting().unwrap(), None);
    assert!(write(&store, "before"));

    let (dir, settings) = of_another(&database);
    let (tell_holder, holder) = watch::channel(String::new());
    let stop = CancellationToken::new();
    let settings = settings.waiting(Standby::new(tell_holder, stop));
    let second = thread::spawn(move || {
        (Store::open_postgres(dir.path(), settings, |reason| panic!("{reason}")).unwrap(), dir)
    });
    let deadline = std::time::Instant::now() + PATIENCE;
    while store.standbys().unwrap().waiting().unwrap().as_deref() != Some("another") {
        assert!(std::time::Instant::now() < deadline, "nobody waits");
        thread::yield_now();
    }
    assert!(!holder.borrow().is_empty());

    let (tell, told) = mpsc::channel();
    store.hand_over(move || tell.send(()).unwrap());
    told.recv_timeout(PATIENCE).unwrap();
    // Nobody is told that it failed, because the library would panic; it waits until the process ends.
    let (answer, answered) = mpsc::channel();
    let late = Arc::clone(&store);
    thread::spawn(move || answer.send(write(&late, "after")));
    let (second, _dir) = second.join().unwrap();
    assert_eq!(written(&second), ["before"]);
    assert!(write(&second, "by_the_other"));
    assert_eq!(written(&second), ["before", "by_the_other"]);
    assert!(answered.try_recv().is_err());
    assert_eq!(second.standbys().unwrap().waiting().unwrap(), None);
    // Its writer never ends.
    std::mem::forget(store);
}

#[test]
fn a_state_in_a_file_has_no_standby() {
    let dir = tempfile::tempdir().unwrap();
    assert!(crate::store::testing::open(dir.path()).standbys().is_none());
}
