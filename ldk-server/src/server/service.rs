//! The gRPC service and the pages, before and after there is a node.

use std::sync::Arc;

use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tokio::sync::watch;

use super::{ShutdownPhase, StartError, Stop, Tasks};
use crate::api::{self, Dispatcher};
use crate::cln::{Cln, ClnService};
use crate::config::Config;
use crate::events::JsonEvents;
use crate::executor::Executor;
use crate::feeds::Feeds;
use crate::grpc;
use crate::http::{
    AcceptedForms, Access, Answerer, ClnRest, HealthPages, MAX_PUBLIC_MESSAGE_BYTES,
    MetricsEndpoint, Router, cln_grpc_routes, keep_reported,
};
use crate::metrics::{self, Metrics};
use crate::node::startup::StartPhase;
use crate::permissions::Permissions;
use crate::readiness::Readiness;

/// The services, and the channels that they get their state from.
pub(super) struct Services {
    pub(super) router: Router,
    pub(super) calls: Executor,
    /// The methods of Core Lightning.
    pub(super) cln: Cln,
    /// The answers of CLNRest.
    pub(super) cln_rest: Answerer,
    /// Answers calls of Core Lightning's gRPC interface.
    pub(super) cln_grpc: Answerer,
    /// Events as they are sent in JSON.
    pub(super) events: Arc<JsonEvents>,
    /// Sets the phase of the start that calls see.
    pub(super) progress: watch::Sender<api::Phase>,
    /// Sets the metrics of the node.
    pub(super) latest_metrics: watch::Sender<Option<Metrics>>,
}

impl Services {
    /// Creates the services. Until there is a node, calls return the phase of the start.
    pub(super) async fn new(
        config: &Config,
        (permissions, started_at_secs): (Permissions, u64),
        readiness: &Readiness,
        stop: &Stop,
        tasks: &mut Tasks,
    ) -> Result<Self, StartError> {
        let (progress, phase) =
            watch::channel(api::Phase::Starting(StartPhase::Loading.to_string()));
        let calls = Executor::new(config.limits.max_calls_in_flight);
        let stopping = stop.serving().clone();
        let dispatcher = Dispatcher::new(phase, calls.clone(), stopping, permissions.clone());
        let cln = Cln::new(dispatcher.clone(), config.network, config.network_dir());
        let events = Arc::<JsonEvents>::default();
        let feeds = Feeds::new(dispatcher.clone(), Arc::clone(&events));
        let rest = ClnRest {
            cln: cln.clone(),
            permissions: permissions.clone(),
            feeds: feeds.clone(),
            body_timeout: config.limits.request_timeout,
        };
        let cln_rest = rest.answerer(&config.http);
        let service = grpc::Service::new(dispatcher);
        let service =
            LightningNodeServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (reporter, health) = tonic_health::server::health_reporter();
        let reporting = keep_reported(reporter, readiness.subscribe()).await;
        tasks.spawn(ShutdownPhase::Health, "report of health", reporting);
        let accepted = AcceptedForms {
            timestamp_only: config.accept_timestamp_only_auth,
            body_bound: config.accept_body_bound_auth,
        };
        let body_timeout = config.limits.request_timeout;
        let access = Access { permissions, accepted, body_timeout, started_at_secs };
        let (latest_metrics, latest) = watch::channel(None);
        let requests = metrics::Requests::new()?;
        let cln_service = ClnService::new(cln.clone());
        let cln_grpc = cln_grpc_routes(cln_service, requests.clone(), body_timeout).into();
        let metrics =
            MetricsEndpoint::new(&config.metrics, latest, requests, readiness.subscribe());
        let health = health.max_decoding_message_size(MAX_PUBLIC_MESSAGE_BYTES);
        let pages = HealthPages::new(readiness.subscribe());
        let router = Router::new(service, access, health, pages, metrics, &config.http, feeds)?;
        Ok(Self { router, calls, cln, cln_rest, cln_grpc, events, progress, latest_metrics })
    }
}
