//! The payments that were forwarded for others, each once.
//!
//! The library repeats an event until it is acknowledged. When the process ends between our write
//! and the acknowledgement, the first event after the next start is the same forward again. So we
//! also write down which forward was acknowledged last: if the last one stored was not, and the
//! first event after the start equals it, that event is the repetition. At any other time two equal
//! forwards are two.
//!
//! What remains, because the library gives events no identity:
//!
//! - The process ends after the library has saved the acknowledgement and before we have noted it,
//!   and the next event in the queue is an equal forward: that one is taken for a repetition, and
//!   one forward is missing here.
//! - The process is killed after the library has queued a forward and before it has saved its
//!   channel manager: then it may queue the same forward a second time. Those are two events, and
//!   both are stored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ldk_node::lightning::io;
use ldk_server_grpc::types::ForwardedPayment;
use prost::Message;

use super::{Page, Store, invalid_data};

/// The kind of the records: a forward, by its number in hexadecimal.
const FORWARD: &str = "forward";
/// The kind and key of the number of the last forward that was acknowledged.
const PROGRESS: &str = "forward_progress";
const ACKNOWLEDGED: &str = "acknowledged";

/// The payments that were forwarded for others, on disk.
pub struct Forwards {
    store: Arc<Store>,
    state: Mutex<State>,
}

struct State {
    /// The numbers of all forwards, in ascending order.
    numbers: Vec<u64>,
    /// The last of them that was acknowledged.
    acknowledged: Option<u64>,
    /// The forward that the library will repeat if it has not saved the acknowledgement: the last
    /// one stored before the start. Known only until the first event is acknowledged.
    maybe_repeated: Option<ForwardedPayment>,
}

/// A forward in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Its number: a later one has a higher one.
    pub number: u64,
    /// When it was stored, in Unix seconds.
    pub created_at: i64,
    /// What was forwarded.
    pub payment: ForwardedPayment,
}

/// A forward on disk.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int64, tag = "1")]
    created_at: i64,
    #[prost(message, optional, tag = "2")]
    payment: Option<ForwardedPayment>,
}

impl Forwards {
    /// Those in this store.
    pub fn open(store: Arc<Store>) -> io::Result<Self> {
        let mut numbers =
            store.keys(FORWARD)?.iter().map(|key| number(key)).collect::<io::Result<Vec<_>>>()?;
        numbers.sort_unstable();
        let acknowledged = acknowledged(&store)?;
        let maybe_repeated = match numbers.last() {
            Some(last) if acknowledged != Some(*last) => Some(read(&store, *last)?.payment),
            _ => None,
        };
        Ok(Self { store, state: Mutex::new(State { numbers, acknowledged, maybe_repeated }) })
    }

    /// Adds one, unless it is the last one of before the start again. It is on disk once this
    /// returns.
    pub fn add(&self, payment: ForwardedPayment) -> io::Result<()> {
        let mut state = self.state();
        if state.maybe_repeated.as_ref() == Some(&payment) {
            return Ok(());
        }
        let number = state.numbers.last().map_or(0, |last| last.saturating_add(1));
        let record = Record { created_at: now_secs(), payment: Some(payment) };
        self.store.put(FORWARD, &key(number), record.encode_to_vec())?;
        state.numbers.push(number);
        Ok(())
    }

    /// Takes note that an event was acknowledged, of whatever kind: every forward that was added
    /// before is not going to be repeated.
    pub fn acknowledged(&self) -> io::Result<()> {
        let mut state = self.state();
        state.maybe_repeated = None;
        let last = state.numbers.last().copied();
        if let Some(number) = last.filter(|_| last != state.acknowledged) {
            self.store.put(PROGRESS, ACKNOWLEDGED, number.to_be_bytes().to_vec())?;
            state.acknowledged = last;
        }
        Ok(())
    }

    /// The forwards before the one with this number, or from the newest on; `None` if there is no
    /// such number.
    pub fn page(&self, before: Option<u64>) -> io::Result<Option<Page<Forward>>> {
        let Some(Page { rows, has_more }) = self.numbers(before) else { return Ok(None) };
        let rows = rows.into_iter().map(|number| read(&self.store, number));
        Ok(Some(Page { rows: rows.collect::<io::Result<_>>()?, has_more }))
    }

    fn numbers(&self, before: Option<u64>) -> Option<Page<u64>> {
        let numbers = &self.state().numbers;
        let older = match before {
            Some(number) => &numbers[..numbers.binary_search(&number).ok()?],
            None => &numbers[..],
        };
        Some(Page::of(older.iter().rev().copied()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(number: u64) -> String {
    hex::encode(number.to_be_bytes())
}

fn number(key: &str) -> io::Result<u64> {
    let mut bytes = [0; 8];
    hex::decode_to_slice(key, &mut bytes)
        .map_err(|_| invalid_data(&format!("a forwarded payment has the number {key:?}")))?;
    Ok(u64::from_be_bytes(bytes))
}

fn read(store: &Store, number: u64) -> io::Result<Forward> {
    let record = Record::decode(store.get(FORWARD, &key(number))?.as_slice());
    match record {
        Ok(Record { created_at, payment: Some(payment) }) => {
            Ok(Forward { number, created_at, payment })
        },
        _ => Err(invalid_data(&format!("forwarded payment {number} cannot be read"))),
    }
}

fn acknowledged(store: &Store) -> io::Result<Option<u64>> {
    if store.keys(PROGRESS)?.is_empty() {
        return Ok(None);
    }
    let bytes = store.get(PROGRESS, ACKNOWLEDGED)?.try_into();
    let number = bytes.map(u64::from_be_bytes);
    number.map(Some).map_err(|_| invalid_data("the number of a forwarded payment is not 8 bytes"))
}

fn now_secs() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    /// A node that forwards, and may be ended at any point.
    fn open(dir: &Path) -> Forwards {
        Forwards::open(Arc::new(Store::open(dir).unwrap())).unwrap()
    }

    /// A forward that is known by its amount.
    fn forward(amount_msat: u64) -> ForwardedPayment {
        ForwardedPayment {
            outbound_amount_forwarded_msat: Some(amount_msat),
            ..ForwardedPayment::default()
        }
    }

    fn handled(forwards: &Forwards, amount_msat: u64) {
        forwards.add(forward(amount_msat)).unwrap();
        forwards.acknowledged().unwrap();
    }

    /// The amounts of all, the newest first.
    fn amounts(forwards: &Forwards) -> Vec<u64> {
        let (mut amounts, mut before) = (Vec::new(), None);
        loop {
            let Page { rows, has_more } = forwards.page(before).unwrap().unwrap();
            before = rows.last().map(|row| row.number);
            amounts
                .extend(rows.iter().map(|row| row.payment.outbound_amount_forwarded_msat.unwrap()));
            if !has_more {
                return amounts;
            }
        }
    }

    #[test]
    fn equal_forwards_in_a_row_are_all_kept() {
        let dir = TempDir::new().unwrap();
        let forwards = open(dir.path());
        [1, 1, 2, 1].into_iter().for_each(|amount| handled(&forwards, amount));
        assert_eq!(amounts(&forwards), [1, 2, 1, 1]);
        drop(forwards);
        let forwards = open(dir.path());
        assert_eq!(amounts(&forwards), [1, 2, 1, 1]);
        // All was acknowledged, so this is no repetition either.
        handled(&forwards, 1);
        assert_eq!(amounts(&forwards), [1, 1, 2, 1, 1]);
    }

    #[test]
    fn what_is_repeated_after_a_crash_is_kept_once() {
        let dir = TempDir::new().unwrap();
        let forwards = open(dir.path());
        handled(&forwards, 1);
        forwards.add(forward(2)).unwrap();
        drop(forwards);
        // The repetition can be cut off as well.
        let forwards = open(dir.path());
        forwards.add(forward(2)).unwrap();
        drop(forwards);
        let forwards = open(dir.path());
        handled(&forwards, 2);
        assert_eq!(amounts(&forwards), [2, 1]);
        // The next that is equal is another.
        handled(&forwards, 2);
        assert_eq!(amounts(&forwards), [2, 2, 1]);
    }

    #[test]
    fn the_very_first_forward_may_be_repeated_too() {
        let dir = TempDir::new().unwrap();
        open(dir.path()).add(forward(1)).unwrap();
        let forwards = open(dir.path());
        handled(&forwards, 1);
        assert_eq!(amounts(&forwards), [1]);
    }

    #[test]
    fn only_the_first_event_after_a_start_can_be_a_repetition() {
        let dir = TempDir::new().unwrap();
        open(dir.path()).add(forward(1)).unwrap();
        let forwards = open(dir.path());
        // An event of another kind comes first: the library had saved the acknowledgement.
        forwards.acknowledged().unwrap();
        handled(&forwards, 1);
        assert_eq!(amounts(&forwards), [1, 1]);
    }

    #[test]
    fn another_forward_after_a_crash_is_kept() {
        let dir = TempDir::new().unwrap();
        open(dir.path()).add(forward(1)).unwrap();
        let forwards = open(dir.path());
        handled(&forwards, 2);
        handled(&forwards, 1);
        assert_eq!(amounts(&forwards), [1, 2, 1]);
    }

    #[test]
    fn pages_hold_a_hundred_and_the_last_says_so() {
        let dir = TempDir::new().unwrap();
        let forwards = open(dir.path());
        assert_eq!(forwards.page(None).unwrap(), Some(Page { rows: Vec::new(), has_more: false }));
        (0..200).for_each(|amount| handled(&forwards, amount));
        let first = forwards.page(None).unwrap().unwrap();
        assert_eq!((first.rows.len(), first.has_more), (100, true));
        // A new one does not move what follows.
        handled(&forwards, 200);
        let last = forwards.page(Some(first.rows[99].number)).unwrap().unwrap();
        assert_eq!((last.rows.len(), last.has_more), (100, false));
        assert_eq!(last.rows[0].payment, forward(99));
        assert_eq!(amounts(&forwards), (0..=200).rev().collect::<Vec<_>>());
        assert_eq!(forwards.page(Some(201)).unwrap(), None);
        assert_eq!(forwards.page(Some(0)).unwrap().unwrap().rows, []);
    }
}
