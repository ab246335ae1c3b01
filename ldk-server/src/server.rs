//! The life of the daemon: start, serve, stop.

use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::{Node, NodeError};
use ldk_server_grpc::DESCRIPTOR_SET;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::{ChainSource, Config};
use crate::node::bitcoind::{self, ProbeError};
use crate::node::{builder, events};
use crate::rpc::{App, Calls, Phase, Service};
use crate::secrets::{self, Entropy};
use crate::serve::{Front, Guard, HEALTH_NAME, Listener, OpenService};
use crate::start::StartError;
use crate::storage;

/// How long to wait before asking a chain source again that is not there, at first and at most.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A running daemon.
pub struct Server {
    node: Arc<Node>,
    address: SocketAddr,
    calls: Calls,
    health: HealthReporter,
    stop: Stop,
    listener: JoinHandle<()>,
    event_loop: JoinHandle<Result<(), String>>,
    /// Held as long as the node may write its state.
    _lock: File,
}

/// The three steps of stopping.
#[derive(Clone, Default)]
struct Stop {
    /// No new connections and calls; streams end.
    serving: CancellationToken,
    /// No more events are taken from the node.
    events: CancellationToken,
}

impl Server {
    /// Starts a daemon: once this returns it serves. Gives up with [`StartError::Interrupted`] when
    /// `interrupt` is done first.
    pub async fn start(
        config: Config,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Self, StartError> {
        let lock = storage::lock(&config.network_dir())?;
        let entropy = secrets::entropy(&config.storage_dir)?;
        let api_key = secrets::api_key(&config.storage_dir, &config.network.to_string())?;
        let identity = secrets::identity(&config.tls)?;
        builder::check_listening_addresses(&config)?;

        let listener = Listener::bind(config.grpc_address, identity).await.map_err(|error| {
            let address = config.grpc_address;
            StartError::Listen(format!(
                "cannot listen on node.grpc_service_address {address}: {error}"
            ))
        })?;
        let address = listener.address().map_err(|error| StartError::Listen(error.to_string()))?;
        let (phase, phase_receiver) =
            watch::channel(Phase::Starting("loading the node".to_owned()));
        let (calls, stop) = (Calls::default(), Stop::default());
        let service = Service::new(phase_receiver, calls.clone(), stop.serving.clone());
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status(HEALTH_NAME, ServingStatus::NotServing).await;
        let front = Front {
            lightning: Guard::new(
                LightningNodeServer::new(service)
                    .max_decoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES),
                api_key,
                config.accept_timestamp_only_auth,
            ),
            health: OpenService::new(health_service),
            reflection: reflection()?,
        };
        let listener = tokio::spawn(listener.serve(front, stop.serving.clone()));
        tracing::info!("gRPC service listening on {address}");

        let network = config.network;
        let started = tokio::select! {
            started = start_node(Arc::new(config), Arc::new(entropy), &phase) => started,
            () = interrupt => Err(StartError::Interrupted),
        };
        let node = match started {
            Ok(node) => node,
            Err(error) => {
                stop.serving.cancel();
                return Err(error);
            },
        };

        let (publish, _) = broadcast::channel(events::BROADCAST_CAPACITY);
        let event_loop =
            tokio::spawn(events::run(Arc::clone(&node), publish.clone(), stop.events.clone()));
        log_uris(&node);
        let app = App { node: Arc::clone(&node), network, events: publish };
        phase.send_replace(Phase::Ready(Arc::new(app)));
        health.set_service_status(HEALTH_NAME, ServingStatus::Serving).await;
        tracing::info!("ready");
        Ok(Self { node, address, calls, health, stop, listener, event_loop, _lock: lock })
    }

    /// Where the gRPC service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a part of the server to end by itself, which none does unless it has failed.
    pub async fn failed(&mut self) -> String {
        tokio::select! {
            ended = &mut self.listener => format!("the listener ended: {ended:?}"),
            ended = &mut self.event_loop => format!("the event loop ended: {ended:?}"),
        }
    }

    /// Stops the daemon: refuses new calls, ends streams, waits up to `grace` for the calls under
    /// way, and then saves and closes the node.
    pub async fn shutdown(self, grace: Duration) -> Result<(), String> {
        let Self { node, calls, health, stop, listener, event_loop, _lock, .. } = self;
        health.set_service_status(HEALTH_NAME, ServingStatus::NotServing).await;
        stop.serving.cancel();
        let drain = async {
            let _ = listener.await;
            calls.drained().await;
        };
        if tokio::time::timeout(grace, drain).await.is_err() {
            tracing::warn!("calls are still running after {grace:?}; stopping all the same");
        }
        stop.events.cancel();
        let handled = event_loop.await.map_err(|error| error.to_string()).and_then(|ended| ended);
        // Stopping and dropping the node both block, and the second needs a runtime that is alive.
        let stopped = tokio::task::spawn_blocking(move || node.stop().map(|()| drop(node)));
        let stopped = stopped.await.map_err(|error| error.to_string())?;
        stopped.map_err(|error| format!("cannot stop the node: {error}"))?;
        handled
    }
}

fn reflection() -> Result<OpenService, StartError> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map(OpenService::new)
        .map_err(|error| StartError::Listen(error.to_string()))
}

async fn start_node(
    config: Arc<Config>,
    entropy: Arc<Entropy>,
    phase: &watch::Sender<Phase>,
) -> Result<Arc<Node>, StartError> {
    if let ChainSource::Bitcoind(bitcoind) = &config.chain_source {
        let mut pause = RETRY_PAUSES.0;
        loop {
            match bitcoind::probe(bitcoind, config.network).await {
                Ok(()) => break,
                Err(ProbeError::Unavailable(reason)) => wait_for(phase, &reason, &mut pause).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
    phase.send_replace(Phase::Starting("loading the node".to_owned()));
    let build = tokio::task::spawn_blocking(move || builder::build(&config, &entropy));
    let node = Arc::new(build.await.map_err(joined)??);
    let mut pause = RETRY_PAUSES.0;
    loop {
        let starting = Arc::clone(&node);
        match tokio::task::spawn_blocking(move || starting.start()).await.map_err(joined)? {
            Ok(()) => return Ok(node),
            // The library asks for fee rates first, before it has begun anything else.
            Err(
                error @ (NodeError::FeerateEstimationUpdateFailed
                | NodeError::FeerateEstimationUpdateTimeout
                | NodeError::ConnectionFailed),
            ) => {
                let reason = format!("the chain source gives no fee rates: {error}");
                wait_for(phase, &reason, &mut pause).await;
            },
            Err(error) => return Err(error.into()),
        }
    }
}

fn joined(error: tokio::task::JoinError) -> StartError {
    StartError::Storage(error.to_string())
}

async fn wait_for(phase: &watch::Sender<Phase>, reason: &str, pause: &mut Duration) {
    tracing::warn!("{reason}; trying again in {} s", pause.as_secs());
    phase.send_replace(Phase::Starting(reason.to_owned()));
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(RETRY_PAUSES.1);
}

fn log_uris(node: &Node) {
    let node_id = node.node_id();
    for address in node.announcement_addresses().unwrap_or_default() {
        tracing::info!("NODE_URI: {node_id}@{address}");
    }
}
