//! Holding back the managers of the channels while a payment is handed to the library.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::queue::Shared;

thread_local! {
    static PINS: Cell<usize> = const { Cell::new(0) };
}

/// Until this is dropped, a manager that knows of a payment whose record is not queued yet is not
/// looked at. It is for the bare call that hands a payment to the library, on this thread; nothing
/// may wait for the disk meanwhile.
pub struct SendPin {
    shared: Arc<Shared>,
    number: u64,
    _on_this_thread: PhantomData<*const ()>,
}

impl SendPin {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        PINS.set(PINS.get() + 1);
        let number = shared.pin();
        Self { shared, number, _on_this_thread: PhantomData }
    }
}

impl Drop for SendPin {
    fn drop(&mut self) {
        self.shared.unpin(self.number);
        PINS.set(PINS.get() - 1);
    }
}

/// Whether this thread holds back managers.
pub(in crate::store) fn is_pinned() -> bool {
    PINS.get() > 0
}
