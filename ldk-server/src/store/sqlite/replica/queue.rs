//! What goes from the writer to the mirror, and how the mirror is. The writer never waits here.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::store::model::MirrorState;

/// How much may wait for the mirror. More is given up, and the mirror begins anew.
const CAPACITY_BYTES: usize = 64 << 20;

/// After how long a mirror that is busy with one and the same write is said to fail.
const HANGING: Duration = Duration::from_secs(30);

/// What the writer tells the mirror.
pub(super) enum Message {
    /// Commits that were added to the log.
    Commits(Commits),
    /// What was committed before is in the messages before this.
    Mark,
    /// All of the log is in the file of the database: the mirror's is to be as well, and then this is
    /// to be told.
    Checkpoint(mpsc::Sender<()>),
    /// Nothing more will come.
    End,
}

/// A part of the log: whole commits.
pub(super) struct Commits {
    /// Where in the log it begins. With 0 the log has begun anew, and all that was in it before is in
    /// the file of the database.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// When the last of them was made.
    made_at: Instant,
}

/// Why the mirror lacks commits, and has to begin anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gap {
    /// More commits waited for it than may.
    #[error("it is slow: {} MiB were waiting for it", CAPACITY_BYTES >> 20)]
    Slow,
    /// Commits were made that the writer does not know.
    #[error("another program has written to the database")]
    OtherWriter,
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(#[source] io::Error),
    /// A commit failed.
    #[error("the database cannot be written")]
    WriterFailed,
}

/// Between the writer and the mirror.
pub(super) struct Queue {
    /// Where the mirror is, for the log.
    place: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Why the mirror has to begin anew, after these messages.
    lost: Option<Arc<Gap>>,
    is_stopping: bool,
    behind_since: Option<Instant>,
    /// When the mirror began to do what it does.
    busy_since: Option<Instant>,
    is_failing: bool,
    was_level: bool,
}

impl Queue {
    /// For the mirror in this place, which has nothing yet.
    pub(super) fn new(place: String) -> Self {
        let state = State {
            messages: VecDeque::new(),
            bytes: 0,
            lost: None,
            is_stopping: false,
            behind_since: Some(Instant::now()),
            busy_since: None,
            is_failing: false,
            was_level: false,
        };
        Self { place, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Begins anew: what is waiting is forgotten.
    pub(super) fn open(&self) {
        let mut state = self.state();
        state.messages.clear();
        (state.bytes, state.lost) = (0, None);
    }

    /// Gives commits to the mirror. Fails if there is no room for them.
    pub(super) fn push(&self, offset: u64, bytes: Vec<u8>) -> Result<(), Gap> {
        let mut state = self.state();
        let made_at = Instant::now();
        state.behind_since.get_or_insert(made_at);
        if state.hangs() {
            self.failed(&mut state, &format!("it hangs for {HANGING:?}"));
        }
        state.bytes += bytes.len();
        if state.bytes > CAPACITY_BYTES {
            state.messages.clear();
            state.bytes = 0;
            return Err(Gap::Slow);
        }
        state.messages.push_back(Message::Commits(Commits { offset, bytes, made_at }));
        self.changed.notify_all();
        Ok(())
    }

    /// Tells the mirror something else than commits.
    pub(super) fn tell(&self, message: Message) {
        self.state().messages.push_back(message);
        self.changed.notify_all();
    }

    /// Commits are missing from here on, for this reason.
    pub(super) fn lose(&self, gap: Gap) {
        let mut state = self.state();
        state.behind_since.get_or_insert_with(Instant::now);
        self.failed(&mut state, &gap.to_string());
        state.lost = Some(Arc::new(gap));
        self.changed.notify_all();
    }

    /// What came next; `None` if nothing came until then. Fails if something is missing.
    pub(super) fn next(&self, until: Option<Instant>) -> io::Result<Option<Message>> {
        let mut state = self.state();
        state.busy_since = None;
        while state.messages.is_empty() {
            if let Some(gap) = &state.lost {
                return Err(io::Error::other(Arc::clone(gap)));
            }
            if state.is_stopping {
                return Err(io::Error::other("the database is closed"));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state = self.wait(state, left);
        }
        state.busy_since = Some(Instant::now());
        let message = state.messages.pop_front();
        if let Some(Message::Commits(Commits { bytes, .. })) = &message {
            state.bytes = state.bytes.saturating_sub(bytes.len());
        }
        Ok(message)
    }

    /// The mirror has all that it took, and that outlives a loss of power. `last` are the last
    /// commits among it, if there are any.
    pub(super) fn synced(&self, last: Option<Instant>) {
        let mut state = self.state();
        let is_level = !state.messages.iter().any(|message| matches!(message, Message::Commits(_)));
        state.behind_since = if is_level { None } else { last.or(state.behind_since) };
        if state.is_failing || !state.was_level {
            tracing::info!(mirror = self.place, "the mirror has caught up with the database");
        }
        (state.is_failing, state.was_level) = (false, true);
        self.changed.notify_all();
    }

    /// The mirror cannot go on.
    pub(super) fn fail(&self, error: &io::Error) {
        let mut state = self.state();
        state.was_level = false;
        state.behind_since.get_or_insert_with(Instant::now);
        self.failed(&mut state, &error.to_string());
    }

    /// Lets time pass before the next try; tells whether the store is closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state();
        state.busy_since = None;
        while !state.is_stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, Some(left));
        }
        state.is_stopping
    }

    /// The store is closed: what is waiting is the last.
    pub(super) fn stop(&self) {
        self.state().is_stopping = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    /// Whether the mirror has become level since it failed last.
    pub(super) fn was_level(&self) -> bool {
        self.state().was_level
    }

    pub(super) fn mirror_state(&self) -> MirrorState {
        let state = self.state();
        MirrorState {
            behind: state.behind_since.map_or(Duration::ZERO, |since| since.elapsed()),
            is_failing: state.is_failing || state.hangs(),
        }
    }

    /// Told once, until it is level again.
    fn failed(&self, state: &mut State, reason: &str) {
        if state.is_failing {
            tracing::debug!(mirror = self.place, reason, "the mirror still fails");
        } else {
            tracing::error!(
                mirror = self.place,
                reason,
                "the mirror fails; it is tried again until it succeeds"
            );
        }
        state.is_failing = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        let left = left.unwrap_or(Duration::MAX);
        let waited = self.changed.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn hangs(&self) -> bool {
        self.busy_since.is_some_and(|since| since.elapsed() > HANGING)
    }
}

impl Commits {
    pub(super) fn made_at(&self) -> Instant {
        self.made_at
    }
}
