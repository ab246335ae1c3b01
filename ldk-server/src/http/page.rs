//! Pages: plain HTTP for those who do not speak gRPC, open to all, read with GET.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any};
use http::{StatusCode, header};
use tonic::Status;

use super::client::{Admission, AnswerSize, Client};
use super::stream::TrackedBody;

/// A page that `handler` answers GET and HEAD with. `refusal` is the answer to other methods.
///
/// The fallback of `any` names the methods itself: axum's own writes them without a space, and adds
/// them to every answer of a fallback, also to one that asks for a login.
pub(super) fn read_only<H, T, S>(handler: H, refusal: &'static str) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    let refused = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], refusal);
    any(async move || refused).get(handler)
}

/// Admits requests for answers of this size, as a layer.
pub(super) async fn admit(
    State(size): State<AnswerSize>,
    request: Request,
    next: Next,
) -> Response {
    match admitted(&request, size).await {
        Ok(admitted) => TrackedBody::of(next.run(request).await, true, admitted),
        Err(refused) => refused,
    }
}

/// Admits a request, or returns the answer that refuses it.
pub(super) fn admitted<B>(
    request: &http::Request<B>,
    size: AnswerSize,
) -> impl Future<Output = Result<Admission, Response>> + use<B> {
    let client = Client::of(request).map(Arc::clone);
    async move {
        let admitted = async { client?.admit_public(size).await };
        admitted.await.map_err(|refusal: Status| {
            let reason = format!("{}\n", refusal.message());
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        })
    }
}
