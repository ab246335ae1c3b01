//! How long a command waits.

use std::time::{Duration, Instant};

use clap::Args;

/// One call waits no longer; the command makes another.
const LONGEST_CALL: Duration = Duration::from_secs(60);

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
pub(crate) struct Timeout {
    /// How long to wait, in seconds; then the answer has timed_out [default: as long as it takes]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
}

impl Timeout {
    /// How long the next call may wait, in seconds, and whether it is the last.
    pub(crate) fn of_next_call(&self, begun: Instant) -> (Option<u32>, bool) {
        let left = self
            .timeout
            .map(|secs| Duration::from_secs(secs.into()).saturating_sub(begun.elapsed()));
        let is_last = left.is_some_and(|left| left <= LONGEST_CALL);
        let wait = left.unwrap_or(LONGEST_CALL).min(LONGEST_CALL);
        // Rather a moment longer than less.
        (Some(wait.as_secs_f64().ceil() as u32), is_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_made_of_several_calls() {
        let now = Instant::now();
        assert_eq!(Timeout { timeout: None }.of_next_call(now), (Some(60), false));
        assert_eq!(Timeout { timeout: Some(300) }.of_next_call(now), (Some(60), false));
        assert_eq!(Timeout { timeout: Some(5) }.of_next_call(now), (Some(5), true));
        assert_eq!(Timeout { timeout: Some(0) }.of_next_call(now), (Some(0), true));
    }
}
