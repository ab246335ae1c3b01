//! Pages: plain HTTP for those who do not speak gRPC, open to all, read with GET.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any};
use http::{StatusCode, header};
use tonic::Status;

use super::client::{Admitted, Size, Standing};
use super::stream::Taken;

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

/// The layer that answers if there is room for an answer of this size.
pub(super) async fn admit(State(size): State<Size>, request: Request, next: Next) -> Response {
    match admitted(&request, size).await {
        Ok(admitted) => Taken::of(next.run(request).await, true, admitted),
        Err(refused) => refused,
    }
}

/// Lets the request in, or says why not.
pub(super) fn admitted<B>(
    request: &http::Request<B>,
    size: Size,
) -> impl Future<Output = Result<Admitted, Response>> + use<B> {
    let standing = Standing::of(request).map(Arc::clone);
    async move {
        let admitted = async { standing?.admit_open(size).await };
        admitted.await.map_err(|refusal: Status| {
            let reason = format!("{}\n", refusal.message());
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        })
    }
}
