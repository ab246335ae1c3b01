//! Consistent cuts, with the library played.

mod begin;
mod copies;
mod failure;
mod library;
mod play;
mod unsent;
mod waits;

use std::thread;

use crate::store::Store;

/// Waits until all that can be committed is; on another thread, because this one may have a pin.
fn committed(store: &Store) {
    let look = || store.writer.errands().run(|_, _| ()).unwrap();
    thread::scope(|scope| scope.spawn(look).join().unwrap());
}
