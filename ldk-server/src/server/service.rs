//! The gRPC service and the pages, before and after there is a node.

use std::sync::Arc;

use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::api::lightning_node_server::LightningNodeServer;
use tokio::sync::watch;
use tonic_health::pb::health_server::{Health, HealthServer};

use super::phoenixd::PhoenixdService;
use super::{Lifetime, ShutdownPhase, StartError};
use crate::api::{self, Dispatcher};
use crate::app::App;
use crate::cln::{Cln, ClnService};
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

/// What answers the callers of each listener.
pub(super) struct Answers {
    /// The gRPC service and the pages.
    pub(super) own: Router,
    /// The methods of Core Lightning.
    pub(super) cln: Cln,
    /// The answers of CLNRest.
    pub(super) cln_rest: Answerer,
    /// The answers of Core Lightning's gRPC interface.
    pub(super) cln_grpc: Answerer,
    /// phoenixd's interface, if it is configured.
    pub(super) phoenixd: Option<PhoenixdService>,
}

/// What the services of a running node work with.
pub(super) struct Services {
    pub(super) permissions: Permissions,
    pub(super) calls: Executor,
    /// The methods of Core Lightning.
    pub(super) cln: Cln,
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
        lifetime: &mut Lifetime,
        permissions: Permissions,
    ) -> Result<(Self, Answers), StartError> {
        let config = Arc::clone(&lifetime.config);
        let (progress, phase) =
            watch::channel(api::Phase::Starting(StartPhase::Loading.to_string()));
        let (latest_metrics, latest) = watch::channel(None);
        let calls = Executor::new(config.limits.max_calls_in_flight);
        let stopping = lifetime.stop.serving().clone();
        let dispatcher = Dispatcher::new(phase, calls.clone(), stopping, permissions.clone());
        let (network, dir) = (config.network, config.network_dir());
        let cln = Cln::new(dispatcher.clone(), network, dir, config.cln_plugins.as_ref());
        let events = Arc::<JsonEvents>::default();
        let feeds = Feeds::new(dispatcher.clone(), Arc::clone(&events));
        let body_timeout = config.limits.request_timeout;
        let rest = ClnRest {
            cln: cln.clone(),
            permissions: permissions.clone(),
            feeds: feeds.clone(),
            body_timeout,
        };
        let cln_rest = rest.answerer(&config.http);
        let runes = permissions.runes.clone();
        let phoenixd = lifetime.phoenixd(dispatcher.clone(), runes, feeds.clone())?;
        let requests = metrics::Requests::new()?;
        let cln_grpc = ClnService::new(cln.clone());
        let cln_grpc = cln_grpc_routes(cln_grpc, requests.clone(), body_timeout).into();
        let access = lifetime.access(permissions.clone());
        let metrics = lifetime.metrics_page(latest, requests);
        let health = lifetime.health_service().await;
        let pages = HealthPages::new(lifetime.readiness.subscribe());
        let service = LightningNodeServer::new(grpc::Service::new(dispatcher))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let own = Router::new(service, access, health, pages, metrics, &config.http, feeds)?;
        let services =
            Self { permissions, calls, cln: cln.clone(), events, progress, latest_metrics };
        Ok((services, Answers { own, cln, cln_rest, cln_grpc, phoenixd }))
    }

    /// Calls have a node from now on.
    pub(super) fn ready(&self, app: Arc<App>) {
        self.progress.send_replace(api::Phase::Ready(app));
        tracing::info!("ready");
    }
}

impl Lifetime {
    fn access(&self, permissions: Permissions) -> Access {
        let accepted = AcceptedForms {
            timestamp_only: self.config.accept_timestamp_only_auth,
            body_bound: self.config.accept_body_bound_auth,
        };
        let body_timeout = self.config.limits.request_timeout;
        Access { permissions, accepted, body_timeout, started_at_secs: self.started_at_secs }
    }

    fn metrics_page(
        &self,
        latest: watch::Receiver<Option<Metrics>>,
        requests: metrics::Requests,
    ) -> MetricsEndpoint {
        MetricsEndpoint::new(&self.config.metrics, latest, requests, self.readiness.subscribe())
    }

    /// The gRPC service of health checks, which follows the readiness.
    async fn health_service(&mut self) -> HealthServer<impl Health> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let reporting = keep_reported(reporter, self.readiness.subscribe()).await;
        self.tasks.spawn(ShutdownPhase::Health, "report of health", reporting);
        health.max_decoding_message_size(MAX_PUBLIC_MESSAGE_BYTES)
    }
}
