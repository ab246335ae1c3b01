//! Whether the node can be relied on.

use clap::Args;
use ldk_server_client::Client;

use crate::failure::Failure;
use crate::output;

/// Say whether the node can be relied on; exit status 0 if so, 1 with the reasons if not
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Ask only whether the process serves, ready or not
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
