//! The gate between the library and its chain source: a transaction leaves only when what it rests
//! on is on disk.
//!
//! The library hands a transaction to its chain source before it has written the state that the
//! transaction rests on. Killed in between, it would start without knowing what everybody else can
//! see. So it is given ports of this machine in place of the server, and behind them the gate passes
//! on what is asked and answered, and holds broadcasts. To servers that want TLS the gate speaks it;
//! the library, which would check the name of the server it was given, does not.
//!
//! Any process of this machine can connect to these ports. It gets no further than to a server whose
//! credentials it does not have: the gate adds none.
//!
//! What is held, or not answered, is in the store's journal meanwhile: the library makes most of it
//! once only.

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

/// For how long nothing is broadcast when the library has nothing more to broadcast. It takes well
/// under a millisecond from where it makes a transaction to the gate.
const QUIET: Duration = Duration::from_millis(100);
/// How long to wait for that.
const QUIET_PATIENCE: Duration = Duration::from_secs(2);

/// The ports that stand between the library and its chain source, as long as this lives.
pub struct ChainGate {
    source: ChainSource,
    connections: Connections,
    broadcasts: Broadcasts,
}

impl ChainGate {
    /// Opens the ports; a node that listens at `listening_addresses` keeps theirs. Without
    /// `durability` nothing is held; with a `journal`, what is broadcast is in it until it is answered.
    /// Needs the runtime.
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

    /// The chain source as the library is to see it.
    pub fn source(&self) -> &ChainSource {
        &self.source
    }

    /// What is measured of broadcasts.
    pub fn broadcasts(&self) -> &Broadcasts {
        &self.broadcasts
    }

    /// Waits, not for long, until the library has nothing more to broadcast.
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
            tracing::warn!("broadcasts are still under way; stopping all the same");
        }
    }

    /// Lets out what is held, as far as that takes moments only, and closes the ports.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl Drop for ChainGate {
    fn drop(&mut self) {
        self.connections.abandon();
    }
}
