//! Changes are made in the order of the calls, whoever waits for them and for how long.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::thread;

use futures_util::FutureExt as _;
use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use proptest::prelude::*;
use tokio::runtime::{self, Runtime};

use super::TestDatabase;
use crate::store::Store;

const CALLERS: usize = 4;
const KEYS: u8 = 3;

/// How a caller makes a change.
#[derive(Clone, Copy, Debug)]
enum How {
    Sync,
    /// Polls it until it is done.
    Await,
    /// Polls it until it is done, but only after all other calls.
    AwaitLate,
    /// Polls it once.
    Poll,
    /// Drops it at once.
    Drop,
}

#[derive(Clone, Debug)]
struct Call {
    key: u8,
    /// The length of the value; `None` to remove it.
    value: Option<usize>,
    how: How,
}

fn call() -> impl Strategy<Value = Call> {
    let how = prop_oneof![
        2 => Just(How::Sync),
        2 => Just(How::Await),
        1 => Just(How::AwaitLate),
        1 => Just(How::Poll),
        1 => Just(How::Drop),
    ];
    let value = prop_oneof![3 => (0..9_000_usize).prop_map(Some), 1 => Just(None)];
    (0..KEYS, value, how).prop_map(|(key, value, how)| Call { key, value, how })
}

type Change = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;
type Model = BTreeMap<String, Vec<u8>>;

/// One who makes calls, and knows what they make of the namespace that is his.
struct Caller<'a> {
    store: &'a Store,
    namespace: String,
    model: Model,
    runtime: Runtime,
    late: Vec<Change>,
}

impl<'a> Caller<'a> {
    fn new(store: &'a Store, number: usize) -> Self {
        Self {
            store,
            namespace: namespace(number),
            model: Model::new(),
            runtime: runtime::Builder::new_current_thread().build().unwrap(),
            late: Vec::new(),
        }
    }

    fn run(mut self, calls: &[Call]) -> Model {
        for (number, call) in calls.iter().enumerate() {
            if self.make(number, call) {
                // All that was asked for before is durable as well.
                assert_eq!(stored(self.store, &self.namespace), self.model);
                assert_eq!(self.stored_async(), self.model);
            }
        }
        for change in std::mem::take(&mut self.late) {
            self.runtime.block_on(change).unwrap();
        }
        self.model
    }

    /// Makes a call, and tells whether it was answered.
    fn make(&mut self, number: usize, Call { key, value, how }: &Call) -> bool {
        let (store, namespace, key) = (self.store, &self.namespace, format!("key{key}"));
        let value = value.map(|length| vec![u8::try_from(number).unwrap(); length]);
        match &value {
            Some(value) => self.model.insert(key.clone(), value.clone()),
            None => self.model.remove(&key),
        };
        if matches!(how, How::Sync) {
            match value {
                Some(value) => KVStoreSync::write(store, namespace, "", &key, value),
                None => KVStoreSync::remove(store, namespace, "", &key, false),
            }
            .unwrap();
            return true;
        }
        let change = match value {
            Some(value) => KVStore::write(store, namespace, "", &key, value),
            None => KVStore::remove(store, namespace, "", &key, true),
        };
        match how {
            How::Sync | How::Await => {
                self.runtime.block_on(change).unwrap();
                return true;
            },
            How::AwaitLate => self.late.push(change),
            How::Poll => drop(change.now_or_never()),
            How::Drop => drop(change),
        }
        false
    }

    fn stored_async(&self) -> Model {
        let (store, namespace) = (self.store, &self.namespace);
        self.runtime.block_on(async {
            let mut stored = Model::new();
            for key in KVStore::list(store, namespace, "").await.unwrap() {
                let value = KVStore::read(store, namespace, "", &key).await.unwrap();
                stored.insert(key, value);
            }
            stored
        })
    }
}

fn namespace(caller: usize) -> String {
    format!("caller{caller}")
}

fn stored(store: &Store, namespace: &str) -> Model {
    let keys = KVStoreSync::list(store, namespace, "").unwrap();
    let read = |key: String| {
        let value = KVStoreSync::read(store, namespace, "", &key).unwrap();
        (key, value)
    };
    keys.into_iter().map(read).collect()
}

/// Makes the calls, each caller's on a thread of its own, and returns what they should have made.
fn make(database: &impl TestDatabase, calls: &[Vec<Call>]) -> Vec<Model> {
    let store = database.open();
    thread::scope(|scope| {
        let callers: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(number, calls)| {
                let store = &store;
                scope.spawn(move || Caller::new(store, number).run(calls))
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

pub(super) fn the_order_is_that_of_the_calls<D: TestDatabase>() {
    let config = ProptestConfig { cases: 24, max_shrink_iters: 200, ..Default::default() };
    let calls = prop::collection::vec(prop::collection::vec(call(), 0..30), CALLERS);
    proptest!(config, |(calls in calls)| {
        let database = D::new();
        let models = make(&database, &calls);
        let store = database.open();
        for (number, model) in models.iter().enumerate() {
            prop_assert_eq!(&stored(&store, &namespace(number)), model);
        }
    });
}
