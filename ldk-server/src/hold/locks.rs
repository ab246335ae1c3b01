//! One lock per payment hash.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning_types::payment::PaymentHash;

/// Locks for payment hashes. Work on one payment does not wait for work on another.
#[derive(Default)]
pub(super) struct HashLocks {
    locked: Mutex<HashSet<PaymentHash>>,
    unlocked: Condvar,
}

impl HashLocks {
    /// Locks a payment hash. Blocks while somebody else has it locked.
    pub(super) fn lock(&self, payment_hash: PaymentHash) -> HashLock<'_> {
        let mut locked =
            self.unlocked.wait_while(self.locked(), |locked| locked.contains(&payment_hash));
        locked.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()).insert(payment_hash);
        HashLock { locks: self, payment_hash }
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<PaymentHash>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A payment hash that is locked until this is dropped.
pub(super) struct HashLock<'a> {
    locks: &'a HashLocks,
    payment_hash: PaymentHash,
}

impl HashLock<'_> {
    /// The hash that is locked.
    pub(super) fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }
}

impl Drop for HashLock<'_> {
    fn drop(&mut self) {
        self.locks.locked().remove(&self.payment_hash);
        self.locks.unlocked.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn hash(byte: u8) -> PaymentHash {
        PaymentHash([byte; 32])
    }

    #[test]
    fn other_hashes_are_free_while_one_is_locked() {
        let locks = HashLocks::default();
        let _first = locks.lock(hash(1));
        drop(locks.lock(hash(2)));
        drop(locks.lock(hash(2)));
    }

    #[test]
    fn a_hash_is_locked_by_one_at_a_time() {
        let locks = HashLocks::default();
        let (send, receive) = mpsc::channel();
        let first = locks.lock(hash(1));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let second = locks.lock(hash(1));
                send.send(()).unwrap();
                drop(second);
            });
            assert!(receive.recv_timeout(Duration::from_millis(50)).is_err());
            drop(first);
            receive.recv_timeout(PATIENCE).unwrap();
        });
        assert!(locks.locked().is_empty());
    }
}
