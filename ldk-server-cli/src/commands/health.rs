//! Whether the node can be relied on.

use clap::Args;
use ldk_server_client::Client;

use crate::failure::Failure;
use crate::output;

/// Check whether the node is ready; exit status 0 if it is, 1 with the reasons if it is not
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Only check whether the process responds, ready or not
    #[arg(long)]
    live: bool,
}

impl Health {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (checked, word) = if self.live {
            (client.check_live().await, "live\n")
        } else {
            (client.check_ready().await, "ready\n")
        };
        checked?;
        output::write(word.as_bytes())
    }
}
