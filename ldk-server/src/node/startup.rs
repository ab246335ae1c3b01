//! Starts the node, and waits for its chain source as long as necessary.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::{Node, NodeError};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{NodeStartError, builder, stale_scids};
use crate::chain::bitcoind;
use crate::chain::cookie::CookieWatch;
use crate::chain::gate::ChainGate;
use crate::chain::{ChainError, ProbeError, network_check, rebroadcast, tls};
use crate::config::{ChainSource, Config};
use crate::gate::{ListeningSockets, PeerGate, Settings};
use crate::postgres;
use crate::recovery::Recovery;
use crate::rollback;
use crate::secrets::Entropy;
use crate::store::{CutsRefused, Journal, KvOwner, Standby, Store};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// A running node.
pub struct Started {
    /// The node.
    pub node: Arc<Node>,
    /// The store of the node.
    pub store: Arc<Store>,
    /// The gate to its peers.
    pub gate: Arc<PeerGate>,
    /// The gate to its chain source.
    pub chain_gate: Arc<ChainGate>,
    /// Detects a new cookie of Bitcoin Core.
    pub cookie: CookieWatch,
    /// Detects that a peer has closed a channel in recovery.
    pub recovery: Recovery,
}

/// The phase of a start.
pub enum StartPhase {
    /// The state of the node is being read.
    Loading,
    /// The chain source does not answer yet, for this reason.
    Waiting(String),
    /// The state is held by the node that this names.
    Standby(String),
}

/// For callers with the key: a reason may contain addresses.
impl fmt::Display for StartPhase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => formatter.write_str(self.public_text()),
            Self::Waiting(reason) => formatter.write_str(reason),
            Self::Standby(holder) => {
                write!(formatter, "standby: the state of this node is held by {holder}")
            },
        }
    }
}

impl StartPhase {
    /// The text for callers without the key.
    pub fn public_text(&self) -> &'static str {
        match self {
            Self::Loading => "loading the node",
            Self::Waiting(_) => "waiting for the chain source",
            Self::Standby(_) => "standby",
        }
    }
}

/// Builds and starts the node, which accepts peers at `sockets`. Tells `report` the phase that the
/// start is in, and `on_store_failure`, at any later time, why the database cannot be written.
pub async fn start(
    config: Arc<Config>,
    entropy: Entropy,
    sockets: ListeningSockets,
    report: &(dyn Fn(StartPhase) + Sync),
    on_store_failure: impl FnOnce(&str) + Send + 'static,
) -> Result<Started, NodeStartError> {
    wait_for_chain_source(&config, report).await?;
    report(StartPhase::Loading);
    let cookie = CookieWatch::new(&config.chain_source);
    let (store, journal) = open_store(&config, report, on_store_failure).await?;
    let unless_started = ReleaseUnlessStarted(Some(Arc::clone(&store)));
    let recovery = Recovery::begin(Arc::clone(&config), &store).await?;
    let (gate, chain_gate) = open_gates(&config, sockets, &store, &journal).await?;
    let node = load(&config, entropy, &store, &gate, &chain_gate).await?;
    rebroadcast::all(&config.chain_source, &journal).await;
    start_node(&node, &config.chain_source, report).await?;
    gate.open();
    unless_started.started();
    Ok(Started { node, store, gate, chain_gate, cookie, recovery })
}

/// Lets another node have the state, if the start fails or is interrupted.
struct ReleaseUnlessStarted(Option<Arc<Store>>);

impl ReleaseUnlessStarted {
    fn started(mut self) {
        self.0 = None;
    }
}

impl Drop for ReleaseUnlessStarted {
    /// Blocks for a moment, with nothing left to do.
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            store.release();
        }
    }
}

/// Waits until the chain source answers and is on our network.
async fn wait_for_chain_source(
    config: &Arc<Config>,
    report: &(dyn Fn(StartPhase) + Sync),
) -> Result<(), NodeStartError> {
    let checked = Arc::clone(config);
    let check = spawn_blocking(move || tls::client_config(&checked.chain_source).map(drop));
    check.await?.map_err(ChainError::from)?;
    let mut retry = Retry::new(report);
    while let Err(error) = probe(config).await {
        match error {
            ProbeError::Unavailable(reason) => retry.wait(&reason.to_string()).await,
            ProbeError::Misconfigured(_) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Opens the database, unless its state is too old, and the journal of broadcasts in it.
async fn open_store(
    config: &Arc<Config>,
    report: &(dyn Fn(StartPhase) + Sync),
    on_failure: impl FnOnce(&str) + Send + 'static,
) -> Result<(Arc<Store>, Arc<Journal>), NodeStartError> {
    let config = Arc::clone(config);
    let (tell_holder, mut holder) = watch::channel(String::new());
    let interrupted = CancellationToken::new();
    let standby = Standby::new(tell_holder, interrupted.clone());
    // A start that is given up waits for nobody.
    let _interrupt = interrupted.drop_guard();
    let open = spawn_blocking(move || {
        let store = Arc::new(open_database(&config, standby, on_failure)?);
        rollback::check(&store, &config)?;
        store.resolve_unsent_payments()?;
        let journal = Journal::open(Arc::clone(&store))?;
        if config.force_wallet_full_scan {
            tracing::info!("--force-wallet-full-scan: the wallet scans the whole chain");
            store.forget_syncs()?;
        }
        if let Some(dir) = config.mirror_dir() {
            store.mirror_to(&dir).map_err(|error| NodeStartError::Mirror(error.into()))?;
        }
        Ok::<_, NodeStartError>((store, Arc::new(journal)))
    });
    tokio::pin!(open);
    loop {
        tokio::select! {
            opened = &mut open => return opened?,
            Ok(()) = holder.changed() => {
                let holder = holder.borrow_and_update().clone();
                tracing::info!(holder, "standby: another node has the state");
                report(StartPhase::Standby(holder));
            },
        }
    }
}

/// Opens the database where it is configured to be.
fn open_database(
    config: &Config,
    standby: Standby,
    on_failure: impl FnOnce(&str) + Send + 'static,
) -> Result<Store, NodeStartError> {
    let dir = config.network_dir();
    if let Some(postgres) = &config.postgres {
        let settings = postgres::settings(postgres, &dir)?;
        let settings = match postgres.is_standby {
            true => settings.waiting(standby),
            false => settings,
        };
        return Ok(Store::open_postgres(&dir, settings, on_failure)?);
    }
    let owner = if config.library_store { KvOwner::Library } else { KvOwner::Server };
    Ok(Store::open(&dir, owner, on_failure)?)
}

/// Opens the gates that the node reaches its peers and its chain source through.
async fn open_gates(
    config: &Config,
    sockets: ListeningSockets,
    store: &Arc<Store>,
    journal: &Arc<Journal>,
) -> Result<(Arc<PeerGate>, Arc<ChainGate>), NodeStartError> {
    let durability = config.consistent_cuts.then(|| store.durability());
    let gate = PeerGate::new(Settings::of(config), sockets, durability.clone())?;
    // Without cuts it is not known when the state that a broadcast depends on is durable.
    let journal = durability.is_some().then(|| Arc::clone(journal));
    let (source, listening) = (&config.chain_source, &config.listening_addresses);
    let chain_gate = ChainGate::open(source, listening, durability, journal).await?;
    Ok((Arc::new(gate), Arc::new(chain_gate)))
}

/// Builds the node from its state, and begins consistent cuts.
async fn load(
    config: &Arc<Config>,
    entropy: Entropy,
    store: &Arc<Store>,
    gate: &Arc<PeerGate>,
    chain_gate: &Arc<ChainGate>,
) -> Result<Arc<Node>, NodeStartError> {
    let (config, store) = (Arc::clone(config), Arc::clone(store));
    let (gate, chain_gate) = (Arc::clone(gate), Arc::clone(chain_gate));
    let build = spawn_blocking(move || {
        let node = build_node(&config, &entropy, &store, &gate, &chain_gate)?;
        begin_cuts(&config, &node, &store)?;
        Ok::<_, NodeStartError>(Arc::new(node))
    });
    build.await?
}

/// Starts the node, as soon as its chain source has fee rates.
async fn start_node(
    node: &Arc<Node>,
    source: &ChainSource,
    report: &(dyn Fn(StartPhase) + Sync),
) -> Result<(), NodeStartError> {
    let mut retry = Retry::new(report);
    loop {
        let starting = Arc::clone(node);
        match spawn_blocking(move || starting.start()).await? {
            Ok(()) => return Ok(()),
            Err(error) if can_start_again(&error) => {
                retry.wait(&format!("{source} gives no fee rates: {error}")).await;
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Builds the node, and builds it again if stale channels had to be removed from its graph.
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
    // It was not started.
    drop(node);
    build()
}

/// Begins consistent cuts, if the store knows the formats of the library. The node has been built,
/// so it has read its state, but was not started.
fn begin_cuts(config: &Config, node: &Node, store: &Store) -> Result<(), NodeStartError> {
    let refusal = if !config.consistent_cuts {
        Some("storage.consistent_cuts is false".to_owned())
    } else if config.library_store {
        Some("the library's own store is used".to_owned())
    } else if config.without_peer_gate {
        Some("peers bypass the gate".to_owned())
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
        tracing::warn!(%reason, "consistent cuts are off, so a crash may close channels");
        store.do_without_cuts()?;
    }
    Ok(())
}

/// Checks that the chain source answers and is on our network.
async fn probe(config: &Config) -> Result<(), ProbeError> {
    match &config.chain_source {
        ChainSource::Bitcoind(bitcoind) => bitcoind::probe(bitcoind, config.network).await,
        server => network_check::probe(server, config.network).await,
    }
}

/// The library requests fee rates before anything else. After a later failure it is partly started,
/// and only a new process can start again.
fn can_start_again(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::FeerateEstimationUpdateFailed
            | NodeError::FeerateEstimationUpdateTimeout
            | NodeError::ConnectionFailed
    )
}

/// Retries with growing pauses.
struct Retry<'a> {
    report: &'a (dyn Fn(StartPhase) + Sync),
    pause: Duration,
}

impl<'a> Retry<'a> {
    fn new(report: &'a (dyn Fn(StartPhase) + Sync)) -> Self {
        Self { report, pause: FIRST_RETRY }
    }

    async fn wait(&mut self, reason: &str) {
        tracing::warn!(%reason, pause_secs = self.pause.as_secs(), "cannot start yet; trying again");
        (self.report)(StartPhase::Waiting(reason.to_owned()));
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LAST_RETRY);
    }
}
