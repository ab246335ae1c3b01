//! Two nodes with a channel, one with all doors open.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use e2e_tests::{Network, Node, Port};
use ldk_server_grpc::{AuthorityFiles, places};

const CHANNEL_SATS: u64 = 1_000_000;

pub(super) struct Doors {
    pub(super) network: Network,
    /// Has the socket, CLNRest with TLS, and gRPC.
    pub(super) alice: Arc<Node>,
    /// Has CLNRest without TLS, as the programs of the documentation call it.
    pub(super) bob: Arc<Node>,
    rest: Port,
    plain_rest: Port,
    pub(super) grpc: Port,
    phoenixd: Port,
}

impl Doors {
    pub(super) async fn open() -> Result<Self> {
        let network = Network::start().await?;
        let [rest, plain_rest] = [Port::claim()?, Port::claim()?];
        let [grpc, phoenixd] = [Port::claim()?, Port::claim()?];
        let section = format!(
            "[cln]\nrpc_file = \"lightning-rpc\"\nrest_address = \"{}\"\ngrpc_address = \"{}\"\n\n\
             [phoenixd]\naddress = \"{}\"\n",
            rest.address(),
            grpc.address(),
            phoenixd.address()
        );
        let plain =
            format!("[cln]\nrest_address = \"{}\"\nrest_tls = false\n", plain_rest.address());
        let (alice, bob) =
            tokio::try_join!(network.node_with("alice", section), network.node_with("bob", plain))?;
        network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
        network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        Ok(Self { network, alice, bob, rest, plain_rest, grpc, phoenixd })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.alice.config().storage_dir.join("regtest/lightning-rpc")
    }

    pub(super) fn rest_url(&self) -> String {
        format!("https://localhost:{}", self.rest.number())
    }

    pub(super) fn plain_rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.plain_rest.number())
    }

    pub(super) fn rest_certificate(&self) -> PathBuf {
        places::tls_cert_file(&self.alice.config().storage_dir)
    }

    pub(super) fn phoenixd_url(&self) -> String {
        format!("http://{}/", self.phoenixd.address())
    }

    /// The password that allows everything at phoenixd's interface.
    pub(super) fn phoenixd_password(&self) -> Result<String> {
        let file = self.alice.config().storage_dir.join("regtest/phoenix.conf");
        let text = std::fs::read_to_string(file)?;
        let password = text.lines().find_map(|line| line.strip_prefix("http-password="));
        Ok(password.context("no password")?.to_owned())
    }

    pub(super) fn certificates(&self) -> AuthorityFiles {
        places::authority_files(&self.alice.config().storage_dir, "regtest")
    }

    /// Stops both nodes, and starts them again.
    pub(super) async fn restart(&self) -> Result<()> {
        tokio::try_join!(self.alice.stop(), self.bob.stop())?;
        tokio::try_join!(self.alice.start_again(), self.bob.start_again())?;
        self.alice.connect_to(&self.bob).await?;
        self.network.usable(&self.alice, &self.bob).await
    }
}
