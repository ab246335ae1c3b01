//! What a backend has to be for these tests.

use ldk_node::lightning::io;

use super::clock::Clock;
use crate::store::Store;
use crate::store::backend::OpenDatabase;

/// A database for tests: it is closed and opened again, looked into, and made to fail.
pub(in crate::store) trait TestDatabase: Sized {
    /// One that is empty.
    fn new() -> Self;

    /// Opens it.
    fn backend(&self) -> io::Result<OpenDatabase>;

    /// What another process finds in it now.
    fn contents(&self) -> Contents;

    /// What is left of it if the process is killed now.
    fn killed(&self) -> Self;

    /// Makes this fail in the database of the store. Turns are counted from 1 and from now.
    fn fail(&self, store: &Store, failure: Failure);

    /// The store that keeps its state in it, whose writes do not fail.
    fn open(&self) -> Store {
        self.open_with(|reason| panic!("{reason}"))
    }

    /// The same, with somebody who is told if they do.
    fn open_with(&self, on_failure: impl FnOnce(&str) + Send + 'static) -> Store {
        Store::on(self.backend().unwrap(), None, on_failure).unwrap()
    }

    /// The same, with a clock that is set by hand.
    fn open_at(&self, clock: &Clock) -> Store {
        let database = clock.rules(self.backend().unwrap());
        Store::on(database, None, |reason| panic!("{reason}")).unwrap()
    }
}

/// What is in a database, all of one moment.
pub(in crate::store) struct Contents {
    /// The library's records: namespaces and key, and the value.
    pub(in crate::store) records: Vec<([String; 3], Vec<u8>)>,
    /// The payments of the history, as the library wrote them.
    pub(in crate::store) history: Vec<Vec<u8>>,
}

impl Contents {
    /// The keys of these namespaces, in their order.
    pub(in crate::store) fn keys(&self, primary: &str, secondary: &str) -> Vec<&str> {
        let is_in =
            |[one, two, _]: &[String; 3]| (one.as_str(), two.as_str()) == (primary, secondary);
        let names = self.records.iter().map(|(name, _)| name).filter(|name| is_in(name));
        let mut keys: Vec<_> = names.map(|[_, _, key]| key.as_str()).collect();
        keys.sort_unstable();
        keys
    }
}

/// What fails in a database.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Failure {
    /// The write of a record of the library, in this turn.
    Record(u32),
    /// The commit of the batch that has this write of a record.
    BatchOfRecord(u32),
    /// The commit of the batch with this turn.
    Batch(u32),
}
