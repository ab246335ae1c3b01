//! Changes, and those who wait for them.

use std::pin::Pin;
use std::sync::{Arc, mpsc};

use ldk_node::lightning::io;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::pin::is_pinned;

/// What to tell everybody after a commit has failed.
pub(super) type Failure = Arc<str>;

/// A change, and somebody who waits for it.
pub(in crate::store) trait Job: Send {
    /// Makes the change within a transaction.
    fn apply(&mut self, database: &Connection) -> rusqlite::Result<()>;
    /// The change need not be made: a later one in the same transaction makes up for it.
    fn skip(&mut self);
    /// Tells that the change is durable, or that it was not made.
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct Change<F, T, A> {
    make: Option<F>,
    made: Option<T>,
    is_skipped: bool,
    answer: A,
}

/// A change, and what to call with its outcome. One that is skipped has none.
pub(in crate::store) fn job<T: Send + 'static>(
    make: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    answer: impl FnOnce(io::Result<T>) + Send + 'static,
) -> Box<dyn Job> {
    Box::new(Change { make: Some(make), made: None, is_skipped: false, answer })
}

impl<F, T, A> Job for Change<F, T, A>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
    A: FnOnce(io::Result<T>) + Send,
{
    fn apply(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if let Some(make) = self.make.take() {
            self.made = Some(make(database)?);
        }
        Ok(())
    }

    fn skip(&mut self) {
        self.is_skipped = true;
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let Self { made, answer, is_skipped, .. } = *self;
        match (committed, made) {
            (Ok(()), Some(made)) => answer(Ok(made)),
            (Ok(()), None) if is_skipped => {},
            (Ok(()), None) => answer(Err(error("the change was not made"))),
            (Err(failure), _) => answer(Err(error(&failure))),
        }
    }
}

/// What to call with the outcome of a change.
pub(in crate::store) type Answer<T> = Box<dyn FnOnce(io::Result<T>) + Send>;

/// Waits for the answer to what `ask` asks for.
pub(in crate::store) fn wait<T: Send + 'static>(ask: impl FnOnce(Answer<T>)) -> io::Result<T> {
    debug_assert!(!is_pinned(), "a manager that is held back may be what this waits for");
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(Box::new(move |answer| {
        // Somebody waits below.
        let _ = sender.send(answer);
    }));
    receiver.recv().unwrap_or_else(|_| Err(error("the writer is gone")))
}

/// Asks at once, so that its place in the order is that of this call, and waits for the answer when
/// the future is polled.
pub(in crate::store) fn wait_async<T: Send + 'static>(
    ask: impl FnOnce(Answer<T>),
) -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>> {
    let (sender, receiver) = oneshot::channel();
    ask(Box::new(move |answer| {
        // Whoever has stopped waiting does not mind.
        let _ = sender.send(answer);
    }));
    Box::pin(async { receiver.await.unwrap_or_else(|_| Err(error("the writer is gone"))) })
}

fn error(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Other, reason)
}
