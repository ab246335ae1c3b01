//! What callers reach before there is a node, and after.

use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::{Phase, StartError, Stop, Tasks};
use crate::api::{self, Dispatcher};
use crate::config::Config;
use crate::executor::Executor;
use crate::grpc;
use crate::http::{
    AcceptedForms, Access, HealthPages, MAX_PUBLIC_MESSAGE_BYTES, MetricsEndpoint, Router,
    keep_reported,
};
use crate::metrics::{self, Metrics};
use crate::node::startup::Doing;
use crate::readiness::Readiness;

/// The services, and what they are told.
pub(super) struct Services {
    pub(super) router: Router,
    pub(super) calls: Executor,
    /// How far the server is.
    pub(super) progress: watch::Sender<api::Phase>,
    /// Where the metrics of the node go.
    pub(super) latest_metrics: watch::Sender<Option<Metrics>>,
}

impl Services {
    /// Puts them together. Until there is a node its calls answer what is being done.
    pub(super) async fn new(
        config: &Config,
        (api_key, started_at_secs): (Zeroizing<String>, u64),
        readiness: &Readiness,
        stop: &Stop,
        tasks: &mut Tasks,
    ) -> Result<Self, StartError> {
        let (progress, phase) = watch::channel(api::Phase::Starting(Doing::Loading.to_string()));
        let calls = Executor::new(config.limits.max_calls_in_flight);
        let service =
            grpc::Service::new(Dispatcher::new(phase, calls.clone(), stop.serving().clone()));
        let service =
            LightningNodeServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (reporter, health) = tonic_health::server::health_reporter();
        let reporting = keep_reported(reporter, readiness.subscribe()).await;
        tasks.spawn(Phase::Health, "report of health", reporting);
        let accepted = AcceptedForms {
            timestamp_only: config.accept_timestamp_only_auth,
            body_bound: config.accept_body_bound_auth,
        };
        let body_timeout = config.limits.request_timeout;
        let access = Access { api_key, accepted, body_timeout, started_at_secs };
        let (latest_metrics, latest) = watch::channel(None);
        let requests = metrics::Requests::new()?;
        let metrics =
            MetricsEndpoint::new(&config.metrics, latest, requests, readiness.subscribe());
        let health = health.max_decoding_message_size(MAX_PUBLIC_MESSAGE_BYTES);
        let pages = HealthPages::new(readiness.subscribe());
        let router = Router::new(service, access, health, pages, metrics)?;
        Ok(Self { router, calls, progress, latest_metrics })
    }
}
