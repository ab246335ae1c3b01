//! The life of the daemon: start, serve, stop.

use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::Node;
use ldk_node::config::AsyncPaymentsRole;
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::backup::{self, Backups};
use crate::certificate::Certificate;
use crate::chain::gate::ChainGate;
use crate::clock::unix_secs;
use crate::compat::node_features;
use crate::config::{Config, LimitsConfig};
use crate::descriptors::Shares;
use crate::exposure;
use crate::gate::{self, ListeningSockets, PeerGate};
use crate::logging;
use crate::memory;
use crate::metrics;
use crate::node::age;
use crate::node::channel_settings::ChannelSettings;
use crate::node::cookie::CookieWatch;
use crate::node::recovery::Recovery;
use crate::node::spending::Spending;
use crate::node::splices::Splices;
use crate::node::startup::{self, Doing, Started};
use crate::node::{events, expired_invoices, hodl_guard, holding};
use crate::process;
use crate::readiness::{Look, Readiness};
use crate::retention;
use crate::rpc::{App, Bills, Calls, Lsp, Names, Phase, Service};
use crate::secrets;
use crate::serve::{
    AcceptedForms, Bodies, Front, Guard, HealthPages, Listener, MAX_OPEN_MESSAGE_BYTES,
    MetricsEndpoint, OpenService, keep_reported,
};
use crate::start::StartError;
use crate::storage;
use crate::store::{Holds, Store};
use crate::supervisor;
use crate::upstream;

/// How long connections may take to close once no call is left on them.
const LINGER: Duration = Duration::from_secs(2);

/// A running daemon.
pub struct Server {
    node: Arc<Node>,
    store: Arc<Store>,
    gate: Arc<PeerGate>,
    chain_gate: Arc<ChainGate>,
    cookie: CookieWatch,
    recovery: Recovery,
    witness: JoinHandle<()>,
    /// Sees to it that peers go through the gate.
    watch: JoinHandle<()>,
    agreements: JoinHandle<()>,
    address: SocketAddr,
    calls: Calls,
    readiness: Readiness,
    /// Tells `grpc.health.v1` how it is, until the end has begun.
    health: JoinHandle<()>,
    /// Looks whether the node is ready.
    look: JoinHandle<()>,
    stop: Stop,
    listener: JoinHandle<()>,
    event_loop: JoinHandle<Result<(), String>>,
    hodl_guard: JoinHandle<Result<(), String>>,
    expired_invoices: JoinHandle<()>,
    /// Reads the metrics, if they are served.
    metrics: Option<JoinHandle<()>>,
    retention: JoinHandle<()>,
    /// Held as long as the node may write its state.
    _lock: File,
}

/// The two steps of stopping that others wait for.
#[derive(Clone, Default)]
struct Stop {
    /// No new connections and calls; streams end.
    serving: CancellationToken,
    /// No more events are taken from the node, and no more payments sent back.
    events: CancellationToken,
}

/// Why a server cannot go on.
#[derive(Debug)]
pub enum End {
    /// A part of it has failed.
    Failed(String),
    /// Bitcoin Core was restarted and has a new cookie: another server must be started.
    NewCookie,
    /// The peer has closed a channel that is in recovery: another server will claim what is ours.
    ChannelClosed,
}

impl Server {
    /// Starts a daemon: once this returns it serves. Gives up with [`StartError::Interrupted`] when
    /// `interrupt` is done first.
    pub async fn start(
        config: Config,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Self, StartError> {
        let started_at_secs = unix_secs();
        let lock = storage::lock(&config.network_dir())?;
        upstream::check(&config.network_dir())?;
        backup::remove_partial(&config.network_dir()).map_err(|error| {
            StartError::Storage(format!("cannot remove a partial backup: {error}"))
        })?;
        let entropy = secrets::entropy(&config.storage_dir)?;
        let api_key = secrets::api_key(&config.storage_dir, &config.network.to_string())?;
        let (certificate, certificate_keeper) = Certificate::open(config.tls.clone())?;
        exposure::warn(&config);
        gate::check(&config)?;
        let sockets = ListeningSockets::bind(&config.listening_addresses)?;

        let shares = Shares::of(&config);
        shares.tell(&config);
        let limits = LimitsConfig { max_connections: shares.callers, ..config.limits };
        let listener = Listener::bind(config.grpc_address, certificate.clone(), limits)
            .await
            .map_err(|error| {
                let address = config.grpc_address;
                StartError::Listen(format!(
                    "cannot listen on node.grpc_service_address {address}: {error}"
                ))
            })?;
        let address = listener.address().map_err(|error| StartError::Listen(error.to_string()))?;
        let (phase, phase_receiver) = watch::channel(Phase::Starting(Doing::Loading.to_string()));
        let readiness = Readiness::starting();
        tokio::spawn(supervisor::follow(readiness.subscribe()));
        let (calls, stop) = (Calls::new(config.limits.max_calls_in_flight), Stop::default());
        tokio::spawn(certificate_keeper.keep(stop.serving.clone()));
        tokio::spawn(logging::tell_lost_lines(stop.serving.clone()));
        tokio::spawn(memory::keep_giving_back(stop.serving.clone()));
        let service = LightningNodeServer::new(Service::new(
            phase_receiver,
            calls.clone(),
            stop.serving.clone(),
        ))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (health, health_service) = tonic_health::server::health_reporter();
        let health = keep_reported(health, readiness.subscribe()).await;
        let bodies = Bodies::new(config.limits.request_timeout);
        let accepted = AcceptedForms {
            timestamp_only: config.accept_timestamp_only_auth,
            body_bound: config.accept_body_bound_auth,
        };
        let lightning = Guard::new(service, api_key, accepted, bodies, started_at_secs);
        let (latest_metrics, latest) = watch::channel(None);
        let requests =
            metrics::Requests::new().map_err(|error| StartError::Task(error.to_string()))?;
        let metrics =
            MetricsEndpoint::new(&config.metrics, latest, requests, readiness.subscribe());
        let health_pages = HealthPages::new(readiness.subscribe());
        let health_service = health_service.max_decoding_message_size(MAX_OPEN_MESSAGE_BYTES);
        let health_service = OpenService::new(health_service);
        let front = Front::new(lightning, health_service, health_pages, metrics)
            .map_err(|error| StartError::Listen(error.to_string()))?;
        let listener = tokio::spawn(listener.serve(front, stop.serving.clone()));
        tracing::info!("gRPC service listening on {address}");

        let config = Arc::new(config);
        let report = |doing: Doing| {
            readiness.starts_with(&doing);
            phase.send_replace(Phase::Starting(doing.to_string()));
        };
        let end_without_database = process::end_without_database(stop.serving.clone());
        let failing = readiness.clone();
        let on_store_failure = move |reason: &str| {
            failing.database_failed();
            end_without_database(reason);
        };
        let started = tokio::select! {
            started = startup::start(
                Arc::clone(&config),
                entropy,
                sockets,
                &report,
                on_store_failure,
            ) => started,
            () = interrupt => Err(StartError::Interrupted),
        };
        let started = started.inspect_err(|_| stop.serving.cancel())?;
        let app = assemble(&config, &started, &stop).await?;
        let Started { node, store, gate, chain_gate, cookie, recovery } = started;

        let hodl_blocks = config.hodl_fail_before_deadline_blocks;
        let hodl_guard =
            tokio::spawn(hodl_guard::run(Arc::clone(&app), hodl_blocks, stop.events.clone()));
        let expired_invoices = tokio::spawn(expired_invoices::run(
            Arc::clone(&app),
            config.keep_expired_invoices,
            stop.serving.clone(),
        ));
        let metrics = config.metrics.enabled.then(|| {
            let (node, store) = (Arc::clone(&node), Arc::clone(&app.store));
            let sources = metrics::Sources {
                store,
                gate: Arc::clone(&gate),
                broadcasts: chain_gate.broadcasts().clone(),
                certificate: certificate.clone(),
            };
            let (interval, stop) = (config.metrics.poll_interval, stop.serving.clone());
            tokio::spawn(metrics::watch_node(node, sources, interval, latest_metrics, stop))
        });
        let retention = retention::run(Arc::clone(&app.store), config.events, stop.serving.clone());
        let retention = tokio::spawn(retention);
        let witness =
            age::remember(Arc::clone(&app.store), Arc::clone(&config), stop.serving.clone());
        let witness = tokio::spawn(witness);
        let watch = Arc::clone(&gate).watch(Arc::clone(&node), stop.serving.clone());
        let watch = tokio::spawn(watch);
        let settings = Arc::clone(&app.channel_settings);
        let agreements =
            Arc::clone(&gate).settle_agreements(move || settings.rewrite(), stop.events.clone());
        let agreements = tokio::spawn(agreements);
        let event_loop = tokio::spawn(events::run(Arc::clone(&app), stop.events.clone()));
        gate.warn_of_unreachable_addresses();
        for address in gate.announcement_addresses() {
            tracing::info!("NODE_URI: {}@{address}", node.node_id());
        }
        phase.send_replace(Phase::Ready(app));
        let look =
            Look::new(Arc::clone(&node), Arc::clone(&store), &config, certificate, started_at_secs);
        let look = tokio::spawn(look.repeat(readiness.clone(), stop.serving.clone()));
        tracing::info!("ready");
        Ok(Self {
            node,
            store,
            gate,
            chain_gate,
            cookie,
            recovery,
            witness,
            watch,
            agreements,
            address,
            calls,
            readiness,
            health,
            look,
            stop,
            listener,
            event_loop,
            hodl_guard,
            expired_invoices,
            metrics,
            retention,
            _lock: lock,
        })
    }

    /// Where the gRPC service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the server keeps on disk.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Waits until the server cannot go on.
    pub async fn ended(&mut self) -> End {
        tokio::select! {
            ended = &mut self.listener => End::Failed(format!("the listener ended: {ended:?}")),
            ended = &mut self.event_loop => End::Failed(format!("the event loop ended: {ended:?}")),
            ended = &mut self.hodl_guard => End::Failed(format!("the hodl guard ended: {ended:?}")),
            () = self.cookie.replaced() => End::NewCookie,
            () = self.recovery.progress() => End::ChannelClosed,
        }
    }

    /// Stops the daemon: refuses new calls, ends streams, waits up to `grace` for the calls under
    /// way, and then saves and closes the node.
    pub async fn shutdown(self, grace: Duration) -> Result<(), String> {
        let Self {
            node,
            store,
            gate,
            chain_gate,
            calls,
            readiness,
            health,
            look,
            stop,
            listener,
            event_loop,
            hodl_guard,
            expired_invoices,
            metrics,
            retention,
            witness,
            watch,
            agreements,
            _lock,
            ..
        } = self;
        readiness.stopping();
        health.await.map_err(|error| error.to_string())?;
        stop.serving.cancel();
        if timeout(grace, calls.drained()).await.is_err() {
            tracing::warn!("calls are still running after {grace:?}; stopping all the same");
        }
        // What is left are answers on their way, and callers who only watch.
        let _ = timeout(LINGER, listener).await;
        look.await.map_err(|error| error.to_string())?;
        gate.stop_accepting();
        watch.await.map_err(|error| error.to_string())?;
        expired_invoices.await.map_err(|error| error.to_string())?;
        if let Some(metrics) = metrics {
            metrics.await.map_err(|error| error.to_string())?;
        }
        retention.await.map_err(|error| error.to_string())?;
        witness.await.map_err(|error| error.to_string())?;
        stop.events.cancel();
        let handled = event_loop.await.map_err(|error| error.to_string()).and_then(|ended| ended);
        let guarded = hodl_guard.await.map_err(|error| error.to_string()).and_then(|ended| ended);
        agreements.await.map_err(|error| error.to_string())?;
        // The library's queue of what to broadcast is lost with the node.
        gate.stop_listening();
        chain_gate.at_rest().await;
        // Stopping and dropping the node both block, and the second needs a runtime that is alive.
        let stopped = tokio::task::spawn_blocking(move || node.stop().map(|()| drop(node)));
        let stopped = stopped.await.map_err(|error| error.to_string())?;
        // Afterwards, so that the node's last words to its chain source and its peers get through.
        chain_gate.close().await;
        // Nothing more is written.
        let settled = tokio::task::spawn_blocking(move || store.checkpoint());
        // What is not done is done at the next start.
        if let Err(error) = settled.await.map_err(|error| error.to_string())? {
            tracing::warn!("the log of the database stays beside it: {error}");
        }
        gate.close().await;
        stopped.map_err(|error| format!("cannot stop the node: {error}"))?;
        handled.and(guarded)
    }
}

/// What the calls of a node that runs work with.
async fn assemble(
    config: &Arc<Config>,
    started: &Started,
    stop: &Stop,
) -> Result<Arc<App>, StartError> {
    let Started { node, store, gate, .. } = started;
    let (node, store, gate) = (Arc::clone(node), Arc::clone(store), Arc::clone(gate));
    let (config, stopping) = (Arc::clone(config), stop.serving.clone());
    let lsp = config
        .lsps2_client
        .as_ref()
        .map(|lsp| Lsp { node_id: lsp.node_id, address: lsp.address.clone() });
    let is_async_server = matches!(config.async_payments_role, Some(AsyncPaymentsRole::Server));
    let assembling = tokio::task::spawn_blocking(move || {
        let app = Arc::new(App {
            network: config.network,
            splices: Splices::default(),
            channel_settings: Arc::new(ChannelSettings::new(Arc::clone(&node))),
            bills: Bills::default(),
            holds: Holds::open(Arc::clone(&store))?,
            lsp,
            names: Names::new(&config.hrn),
            features: node_features::announced(is_async_server),
            gate,
            backups: Backups {
                storage_dir: config.storage_dir.clone(),
                network_dir: config.network_dir(),
                network: config.network,
                allow_keys: config.allow_keys_in_backups,
            },
            route_defaults: config.routing,
            channel_defaults: config.channels.opened,
            spending: Spending::new(Arc::clone(&node), Arc::clone(&store), config, stopping),
            node,
            store,
        });
        holding::resume(&app).map_err(StartError::Task)?;
        Ok(app)
    });
    assembling.await.map_err(StartError::task)?
}
