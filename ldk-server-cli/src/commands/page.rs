//! The page for people: a link to it that signs in.

use std::io::IsTerminal as _;

use clap::Args;
use humantime::Duration;
use ldk_server_client::Client;
use ldk_server_grpc::api::{CreateRuneRequest, CreateRuneResponse};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::qr;

/// What the page may do unless a preset is asked for: look at everything, and follow what happens.
const LOOK: &str = "group=info|group=read|method=SubscribeEvents";
/// What the rune is for, as the list of runes tells.
const LABEL: &str = "page";

/// Print a link that opens the node's page in a browser, signed in for a while
///
/// The link has a new rune in it: whoever has the link can do what the rune allows, until it expires. On
/// a terminal, a QR code to open it on a phone is printed too.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// What the page may do: read, invoice, pay or admin [default: read, and follow events]
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// How long the link is good for, such as 90min or 30d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires: Duration,
}

#[derive(Serialize)]
struct Link {
    url: String,
    /// The id of the rune, by which it can be revoked.
    rune_id: u64,
    expires_in_secs: u64,
}

impl Page {
    /// Makes the rune, and prints the link to the server at this address.
    pub(crate) async fn run(
        self,
        client: &Client,
        address: &str,
        format: Format,
    ) -> Result<(), Failure> {
        let expires_in_secs = self.expires.as_secs();
        let CreateRuneResponse { rune, id } = client.create_rune(self.try_into()?).await?;
        let link = Link { url: url(address, &rune), rune_id: id, expires_in_secs };
        output::print(&link, format)?;
        if std::io::stdout().is_terminal() {
            output::write(qr::code(&link.url)?.as_bytes())?;
        }
        Ok(())
    }
}

impl TryFrom<Page> for CreateRuneRequest {
    type Error = Failure;

    fn try_from(Page { preset, expires }: Page) -> Result<Self, Failure> {
        let expires_in_secs = expires.as_secs();
        if expires_in_secs == 0 {
            return Err(Failure::InvalidRequest("--expires must be a second or more".to_owned()));
        }
        let restrictions = if preset.is_none() { vec![LOOK.to_owned()] } else { Vec::new() };
        Ok(Self {
            restrictions,
            preset: preset.unwrap_or_default(),
            label: LABEL.to_owned(),
            rune: String::new(),
            expires_in_secs,
        })
    }
}

/// The rune is in the fragment, which browsers send to no server. A server that listens on all addresses
/// is reached on this machine by `localhost`.
fn url(address: &str, rune: &str) -> String {
    let address = match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    };
    format!("https://{address}/#rune={rune}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn the_rune_is_short_lived_and_looks_only() {
        let created = request::<Page, CreateRuneRequest>("").unwrap();
        assert_eq!(created.restrictions, [LOOK]);
        assert_eq!((created.preset.as_str(), created.expires_in_secs), ("", 3600));
        let created = request::<Page, CreateRuneRequest>("--preset pay --expires 2d").unwrap();
        assert!(created.restrictions.is_empty());
        assert_eq!((created.preset.as_str(), created.expires_in_secs), ("pay", 2 * 86_400));
        assert!(request::<Page, CreateRuneRequest>("--expires 0s").is_err());
    }

    #[test]
    fn the_rune_is_in_the_fragment() {
        assert_eq!(url("127.0.0.1:3536", "abc="), "https://127.0.0.1:3536/#rune=abc=");
        assert_eq!(url("0.0.0.0:3536", "abc="), "https://localhost:3536/#rune=abc=");
        assert_eq!(url("[::]:3536", "abc="), "https://localhost:3536/#rune=abc=");
    }
}
