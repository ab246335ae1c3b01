//! Health: the state that `grpc.health.v1` reports, and the pages `/livez` and `/readyz`.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use http::StatusCode;
use ldk_server_grpc::SERVICE_NAME;
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::page::read_only;
use crate::readiness;

/// Whether the process answers.
const LIVENESS_PATH: &str = "/livez";
/// Whether the node can be relied on.
const READINESS_PATH: &str = "/readyz";
const REFUSAL: &str = "health is read with GET\n";

/// The pages that report health.
#[derive(Clone)]
pub struct HealthPages(watch::Receiver<readiness::State>);

impl HealthPages {
    /// Reports the state at the time of each request.
    pub fn new(state: watch::Receiver<readiness::State>) -> Self {
        Self(state)
    }

    /// The routes of the pages.
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route(LIVENESS_PATH, read_only(async || "ok\n", REFUSAL))
            .route(READINESS_PATH, read_only(readiness, REFUSAL))
            .with_state(self)
    }
}

async fn readiness(State(HealthPages(state)): State<HealthPages>) -> (StatusCode, String) {
    let state = state.borrow();
    let (status, mut text) = match state.is_ready() {
        true => (StatusCode::OK, "ready\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    };
    for reason in &state.reasons {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{reason}");
    }
    (status, text)
}

/// Has `grpc.health.v1` report the present state, and returns a task that has it report later ones, until
/// the server ends. Watchers receive changes only, not every reading of the state.
pub async fn keep_reported(
    reporter: HealthReporter,
    mut states: watch::Receiver<readiness::State>,
) -> impl Future<Output = ()> + Send {
    let mut is_ready = states.borrow_and_update().is_ready();
    report(&reporter, is_ready).await;
    async move {
        while states.changed().await.is_ok() {
            let (was_ready, state) = (is_ready, states.borrow_and_update().clone());
            is_ready = state.is_ready();
            if is_ready != was_ready {
                report(&reporter, is_ready).await;
            }
            if state.is_ending() {
                return;
            }
        }
    }
}

/// The empty name stands for the server as a whole.
async fn report(reporter: &HealthReporter, is_ready: bool) {
    let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", SERVICE_NAME] {
        reporter.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::FutureExt as _;
    use http::{Method, Request};
    use tokio_stream::StreamExt as _;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;
    use tonic_health::server::HealthService;
    use tower::ServiceExt as _;

    use super::*;
    use crate::readiness::{Readiness, Reason, State};

    async fn status(reasons: &[Reason], method: Method, path: &str) -> StatusCode {
        let state = State { reasons: reasons.to_vec(), node_answered: None };
        let pages = HealthPages::new(watch::Sender::new(state).subscribe());
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        pages.routes().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_node_that_is_not_ready_is_alive() {
        let reasons = [Reason::Syncing, Reason::Disk { left_mib: 1 }];
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(&[], method.clone(), "/livez").await, StatusCode::OK);
            assert_eq!(status(&[], method.clone(), "/readyz").await, StatusCode::OK);
            assert_eq!(status(&reasons, method.clone(), "/livez").await, StatusCode::OK);
            let unready = status(&reasons, method, "/readyz").await;
            assert_eq!(unready, StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[tokio::test]
    async fn only_the_pages_are_served_and_only_to_readers() {
        for path in ["/livez", "/readyz"] {
            let refused = status(&[], Method::POST, path).await;
            assert_eq!(refused, StatusCode::METHOD_NOT_ALLOWED);
        }
        for path in ["/", "/livez/", "/readyz/", "/healthz", "/api.LightningNode/livez"] {
            assert_eq!(status(&[], Method::GET, path).await, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn watchers_receive_changes_only() {
        let (reporter, readiness) = (HealthReporter::new(), Readiness::starting());
        let task = tokio::spawn(keep_reported(reporter.clone(), readiness.subscribe()).await);
        let service = HealthService::from_health_reporter(reporter);
        let request = HealthCheckRequest { service: SERVICE_NAME.to_owned() };
        let mut statuses = service.watch(tonic::Request::new(request)).await.unwrap().into_inner();
        let mut told = async |reasons| {
            readiness.node_answered(reasons);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let status = statuses.next().now_or_never().flatten()?.unwrap().status();
            Some(status.as_str_name())
        };
        assert_eq!(told(vec![Reason::Syncing]).await, Some("NOT_SERVING"));
        assert_eq!(told(vec![Reason::Disk { left_mib: 1 }]).await, None);
        assert_eq!(told(Vec::new()).await, Some("SERVING"));
        assert_eq!(told(Vec::new()).await, None);
        assert_eq!(told(vec![Reason::Syncing]).await, Some("NOT_SERVING"));
        readiness.stopping();
        task.await.unwrap();
    }
}
