//! Payments that are being begun. Until the library has written them down, nobody else knows of them, and a
//! client that asks meanwhile must not be told that there is none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a payment that is being begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) invoice: String,
    pub(super) amount_msat: u64,
    pub(super) begun_at_secs: u64,
}

/// The payments that are being begun, by their hashes, and how many have asked for each.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<String, (Beginning, usize)>>>);

/// A payment is being begun as long as this exists.
pub(super) struct Guard {
    all: UnderWay,
    payment_hash: String,
}

impl UnderWay {
    pub(super) fn begin(&self, payment_hash: &str, beginning: Beginning) -> Guard {
        let mut all = self.lock();
        all.entry(payment_hash.to_owned()).or_insert((beginning, 0)).1 += 1;
        Guard { all: self.clone(), payment_hash: payment_hash.to_owned() }
    }

    pub(super) fn find(&self, payment_hash: &str) -> Option<Beginning> {
        self.lock().get(payment_hash).map(|(beginning, _)| beginning.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Beginning, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some((_, asked)) = all.get_mut(&self.payment_hash) {
            *asked -= 1;
            if *asked == 0 {
                all.remove(&self.payment_hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_known_until_the_last_who_asked_for_it_is_answered() {
        let under_way = UnderWay::default();
        let beginning =
            || Beginning { invoice: "lnbc".to_owned(), amount_msat: 1, begun_at_secs: 7 };
        let first = under_way.begin("aa", beginning());
        let second = under_way.begin("aa", beginning());
        drop(first);
        assert_eq!(under_way.find("aa"), Some(beginning()));
        assert_eq!(under_way.find("bb"), None);
        drop(second);
        assert_eq!(under_way.find("aa"), None);
    }
}
