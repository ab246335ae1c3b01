//! Changes, and those who wait for them.

use std::sync::Arc;

use ldk_node::lightning::io;

use super::Observer;
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

pub(super) fn error(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Other, reason)
}

/// The backend has answered to another change.
pub(in crate::store) fn unexpected() -> io::Error {
    error("the database has answered to something else")
}
