//! One lock for each thing, such as a payment hash or a label.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Locks by key. Work on one thing does not wait for work on another.
#[derive(Debug)]
pub struct KeyLocks<K> {
    locked: Mutex<HashSet<K>>,
    unlocked: Condvar,
}

impl<K> Default for KeyLocks<K> {
    fn default() -> Self {
        Self { locked: Mutex::default(), unlocked: Condvar::new() }
    }
}

impl<K: Clone + Eq + Hash> KeyLocks<K> {
    /// Locks a key. Blocks while somebody else has it locked.
    pub fn lock(&self, key: K) -> KeyLock<'_, K> {
        let mut locked = self.unlocked.wait_while(self.locked(), |locked| locked.contains(&key));
        locked.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()).insert(key.clone());
        KeyLock { locks: self, key }
    }
}

impl<K> KeyLocks<K> {
    fn locked(&self) -> MutexGuard<'_, HashSet<K>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that is locked until this is dropped.
#[derive(Debug)]
pub struct KeyLock<'a, K: Eq + Hash> {
    locks: &'a KeyLocks<K>,
    key: K,
}

impl<K: Eq + Hash> KeyLock<'_, K> {
    /// The key that is locked.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for KeyLock<'_, K> {
    fn drop(&mut self) {
        self.locks.locked().remove(&self.key);
        self.locks.unlocked.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn others_are_free_while_one_is_locked() {
        let locks = KeyLocks::default();
        let _first = locks.lock(1);
        drop(locks.lock(2));
        drop(locks.lock(2));
    }

    #[test]
    fn a_key_is_locked_by_one_at_a_time() {
        let locks = KeyLocks::default();
        let (send, receive) = mpsc::channel();
        let first = locks.lock(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let second = locks.lock(1);
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
