//! Getting the node to run, however long its chain source takes to be there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::{Node, NodeError};
use tokio::task::spawn_blocking;

use super::{NodeStartError, builder, stale_scids};
use crate::chain::bitcoind::{self, ProbeError};
use crate::chain::cookie::CookieWatch;
use crate::chain::gate::ChainGate;
use crate::chain::{ChainError, network_check, rebroadcast, tls};
use crate::config::{ChainSource, Config};
use crate::gate::{ListeningSockets, PeerGate, Settings};
use crate::recovery::Recovery;
use crate::rollback;
use crate::secrets::Entropy;
use crate::store::{CutsRefused, Journal, KvOwner, Store};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// A node that runs.
pub struct Started {
    /// The node.
    pub node: Arc<Node>,
    /// Its store.
    pub store: Arc<Store>,
    /// What stands between it and its peers.
    pub gate: Arc<PeerGate>,
    /// What stands between it and its chain source.
    pub chain_gate: Arc<ChainGate>,
    /// Tells when it can no longer reach Bitcoin Core.
    pub cookie: CookieWatch,
    /// Tells when a channel that was closed by its peer can be claimed.
    pub recovery: Recovery,
}

/// What a start is doing.
pub enum StartPhase {
    /// Reading the state of the node.
    Loading,
    /// Waiting for the chain source, for this reason.
    Waiting(String),
}

/// For the operator: a reason names addresses.
impl fmt::Display for StartPhase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => formatter.write_str(self.public_text()),
            Self::Waiting(reason) => formatter.write_str(reason),
        }
    }
}

impl StartPhase {
    /// The same for strangers.
    pub fn public_text(&self) -> &'static str {
        match self {
            Self::Loading => "loading the node",
            Self::Waiting(_) => "waiting for the chain source",
        }
    }
}

/// Builds and starts the node, which peers reach at `sockets`, and tells `report` what it is doing
/// meanwhile.
pub async fn start(
    config: Arc<Config>,
    entropy: Entropy,
    sockets: ListeningSockets,
    report: &(dyn Fn(StartPhase) + Sync),
    on_store_failure: impl FnOnce(&str) + Send + 'static,
) -> Result<Started, NodeStartError> {
    let checked = Arc::clone(&config);
    let check = spawn_blocking(move || tls::client_config(&checked.chain_source).map(drop));
    check.await?.map_err(ChainError::from)?;
    let mut retry = Retry::new(report);
    while let Err(error) = probe(&config).await {
        match error {
            ProbeError::Unavailable(reason) => retry.wait(&reason).await,
            ProbeError::Misconfigured(_) => return Err(error.into()),
        }
    }
    report(StartPhase::Loading);
    let cookie = CookieWatch::new(&config.chain_source);
    let source = config.chain_source.to_string();
    let opening = Arc::clone(&config);
    let open = spawn_blocking(move || {
        let backend = if opening.library_store { KvOwner::Library } else { KvOwner::Server };
        let store = Arc::new(Store::open(&opening.network_dir(), backend, on_store_failure)?);
        rollback::check(&store, &opening)?;
        store.resolve_unsent_payments()?;
        let journal = Journal::open(Arc::clone(&store))?;
        if opening.force_wallet_full_scan {
            tracing::info!("--force-wallet-full-scan: the wallet looks through all of the chain");
            store.forget_syncs()?;
        }
        if let Some(dir) = opening.mirror_dir() {
            store.mirror_to(&dir).map_err(|error| NodeStartError::Mirror(error.into()))?;
        }
        Ok::<_, NodeStartError>((store, Arc::new(journal)))
    });
    let (store, journal) = open.await??;
    let recovery = Recovery::begin(Arc::clone(&config), &store).await?;
    let durability = config.consistent_cuts.then(|| store.durability());
    let gate = PeerGate::new(Settings::of(&config), sockets, durability.clone())?;
    // Without cuts it is not known when the state is durable that a broadcast rests on.
    let written = durability.is_some().then(|| Arc::clone(&journal));
    let (chain_source, listening) = (config.chain_source.clone(), &config.listening_addresses);
    let chain_gate = ChainGate::open(&chain_source, listening, durability, written).await?;
    let (gate, chain_gate) = (Arc::new(gate), Arc::new(chain_gate));
    let (ways, chain) = (Arc::clone(&gate), Arc::clone(&chain_gate));
    let build = spawn_blocking(move || {
        let node = build_node(&config, &entropy, &store, &ways, &chain)?;
        begin_cuts(&config, &node, &store)?;
        Ok::<_, NodeStartError>((Arc::new(node), store))
    });
    let (node, store) = build.await??;
    rebroadcast::all(&chain_source, &journal).await;

    let mut retry = Retry::new(report);
    loop {
        let starting = Arc::clone(&node);
        match spawn_blocking(move || starting.start()).await? {
            Ok(()) => break,
            Err(error) if can_start_again(&error) => {
                retry.wait(&format!("{source} gives no fee rates: {error}")).await;
            },
            Err(error) => return Err(error.into()),
        }
    }
    gate.open();
    Ok(Started { node, store, gate, chain_gate, cookie, recovery })
}

/// Builds the node, and once more if the graph that it has read is not to be used.
fn build_node(
    config: &Config,
    entropy: &Entropy,
    store: &Arc<Store>,
    gate: &Arc<PeerGate>,
    chain: &ChainGate,
) -> Result<Node, NodeStartError> {
    let build = || builder::build(config, entropy, Arc::clone(store), Arc::clone(gate), chain);
    let node = build()?;
    if !stale_scids::drop_from_graph(&node, store)? {
        return Ok(node);
    }
    // It has not been started, and does nothing.
    drop(node);
    build()
}

/// Has the store write at consistent cuts, if it understands what the library writes. The node has
/// been built, and so has read its state, but does nothing yet.
fn begin_cuts(config: &Config, node: &Node, store: &Store) -> Result<(), NodeStartError> {
    let refusal = if !config.consistent_cuts {
        Some("storage.consistent_cuts is false".to_owned())
    } else if config.library_store {
        Some("the library's own store is used".to_owned())
    } else if config.without_peer_gate {
        Some("peers go past the gate".to_owned())
    } else {
        let channels: Vec<_> =
            node.list_channels().into_iter().map(|channel| channel.channel_id).collect();
        match store.begin_cuts(&channels) {
            Ok(()) => None,
            Err(CutsRefused::Storage(error)) => return Err(error.into()),
            Err(refused) => Some(refused.to_string()),
        }
    };
    if let Some(reason) = refusal {
        tracing::warn!("no consistent cuts are made, so a crash may close channels: {reason}");
        store.do_without_cuts()?;
    }
    Ok(())
}

/// Whether the chain source is there, and on our network.
async fn probe(config: &Config) -> Result<(), ProbeError> {
    match &config.chain_source {
        ChainSource::Bitcoind(bitcoind) => bitcoind::probe(bitcoind, config.network).await,
        server => network_check::probe(server, config.network).await,
    }
}

/// The library asks for fee rates before it begins anything else. After any later failure it is
/// half started, and only a new process can start again.
fn can_start_again(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::FeerateEstimationUpdateFailed
            | NodeError::FeerateEstimationUpdateTimeout
            | NodeError::ConnectionFailed
    )
}

/// Pauses that grow.
struct Retry<'a> {
    report: &'a (dyn Fn(StartPhase) + Sync),
    pause: Duration,
}

impl<'a> Retry<'a> {
    fn new(report: &'a (dyn Fn(StartPhase) + Sync)) -> Self {
        Self { report, pause: FIRST_RETRY }
    }

    async fn wait(&mut self, reason: &str) {
        tracing::warn!("{reason}; trying again in {} s", self.pause.as_secs());
        (self.report)(StartPhase::Waiting(reason.to_owned()));
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LAST_RETRY);
    }
}
