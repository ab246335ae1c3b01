//! Waiting for channels.

use clap::{Args, ValueEnum};
use ldk_server_client::Client;
use ldk_server_grpc::api::WaitChannelRequest;
use ldk_server_grpc::types::ChannelProgress;

use crate::args::Timeout;
use crate::failure::Failure;
use crate::output::{self, Format};

/// Wait until a channel can be used, has its funding, or is closed, and print how far it has come
#[derive(Debug, Args)]
pub(crate) struct WaitChannel {
    /// The channel's user_channel_id
    user_channel_id: String,

    /// What to wait for; a channel that has ended is printed at once
    #[arg(long, value_enum, default_value_t = State::Ready)]
    state: State,

    #[command(flatten)]
    timeout: Timeout,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// It has its funding transaction
    Pending,
    /// It can be used
    Ready,
    /// It is closed
    Closed,
}

impl From<State> for ChannelProgress {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Ready => Self::Ready,
            State::Closed => Self::Closed,
        }
    }
}

impl WaitChannel {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let state = ChannelProgress::from(self.state).into();
        let answer = self.timeout.wait(async |timeout_secs| {
            let user_channel_id = self.user_channel_id.clone();
            let request = WaitChannelRequest { user_channel_id, state, timeout_secs };
            let answer = client.wait_channel(request).await?;
            let timed_out = answer.timed_out;
            Ok((answer, timed_out))
        });
        output::print(&answer.await?, format)
    }
}
