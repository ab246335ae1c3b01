//! When a commit fails, all that was acknowledged is there and nothing else, and nobody is told that
//! it failed before whoever opened the store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use futures_util::FutureExt as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::PaymentDetails;
use ldk_server_grpc::events::PaymentFailed;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::ForwardedPayment;
use tokio::runtime;

use super::payments::{PENDING, received};
use super::{Failure, TestDatabase};
use crate::store::{ForwardFilter, NewEvent, Store};

/// Each of the first so many changes of the library's table is made to fail in its turn.
const TURNS: u32 = 40;
const WRITERS: u8 = 8;

/// What was told to whoever opened the store and to the callers.
#[derive(Default)]
struct Told {
    store: OnceLock<Arc<Store>>,
    opener: AtomicUsize,
    callers: AtomicUsize,
}

impl Told {
    fn on_failure(&self) {
        assert_eq!(self.opener.fetch_add(1, Ordering::SeqCst), 0);
        let store = self.store.get().unwrap();
        let late = KVStore::write(&**store, "late", "", "key", vec![1]);
        assert!(late.now_or_never().is_none(), "one who comes late has to wait as well");
        assert_eq!(self.callers.load(Ordering::SeqCst), 0);
    }

    fn error(&self, error: &io::Error) {
        self.callers.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.opener.load(Ordering::SeqCst), 1, "{error}");
        let error = error.to_string();
        assert!(error.contains("the database cannot be written: "), "{error}");
    }
}

/// The key and the value by which the library writes a payment.
fn payment(id: [u8; 32], amount_msat: u64) -> (String, Vec<u8>) {
    let payment = received(0, PENDING, 7);
    let details = PaymentDetails { id: PaymentId(id), amount_msat: Some(amount_msat), ..payment };
    (hex::encode(id), details.encode())
}

/// What was acknowledged to one writer: how many of each kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Acknowledged {
    values: u8,
    payments: u8,
    events: u8,
}

/// Makes changes of all kinds until one fails.
fn write(store: &Store, writer: u8) -> (Acknowledged, io::Error) {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let (mut acknowledged, namespace) = (Acknowledged::default(), format!("writer{writer}"));
    for round in 0..u8::MAX {
        let value = vec![round; 2_000];
        let written = if writer.is_multiple_of(2) {
            KVStoreSync::write(store, &namespace, "", "key", value)
        } else {
            runtime.block_on(KVStore::write(store, &namespace, "", "key", value))
        };
        if let Err(error) = written {
            return (acknowledged, error);
        }
        acknowledged.values += 1;
        let (key, value) = payment(id(writer, round), u64::from(round));
        if let Err(error) = KVStoreSync::write(store, "payments", "", &key, value) {
            return (acknowledged, error);
        }
        acknowledged.payments += 1;
        if let Err(error) = store.record_event(event(writer)) {
            return (acknowledged, error);
        }
        acknowledged.events += 1;
    }
    panic!("nothing has failed");
}

fn id(writer: u8, round: u8) -> [u8; 32] {
    let mut id = [writer; 32];
    id[0] = round;
    id
}

/// An event, and a forward that is written with it.
fn event(writer: u8) -> NewEvent {
    let forward = ForwardedPayment { next_channel_id: format!("{writer}"), ..Default::default() };
    NewEvent {
        event: Event::PaymentFailed(PaymentFailed::default()),
        dedup_key: None,
        source_digest: None,
        forward: Some(forward),
    }
}

/// What is there after a restart.
fn found(database: &impl TestDatabase) -> BTreeMap<u8, Acknowledged> {
    let store = database.open();
    assert!(KVStoreSync::list(&store, "late", "").unwrap().is_empty());
    let filter = ForwardFilter::default();
    let forwards = store.forwards(&filter, None, usize::from(u16::MAX)).unwrap().unwrap().rows;
    let bounds = store.event_bounds().unwrap();
    assert_eq!(bounds.head_index, forwards.len() as u64, "an event has its forward");
    let of = |writer: u8| {
        let value = KVStoreSync::read(&store, &format!("writer{writer}"), "", "key");
        let values = value.map_or(0, |value| value[0] + 1);
        let is_whole = |round: &u8| {
            let (key, value) = payment(id(writer, *round), u64::from(*round));
            let in_history = store.payment(PaymentId(id(writer, *round))).unwrap();
            match KVStoreSync::read(&store, "payments", "", &key) {
                Ok(stored) => assert!(stored == value && in_history.is_some()),
                Err(_) => assert!(in_history.is_none()),
            }
            in_history.is_some()
        };
        let payments = (0..u8::MAX).take_while(is_whole).count();
        let is_of = |channel_id: &str| channel_id == writer.to_string();
        let events = forwards.iter().filter(|row| is_of(&row.payment.next_channel_id)).count();
        let [payments, events] = [payments, events].map(|count| u8::try_from(count).unwrap());
        Acknowledged { values, payments, events }
    };
    (0..WRITERS).map(|writer| (writer, of(writer))).collect()
}

fn fail_at<D: TestDatabase>(failure: Failure) {
    let database = D::new();
    let told = Arc::new(Told::default());
    let on_failure = Arc::clone(&told);
    let store = database.open_with(move |_| on_failure.on_failure());
    let store = Arc::new(store);
    assert!(told.store.set(Arc::clone(&store)).is_ok());
    database.fail(&store, failure);

    let acknowledged: BTreeMap<u8, Acknowledged> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, told) = (&store, &told);
                scope.spawn(move || {
                    let (acknowledged, error) = write(store, writer);
                    told.error(&error);
                    told.error(&store.record_event(event(writer)).unwrap_err());
                    (writer, acknowledged)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });

    assert_eq!(told.opener.load(Ordering::SeqCst), 1);
    assert!(KVStoreSync::list(&*store, "late", "").unwrap().is_empty(), "one can still read");
    assert_eq!(store.payment_counts().begun, payments(&acknowledged));
    let told = Arc::into_inner(told).unwrap();
    drop((store, told));
    assert_eq!(found(&database), acknowledged, "{failure:?}");
}

fn payments(acknowledged: &BTreeMap<u8, Acknowledged>) -> u64 {
    acknowledged.values().map(|acknowledged| u64::from(acknowledged.payments)).sum()
}

pub(super) fn a_change_that_cannot_be_made<D: TestDatabase>() {
    (1..=TURNS).for_each(|turn| fail_at::<D>(Failure::Record(turn)));
}

pub(super) fn a_commit_that_fails<D: TestDatabase>() {
    (1..=TURNS).for_each(|turn| fail_at::<D>(Failure::BatchOfRecord(turn)));
}
