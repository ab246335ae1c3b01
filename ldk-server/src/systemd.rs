//! Notifications to systemd (`sd_notify(3)`), if `NOTIFY_SOCKET` is set.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::readiness::{Reason, State};

/// How much longer a start may take, from each extension.
const TIMEOUT_EXTENSION: Duration = Duration::from_secs(60);

/// The longest time between two extensions.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// How long a notification may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The daemon serves calls.
    Ready,
    /// The daemon stops for good.
    Stopping,
    /// The daemon restarts within the same process.
    Reloading,
    /// What the daemon is doing, in one line.
    Status(String),
    /// The start takes longer.
    ExtendTimeout,
    /// The daemon is alive.
    Watchdog,
}

/// Notifies systemd. This may block, so it runs on a blocking thread and for a limited time.
pub async fn notify(notice: Notice) {
    match timeout(PATIENCE, spawn_blocking(move || send(&notice))).await {
        Ok(Ok(Ok(()))) => {},
        Ok(Ok(Err(error))) => tracing::warn!(%error, "cannot notify systemd"),
        Ok(Err(error)) => tracing::warn!(%error, "cannot notify systemd"),
        Err(_) => tracing::warn!("systemd does not take notifications"),
    }
}

#[cfg(unix)]
fn send(notice: &Notice) -> std::io::Result<()> {
    use sd_notify::NotifyState;
    let more_time_usec = u32::try_from(TIMEOUT_EXTENSION.as_micros()).unwrap_or(u32::MAX);
    sd_notify::notify(&[match notice {
        Notice::Ready => NotifyState::Ready,
        Notice::Stopping => NotifyState::Stopping,
        Notice::Reloading => NotifyState::Reloading,
        Notice::Status(text) => NotifyState::Status(text),
        Notice::ExtendTimeout => NotifyState::ExtendTimeoutUsec(more_time_usec),
        Notice::Watchdog => NotifyState::Watchdog,
    }])
}

#[cfg(not(unix))]
fn send(_: &Notice) -> std::io::Result<()> {
    Ok(())
}

/// The watchdog timeout of systemd; `None` without a watchdog.
fn watchdog() -> Option<Duration> {
    #[cfg(unix)]
    return sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    #[cfg(not(unix))]
    return None;
}

/// Notifies systemd of every state of the server, until the runtime ends.
pub(crate) async fn follow(mut states: watch::Receiver<State>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = watchdog();
    let period = watchdog.map_or(LONGEST_SILENCE, |limit| (limit / 2).min(LONGEST_SILENCE));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        let state = states.borrow_and_update().clone();
        if told.as_ref() != Some(&state.reasons) {
            notify(Notice::Status(status(&state.reasons))).await;
            // Whoever starts the service need not wait until this node takes over.
            if state.is_standby() {
                notify(Notice::Ready).await;
            }
            told = Some(state.reasons);
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            _ = ticks.tick() => {
                let state = states.borrow().clone();
                if state.is_starting() {
                    notify(Notice::ExtendTimeout).await;
                }
                if watchdog.is_some_and(|limit| is_alive(&state, limit)) {
                    notify(Notice::Watchdog).await;
                }
            },
        }
    }
}

/// A node that does not answer is not alive, even if the process is.
fn is_alive(state: &State, limit: Duration) -> bool {
    state.node_answered.is_none_or(|at| at.elapsed() < limit)
}

fn status(reasons: &[Reason]) -> String {
    let is_ready = reasons.iter().all(Reason::is_warning);
    let ready = is_ready.then(|| "ready".to_owned());
    ready.into_iter().chain(reasons.iter().map(ToString::to_string)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    #[test]
    fn the_status_is_one_line() {
        assert_eq!(status(&[]), "ready");
        let reasons = [Reason::Syncing, Reason::Disk { left_mib: 7 }];
        let expected = "syncing: not in step with the chain yet; disk: nearly full, 7 MiB left";
        assert_eq!(status(&reasons), expected);
        let warned = status(&[Reason::Reserve]);
        assert_eq!(warned, "ready; reserve: the wallet lacks what closing channels may cost");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_answer_in_time_is_not_alive() {
        let limit = Duration::from_secs(10);
        let state = |node_answered| State { reasons: Vec::new(), node_answered };
        assert!(is_alive(&state(None), limit));
        let answered = state(Some(Instant::now()));
        assert!(is_alive(&answered, limit));
        advance(limit).await;
        assert!(!is_alive(&answered, limit));
    }
}
