//! Whether the node is ready, and if not, why.
//!
//! Callers without a key can read the reasons, so these contain no addresses, paths or amounts.

mod probe;

use std::fmt;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{rfc_3339, unix_secs};
use crate::node::startup::StartPhase;

pub(crate) use probe::Probe;

/// Why the node is not ready, or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The node starts; this is the phase of the start.
    Starting(&'static str),
    /// Another node has the state; this one takes its place when it is gone.
    Standby,
    /// The node stops.
    Stopping,
    /// The node does not answer.
    Node,
    /// The node has not caught up with the chain since its start.
    Syncing,
    /// The chain source has not answered since this time, in Unix seconds.
    ChainSource {
        /// The time of the last answer.
        silent_since: u64,
    },
    /// The certificate of the service has expired; most clients refuse it.
    Certificate,
    /// The disk of the state is nearly full.
    Disk {
        /// The free space in MiB, rounded down.
        left_mib: u64,
    },
    /// The disk has not completed a write for so many seconds, and nothing leaves the node.
    Stalled {
        /// The seconds, rounded down.
        secs: u64,
    },
    /// The state cannot be written any more, and the process ends.
    Database,
    /// A warning: the wallet lacks some of the reserve that pays for closing channels.
    Reserve,
    /// A warning: PostgreSQL has replicas, and commits wait for none of them.
    Replicas,
}

impl Reason {
    /// Whether the node is ready in spite of this.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Reserve | Self::Replicas)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting(doing) => write!(formatter, "starting: {doing}"),
            Self::Standby => write!(formatter, "standby: another node has the state"),
            Self::Stopping => write!(formatter, "stopping"),
            Self::Node => write!(formatter, "node: does not answer"),
            Self::Syncing => write!(formatter, "syncing: not in step with the chain yet"),
            Self::ChainSource { silent_since } => {
                let age_secs = unix_secs().saturating_sub(*silent_since);
                let since = rfc_3339(*silent_since);
                write!(formatter, "chain source: no answer since {since} ({age_secs} s)")
            },
            Self::Certificate => write!(formatter, "certificate: has expired"),
            Self::Disk { left_mib } => {
                write!(formatter, "disk: nearly full, {left_mib} MiB left")
            },
            Self::Stalled { secs } => {
                write!(formatter, "disk: has not taken what is to be written for {secs} s")
            },
            Self::Database => write!(formatter, "database: cannot be written"),
            Self::Reserve => {
                write!(formatter, "reserve: the wallet lacks what closing channels may cost")
            },
            Self::Replicas => {
                write!(
                    formatter,
                    "replicas: none is synchronous, so one that takes over may be old"
                )
            },
        }
    }
}

/// The state of the server.
#[derive(Clone, Debug)]
pub struct State {
    /// Why the node is not ready, and warnings.
    pub reasons: Vec<Reason>,
    /// When the node last answered; `None` while there is no node.
    pub node_answered: Option<Instant>,
}

impl State {
    /// Whether the node is ready.
    pub fn is_ready(&self) -> bool {
        self.reasons.iter().all(Reason::is_warning)
    }

    /// Whether the server is starting.
    pub fn is_starting(&self) -> bool {
        matches!(self.reasons[..], [Reason::Starting(_)])
    }

    /// Whether the server waits until another node is gone.
    pub fn is_standby(&self) -> bool {
        matches!(self.reasons[..], [Reason::Standby])
    }

    /// Whether the server is stopping.
    pub fn is_ending(&self) -> bool {
        matches!(self.reasons[..], [Reason::Stopping | Reason::Database])
    }
}

/// The state of the server, which tasks set and others follow.
#[derive(Clone)]
pub struct Readiness(watch::Sender<State>);

impl Readiness {
    /// The state of a server that starts.
    pub(crate) fn starting() -> Self {
        let reasons = vec![Reason::Starting(StartPhase::Loading.public_text())];
        Self(watch::Sender::new(State { reasons, node_answered: None }))
    }

    /// Follows the state.
    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    pub(crate) fn starting_with(&self, phase: &StartPhase) {
        let reason = match phase {
            StartPhase::Standby(_) => Reason::Standby,
            phase => Reason::Starting(phase.public_text()),
        };
        self.set(vec![reason], None);
    }

    /// The node has answered; `reasons` are all there are.
    pub(crate) fn node_answered(&self, reasons: Vec<Reason>) {
        self.set(reasons, Some(Instant::now()));
    }

    /// The node takes too long to answer.
    pub(crate) fn node_is_silent(&self) {
        let answered_before = self.0.borrow().node_answered;
        self.set(vec![Reason::Node], answered_before);
    }

    pub(crate) fn stopping(&self) {
        self.set(vec![Reason::Stopping], None);
    }

    /// Whether the process ends because the database cannot be written.
    pub(crate) fn has_database_failed(&self) -> bool {
        matches!(self.0.borrow().reasons[..], [Reason::Database])
    }

    pub(crate) fn database_failed(&self) {
        self.set(vec![Reason::Database], None);
    }

    /// Sets the state, unless the server is stopping: that is final.
    fn set(&self, reasons: Vec<Reason>, node_answered: Option<Instant>) {
        self.0.send_if_modified(|state| {
            let may_change = !state.is_ending();
            if may_change {
                *state = State { reasons, node_answered };
            }
            may_change
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_what_it_is_first() {
        let silent_since = unix_secs() - 75;
        for (reason, expected) in [
            (Reason::Starting("loading the node"), "starting: loading the node".to_owned()),
            (Reason::Standby, "standby: another node has the state".to_owned()),
            (Reason::Stopping, "stopping".to_owned()),
            (Reason::Node, "node: does not answer".to_owned()),
            (Reason::Syncing, "syncing: not in step with the chain yet".to_owned()),
            (Reason::Certificate, "certificate: has expired".to_owned()),
            (Reason::Disk { left_mib: 12 }, "disk: nearly full, 12 MiB left".to_owned()),
            (
                Reason::Stalled { secs: 7 },
                "disk: has not taken what is to be written for 7 s".to_owned(),
            ),
            (Reason::Database, "database: cannot be written".to_owned()),
            (
                Reason::Reserve,
                "reserve: the wallet lacks what closing channels may cost".to_owned(),
            ),
            (
                Reason::Replicas,
                "replicas: none is synchronous, so one that takes over may be old".to_owned(),
            ),
            (
                Reason::ChainSource { silent_since },
                format!("chain source: no answer since {} (75 s)", rfc_3339(silent_since)),
            ),
        ] {
            assert_eq!(reason.to_string(), expected);
        }
    }

    #[test]
    fn nothing_follows_an_end() {
        let readiness = Readiness::starting();
        let state = readiness.subscribe();
        assert!(state.borrow().is_starting());
        readiness.starting_with(&StartPhase::Waiting("the reason".to_owned()));
        assert_eq!(state.borrow().reasons, [Reason::Starting("waiting for the chain source")]);
        readiness.node_answered(Vec::new());
        assert!(state.borrow().is_ready());
        readiness.node_answered(vec![Reason::Reserve, Reason::Replicas]);
        assert!(state.borrow().is_ready(), "a warning does not make it unreliable");
        readiness.node_answered(vec![Reason::Syncing, Reason::Reserve]);
        assert!(!state.borrow().is_ready());
        let answered = state.borrow().node_answered;
        readiness.node_is_silent();
        assert_eq!(state.borrow().node_answered, answered);
        readiness.stopping();
        readiness.node_answered(Vec::new());
        readiness.database_failed();
        assert_eq!(state.borrow().reasons, [Reason::Stopping]);
    }
}
