//! Following the server's events.

use clap::Args;
use futures_util::StreamExt as _;
use ldk_server_client::{Client, Error};
use ldk_server_grpc::api::SubscribeEventsRequest;

use crate::failure::Failure;
use crate::output;

/// Follow what happens from now on, until Ctrl-C: one JSON object a line, whatever the format
#[derive(Debug, Args)]
pub(crate) struct Events;

impl Events {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        tokio::select! {
            ended = follow(client) => ended,
            interrupted = tokio::signal::ctrl_c() => interrupted
                .map_err(|error| Failure::Local(format!("cannot wait for Ctrl-C: {error}"))),
        }
    }
}

/// Prints events until the stream ends, which is a failure whatever the reason.
async fn follow(client: &Client) -> Result<(), Failure> {
    let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
    while let Some(event) = events.next().await {
        output::print_line(&event?)?;
    }
    Err(Error::Transport("the server ended the stream of events".to_owned()).into())
}
