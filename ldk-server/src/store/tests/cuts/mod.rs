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
use crate::store::metrics::Metrics as _;

/// Waits until all that can be committed is; on another thread, because this one may have a pin.
fn committed(store: &Store) {
    let look = || store.sqlite.maintenance.run(|_, _| ()).unwrap();
    thread::scope(|scope| scope.spawn(look).join().unwrap());
}

/// That no cut was made because the right manager did not come for long.
fn none_was_forced(store: &Store) {
    let collectors = store.writer.metrics().collectors();
    let mut families = collectors.iter().flat_map(|collector| collector.collect());
    let forced = families.find(|family| family.name() == "ldk_server_cut_forced_total").unwrap();
    assert_eq!(forced.get_metric()[0].get_counter().get_value(), 0.0);
}
