//! What happens to a daemon, to its database, or to the network between the two.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::Rng as _;
use rand::rngs::StdRng;
use rustix::process::Signal;
use tokio::time::sleep;

use super::machines::Machines;
use crate::stress::Ending;

/// A short one leaves time for a renewal before the lease ends.
const LONGEST_SHORT: Duration = Duration::from_millis(1_500);
/// What a slow network adds to each answer, and how long it is slow.
const DELAY: Duration = Duration::from_millis(200);
const SLOW: Duration = Duration::from_secs(4);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The active daemon is killed.
    Kill,
    /// The active daemon is told to stop.
    Stop,
    /// The one that waits is killed.
    KillStandby,
    /// Both are killed.
    KillBoth,
    /// The active one is stopped by SIGSTOP, and goes on later.
    Pause(Span),
    /// Nothing passes between the active one and the database.
    Hold(Span),
    /// The connections of the active one to the database are broken off, and no others are made.
    Cut(Span),
    /// The network between the active one and the database is slow.
    Slow,
    /// The database crashes and is started again.
    RestartDatabase,
    /// The sessions of both in the database are ended.
    EndSessions,
}

/// How long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Less than the lease.
    Short(Duration),
    /// Until the standby has taken over.
    Takeover,
}

impl Span {
    fn choose(rng: &mut StdRng) -> Self {
        match rng.random() {
            true => Self::Takeover,
            false => Self::Short(rng.random_range(Duration::ZERO..LONGEST_SHORT)),
        }
    }

    /// Waits for its end. Returns how long it took the standby to serve.
    async fn pass(self, machines: &Machines, begin: Instant) -> Result<Option<Duration>> {
        match self {
            Self::Short(duration) => {
                sleep(duration).await;
                Ok(None)
            },
            Self::Takeover => machines.taken_over(begin).await.map(Some),
        }
    }
}

impl Fault {
    pub(super) fn choose(ending: Ending, rng: &mut StdRng) -> Self {
        match ending {
            Ending::Killed => Self::Kill,
            Ending::Stopped => Self::Stop,
            Ending::Disturbed => match rng.random_range(0..16) {
                0..3 => Self::Kill,
                3 => Self::Stop,
                4 => Self::KillStandby,
                5 => Self::KillBoth,
                6..9 => Self::Pause(Span::choose(rng)),
                9..11 => Self::Hold(Span::choose(rng)),
                11..13 => Self::Cut(Span::choose(rng)),
                13 => Self::Slow,
                14 => Self::RestartDatabase,
                _ => Self::EndSessions,
            },
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::KillStandby => "kill of the standby",
            Self::KillBoth => "kill of both",
            Self::Pause(Span::Short(_)) => "short SIGSTOP",
            Self::Pause(Span::Takeover) => "SIGSTOP until the takeover",
            Self::Hold(Span::Short(_)) => "short black hole",
            Self::Hold(Span::Takeover) => "black hole until the takeover",
            Self::Cut(Span::Short(_)) => "short cut",
            Self::Cut(Span::Takeover) => "cut until the takeover",
            Self::Slow => "slow network",
            Self::RestartDatabase => "restart of the database",
            Self::EndSessions => "ended sessions",
        }
    }

    /// Lets it happen, and puts in order again what is not a daemon. Returns how long it took the
    /// standby to serve, if it was made to.
    pub(super) async fn strike(self, machines: &Machines) -> Result<Option<Duration>> {
        let (active, begin) = (machines.active(), Instant::now());
        match self {
            Self::Kill => {
                active.kill().await?;
                Span::Takeover.pass(machines, begin).await
            },
            Self::Stop => {
                // The standby may serve before the process has ended.
                let (stopped, away) =
                    tokio::join!(active.stop(), Span::Takeover.pass(machines, begin));
                stopped.and(away)
            },
            Self::KillStandby => machines.standby().kill().await.map(|()| None),
            Self::KillBoth => {
                tokio::try_join!(active.kill(), machines.standby().kill())?;
                Ok(None)
            },
            Self::Pause(span) => {
                machines.signal(Signal::STOP).await?;
                let away = span.pass(machines, begin).await;
                machines.signal(Signal::CONT).await?;
                away
            },
            Self::Hold(span) => {
                machines.proxy().hold();
                let away = span.pass(machines, begin).await;
                machines.proxy().release();
                away
            },
            Self::Cut(span) => {
                machines.proxy().close();
                let away = span.pass(machines, begin).await;
                machines.connect(Duration::ZERO).await?;
                away
            },
            Self::Slow => {
                machines.connect(DELAY).await?;
                sleep(SLOW).await;
                machines.connect(Duration::ZERO).await.map(|()| None)
            },
            Self::RestartDatabase => machines.postgres().restart().await.map(|()| None),
            Self::EndSessions => machines.end_sessions().await.map(|()| None),
        }
    }
}
