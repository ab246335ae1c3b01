//! A proxy between the library and its chain source, which releases a transaction only when the state
//! that it depends on is on disk.
//!
//! The library broadcasts a transaction before it has written the state that the transaction
//! depends on. After a kill in between, it would not know a transaction that everybody else can
//! see. So the library gets loopback ports in place of the server; the gate forwards requests and
//! answers, and holds broadcasts. The gate itself speaks TLS to the server, because the library
//! would check the name of the server that it was given.
//!
//! Any process of this machine can connect to these ports. It only reaches the server, whose
//! credentials it does not have: the gate adds none.
//!
//! Broadcasts that are held or not answered are in the store's journal: the library creates most of
//! them only once.

mod answers;
mod broadcasts;
mod builder;
mod electrum;
mod hold;
mod http;
mod ports;
mod requests;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use answers::{by_electrum, by_http};
pub use broadcasts::Broadcasts;
use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::chain::{ChainError, tls};
use crate::config::ChainSource;
use crate::store::{Durability, Journal};
use builder::{GateBuilder, port};
use hold::Hold;
use ports::Connections;

/// If no broadcast comes for this time, the library has nothing more to broadcast: a transaction
/// takes well under a millisecond to reach the gate.
const QUIET: Duration = Duration::from_millis(100);
/// How long to wait for that.
const QUIET_PATIENCE: Duration = Duration::from_secs(2);

/// The ports between the library and its chain source, until this is dropped.
pub struct ChainGate {
    source: ChainSource,
    connections: Connections,
    broadcasts: Broadcasts,
}

impl ChainGate {
    /// Opens the ports, none of which is a port of `listening_addresses`. Without `durability`
    /// nothing is held; with a `journal`, broadcasts are in it until they are answered. Needs the
    /// runtime.
    pub async fn open(
        source: &ChainSource,
        listening_addresses: &[SocketAddress],
        durability: Option<Durability>,
        journal: Option<Arc<Journal>>,
    ) -> Result<Self, ChainError> {
        let trusted = source.clone();
        let tls = spawn_blocking(move || tls::client_config(&trusted));
        let tls = tls.await.map_err(ChainError::Task)??;
        let broadcasts = Broadcasts::new()?;
        let builder = GateBuilder {
            name: source.to_string(),
            taken: listening_addresses.iter().filter_map(port).collect(),
            tls,
            hold: Arc::new(Hold::new(durability, journal, broadcasts.clone())),
            connections: Connections::default(),
        };
        let source = builder.open_ports(source)?;
        Ok(Self { source, connections: builder.connections, broadcasts })
    }

    /// The chain source that the library gets.
    pub fn source(&self) -> &ChainSource {
        &self.source
    }

    /// The metrics of broadcasts.
    pub fn broadcasts(&self) -> &Broadcasts {
        &self.broadcasts
    }

    /// Waits for a limited time until the library has nothing more to broadcast.
    pub async fn at_rest(&self) {
        let at_rest = async {
            let mut before = None;
            loop {
                let now = self.broadcasts.at_rest();
                if now.is_some() && now == before {
                    return;
                }
                before = now;
                sleep(QUIET).await;
            }
        };
        if timeout(QUIET_PATIENCE, at_rest).await.is_err() {
            tracing::warn!("stopping while broadcasts are under way");
        }
    }

    /// Closes the ports, after a moment for held broadcasts and for answers.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl Drop for ChainGate {
    fn drop(&mut self) {
        self.connections.abandon();
    }
}
