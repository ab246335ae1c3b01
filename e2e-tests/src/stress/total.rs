//! What all groups have done together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::summary::Summary;
use super::violation::{Kind, Violation};
use crate::print_uncaptured::print_uncaptured;

const PROGRESS_EVERY: u32 = 10;

/// Counts the kills, and adds up what came of them.
pub(super) struct Total {
    kills: u32,
    time: Option<Duration>,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: u32,
    told: u32,
    left: u32,
    summary: Summary,
}

impl Total {
    /// With a time for all, their number does not matter.
    pub(super) fn new(kills: u32, time: Option<Duration>, begin: Instant) -> Self {
        Self { kills, time, begin, state: Mutex::default() }
    }

    /// False when all that are to be done have begun.
    pub(super) fn begin_kill(&self) -> bool {
        self.with(|state| {
            let is_left = match self.time {
                Some(time) => self.begin.elapsed() < time,
                None => state.begun < self.kills,
            };
            state.begun += u32::from(is_left);
            is_left
        })
    }

    /// Adds what came of it. False if something was wrong.
    pub(super) fn end_kill(&self, outcome: Result<Summary>, place: &str) -> bool {
        let mut summary = outcome.unwrap_or_else(|error| Summary {
            violations: vec![Violation::new(Kind::Stuck, format!("{error:#}"))],
            ..Default::default()
        });
        summary.violations =
            summary.violations.into_iter().map(|violation| violation.at(place)).collect();
        for violation in &summary.violations {
            print_uncaptured(&violation.to_string());
        }
        let is_right = summary.is_right();
        self.with(|state| {
            state.summary.add(summary);
            let done = state.summary.kills;
            if done >= state.told + PROGRESS_EVERY {
                state.told = done;
                print_uncaptured(&self.progress(&state.summary));
            }
        });
        is_right
    }

    /// Counts a group whose data and logs are left, and returns how many there are.
    pub(super) fn count_left(&self) -> u32 {
        self.with(|state| {
            state.left += 1;
            state.left
        })
    }

    pub(super) fn summary(&self) -> Summary {
        self.with(|state| state.summary.clone())
    }

    fn progress(&self, summary: &Summary) -> String {
        let of_all = match self.time {
            Some(time) => format!("in {} s", time.as_secs()),
            None => format!("of {}", self.kills),
        };
        format!(
            "{:5} s  {:3} kills {of_all}, {} channels closed, {} violations",
            self.begin.elapsed().as_secs(),
            summary.kills,
            summary.closed(),
            summary.violations.len()
        )
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
