//! Following the server's events.

use std::io::Write as _;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures_util::StreamExt as _;
use ldk_server_client::{Client, ConnectionChange, Error};
use ldk_server_grpc::api::{AckEventsRequest, SubscribeEventsRequest};

use crate::failure::Failure;
use crate::output;

/// Between two attempts to acknowledge an event.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// Print events until Ctrl-C, each as one line of JSON, whatever the format
///
/// After a lost connection or a restart of the server, the command resumes where it stopped: no event
/// is missing or printed twice. It reports both on standard error. If the server cannot be reached at
/// the beginning, the command fails.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Number (event_index) of the last event you have; begin with the next one. 0 begins with the
    /// first event [default: new events only, or after the consumer's position]
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,

    /// Begin at the position of this consumer, and acknowledge each event once it is printed. A
    /// consumer that does not exist is created
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    consumer: Option<String>,
}

impl Events {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        tokio::select! {
            ended = self.follow(client) => ended,
            interrupted = tokio::signal::ctrl_c() => interrupted
                .map_err(|error| Failure::Local(format!("cannot wait for Ctrl-C: {error}"))),
        }
    }

    /// Prints events until the stream ends, which is a failure whatever the reason.
    async fn follow(self, client: &Client) -> Result<(), Failure> {
        let subscription = client.subscribe_events_resumable((&self).into()).fail_fast();
        let mut events = subscription.on_connection_change(connection_notes()).await?;
        while let Some(envelope) = events.next().await {
            let envelope = envelope?;
            output::print_line(&envelope)?;
            if let Some(consumer) = &self.consumer {
                acknowledge(client, consumer, envelope.event_index).await?;
            }
        }
        Err(Error::Transport("the stream of events ended".to_owned()).into())
    }
}

impl From<&Events> for SubscribeEventsRequest {
    fn from(command: &Events) -> Self {
        Self {
            resume_after_index: command.after,
            consumer: command.consumer.clone().unwrap_or_default(),
        }
    }
}

/// Acknowledges, when the server is back at the latest: what is not acknowledged would be printed
/// again by the next who follows as this consumer.
async fn acknowledge(client: &Client, consumer: &str, event_index: u64) -> Result<(), Failure> {
    let request = AckEventsRequest { consumer: consumer.to_owned(), event_index };
    let delays = ExponentialBuilder::new()
        .with_min_delay(SHORTEST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_jitter()
        .without_max_times();
    let mut is_told = false;
    let tell = |error: &Error, _| {
        if !std::mem::replace(&mut is_told, true) {
            note(&format!("Event {event_index} is not acknowledged yet: {error}. Trying again."));
        }
    };
    let acknowledge = || client.ack_events(request.clone());
    acknowledge.retry(delays).when(Error::is_temporary).notify(tell).await?;
    Ok(())
}

/// Tells that the connection is lost, and that it is back.
fn connection_notes() -> impl FnMut(ConnectionChange<'_>) + Send {
    let mut is_lost = false;
    move |change| match change {
        ConnectionChange::Retrying { error, .. } if !is_lost => {
            is_lost = true;
            note(&format!("Connection lost: {error}. Trying again until it is back."));
        },
        ConnectionChange::Restored => {
            is_lost = false;
            note("Connection restored.");
        },
        _ => {},
    }
}

/// Writes to standard error, if anybody reads it: standard output is for the events.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", output::escape(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    fn subscribe(resume_after_index: Option<u64>, consumer: &str) -> SubscribeEventsRequest {
        SubscribeEventsRequest { resume_after_index, consumer: consumer.to_owned() }
    }

    #[derive(Debug, Args)]
    struct Command {
        #[command(flatten)]
        events: Events,
    }

    impl From<Command> for SubscribeEventsRequest {
        fn from(command: Command) -> Self {
            Self::from(&command.events)
        }
    }

    #[test]
    fn the_place_to_begin_at_is_that_of_the_arguments() {
        for (arguments, expected) in [
            ("", subscribe(None, "")),
            ("--after 0", subscribe(Some(0), "")),
            ("--after 18446744073709551615", subscribe(Some(u64::MAX), "")),
            ("--consumer shop.1", subscribe(None, "shop.1")),
            ("--consumer shop --after 7", subscribe(Some(7), "shop")),
        ] {
            assert_eq!(request::<Command, _>(arguments), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn no_number_and_no_name_are_refused() {
        assert!(usage_error::<Events>("--after -1").contains("-1"));
        assert!(usage_error::<Events>("--after now").contains("--after"));
        assert!(usage_error::<Events>("--consumer=").contains("--consumer"));
    }
}
