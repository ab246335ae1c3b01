//! How far channels have come, for those who wait for it: what the events say that are on disk.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::UserChannelId;
use ldk_node::lightning::io;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{ChannelState, ChannelStateChanged};
use ldk_server_grpc::types::ChannelProgress;
use tokio::time::Instant;

use super::Store;
use crate::waiters::Waiters;

/// How many channels are remembered that have ended.
const KEPT: usize = 1024;

/// What is known of channels in memory. Clones share it.
#[derive(Clone, Default)]
pub struct ChannelLog {
    waiters: Waiters<u128>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// By their user channel id.
    channels: HashMap<u128, ChannelStep>,
    /// Those that have ended, the oldest first.
    ended: VecDeque<u128>,
}

/// How far a channel has come.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStep {
    /// How far.
    pub progress: ChannelProgress,
    /// What was told of its end, if it has ended.
    pub end: Option<Arc<ChannelStateChanged>>,
}

impl ChannelStep {
    /// A channel that has come so far, and has not ended.
    pub fn open(progress: ChannelProgress) -> Self {
        Self { progress, end: None }
    }

    fn after(change: &ChannelStateChanged) -> Self {
        let ended = |progress| Self { progress, end: Some(Arc::new(change.clone())) };
        match change.state() {
            ChannelState::Unspecified | ChannelState::Pending => {
                Self::open(ChannelProgress::Pending)
            },
            ChannelState::Ready => Self::open(ChannelProgress::Ready),
            ChannelState::OpenFailed => ended(ChannelProgress::OpenFailed),
            ChannelState::Closed => ended(ChannelProgress::Closed),
        }
    }
}

impl ChannelLog {
    /// This event is on disk: tells those who wait for its channel.
    pub(super) fn saw(&self, event: &Event) {
        let Event::ChannelStateChanged(change) = event else { return };
        let Ok(id) = change.user_channel_id.parse() else { return };
        self.known().note(id, ChannelStep::after(change));
        self.waiters.wake(&id);
    }

    /// Notes how far a channel has come, unless that is known.
    pub fn learn(&self, UserChannelId(id): UserChannelId, step: ChannelStep) {
        let mut known = self.known();
        if !known.channels.contains_key(&id) {
            known.note(id, step);
        }
    }

    /// How far a channel has come, if that is remembered.
    pub fn step(&self, UserChannelId(id): UserChannelId) -> Option<ChannelStep> {
        self.known().channels.get(&id).cloned()
    }

    /// Asks again after all news of a channel, until there is an answer; `None` if it does not come in
    /// time.
    pub async fn until<T, E, F>(
        &self,
        UserChannelId(id): UserChannelId,
        deadline: Instant,
        ask: impl FnMut() -> F,
    ) -> Result<Option<T>, E>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        self.waiters.until(id, deadline, ask).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, id: u128, step: ChannelStep) {
        let has_ended = step.end.is_some();
        let before = self.channels.insert(id, step);
        if has_ended && before.is_none_or(|before| before.end.is_none()) {
            self.ended.push_back(id);
        }
        if self.ended.len() > KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.channels.remove(&oldest);
        }
    }
}

impl Store {
    /// How far channels have come.
    pub fn channel_log(&self) -> &ChannelLog {
        &self.channel_log
    }

    /// How a channel has ended, if the event of that is still kept.
    pub fn end_of_channel(&self, id: UserChannelId) -> io::Result<Option<ChannelStep>> {
        let last = self.reads.last_channel_state(&id.0.to_string())?;
        Ok(last.as_ref().map(ChannelStep::after).filter(|step| step.end.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: u128, state: ChannelState) -> Event {
        Event::ChannelStateChanged(ChannelStateChanged {
            user_channel_id: id.to_string(),
            state: state.into(),
            ..Default::default()
        })
    }

    fn progress(log: &ChannelLog, id: u128) -> Option<ChannelProgress> {
        log.step(UserChannelId(id)).map(|step| step.progress)
    }

    #[test]
    fn what_was_told_last_is_known() {
        let log = ChannelLog::default();
        let opening = || ChannelStep::open(ChannelProgress::Opening);
        log.learn(UserChannelId(1), opening());
        for (state, expected) in [
            (None, ChannelProgress::Opening),
            (Some(ChannelState::Pending), ChannelProgress::Pending),
            (Some(ChannelState::Ready), ChannelProgress::Ready),
            (Some(ChannelState::Closed), ChannelProgress::Closed),
        ] {
            state.iter().for_each(|state| log.saw(&told(1, *state)));
            // What is learned late changes nothing.
            log.learn(UserChannelId(1), opening());
            assert_eq!(progress(&log, 1), Some(expected));
        }
        assert_eq!(progress(&log, 2), None);
    }

    #[test]
    fn only_so_many_are_remembered_that_have_ended() {
        let log = ChannelLog::default();
        log.saw(&told(0, ChannelState::Ready));
        for id in 1..=KEPT as u128 + 1 {
            log.saw(&told(id, ChannelState::Closed));
            log.saw(&told(id, ChannelState::Closed));
        }
        let ready = Some(ChannelProgress::Ready);
        assert_eq!((progress(&log, 0), progress(&log, 1)), (ready, None));
        assert_eq!(progress(&log, 2), Some(ChannelProgress::Closed));
    }
}
