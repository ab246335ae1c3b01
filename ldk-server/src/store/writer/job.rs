//! Changes, and those who wait for them.

use std::pin::Pin;
use std::sync::{Arc, mpsc};

use ldk_node::lightning::io;
use tokio::sync::oneshot;

use super::Observer;
use super::pin::is_pinned;
use crate::store::change::{Change, Outcome};

/// What to tell everybody after a commit has failed.
pub(super) type Failure = Arc<str>;

/// A change, and somebody who waits for it.
pub(super) struct Job {
    state: State,
    answer: Answer<Outcome>,
}

enum State {
    Waiting(Change),
    /// Its batch is under way.
    Taken,
    Made(Outcome),
}

impl Job {
    pub(super) fn new(change: Change, answer: Answer<Outcome>) -> Self {
        Self { state: State::Waiting(change), answer }
    }

    /// What is to be changed, to be made now.
    pub(super) fn take_change(&mut self) -> Option<Change> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Waiting(change) => Some(change),
            State::Taken | State::Made(_) => None,
        }
    }

    /// This came of it.
    pub(super) fn came_to(&mut self, outcome: Outcome) {
        self.state = State::Made(outcome);
    }

    /// The commit is durable: tells what came of the change. One that was left out, because a later
    /// one in the same commit makes up for it, has no answer.
    pub(super) fn succeed(self, observer: &Observer) {
        match self.state {
            State::Made(mut outcome) => {
                observer(&mut outcome);
                (self.answer)(Ok(outcome));
            },
            State::Waiting(_) => {},
            State::Taken => (self.answer)(Err(error("the change was not made"))),
        }
    }

    /// The change was not made.
    pub(super) fn fail(self, failure: &Failure) {
        (self.answer)(Err(error(failure)));
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

/// The backend has answered to another change.
pub(in crate::store) fn unexpected() -> io::Error {
    error("the database has answered to something else")
}
