//! Callers of the later generation of the API: their requests are translated to this generation, and
//! each message of the answer is translated back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::future::Either;
use http::{Request, Response, header};
use http_body::Frame;
use ldk_server_grpc::auth::Form;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Answering;
use super::body::{FRAME_HEADER_BYTES, frame};
use super::check::Check;
use super::grpc_shape::Rpc;
use crate::rest;
use crate::wire::generation::{Generation, answer_for_head, differs, request_from_any};

/// Detects the [`Generation`] that the caller speaks, and puts it into the extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct DetectGeneration;

impl<B> Check<B> for DetectGeneration {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        // In JSON fields have names, which are those of this generation.
        if request.extensions().get::<rest::Call>().is_some() {
            request.extensions_mut().insert(Generation::Base);
            return Ok(());
        }
        let form = request.extensions().get().copied().unwrap_or(Form::RequestBound);
        let generation = Generation::of(request.headers(), form)?;
        request.extensions_mut().insert(generation);
        Ok(())
    }
}

/// Translates for callers of the later generation.
#[derive(Clone, Copy)]
pub(in crate::http) struct TranslateLayer;

/// A service that speaks one generation, behind the translation.
#[derive(Clone)]
pub(in crate::http) struct Translated<S>(S);

impl<S> Layer<S> for TranslateLayer {
    type Service = Translated<S>;

    fn layer(&self, inner: S) -> Translated<S> {
        Translated(inner)
    }
}

impl<S> Service<Request<Bytes>> for Translated<S>
where
    S: Service<Request<Bytes>, Response = Response<Body>, Error = Status>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Either<S::Future, Answering>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let generation = request.extensions().get().copied().unwrap_or(Generation::Base);
        let Ok(Rpc(method)) = Rpc::called(&request) else {
            return Either::Left(self.0.call(request));
        };
        let request = request.map(|body| from_any_generation(method, body));
        let answering = self.0.call(request);
        if generation == Generation::Base || !differs(method) {
            return Either::Left(answering);
        }
        Either::Right(Box::pin(async move { Ok(for_head(method, answering.await?)) }))
    }
}

/// Translates the answer of this method for a caller of the later generation.
fn for_head(method: &'static str, mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    answer.map(|body| Body::new(TranslatedBody { body, method, read: BytesMut::new() }))
}

/// Translates the body of a request for this method to this generation. A malformed message is left as it
/// is: the service refuses it.
fn from_any_generation(method: &str, body: Bytes) -> Bytes {
    let message = body.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    match request_from_any(method, message) {
        Ok(Some(read)) => frame(&read),
        Ok(None) | Err(_) => body,
    }
}

struct TranslatedBody {
    body: Body,
    method: &'static str,
    /// An incomplete frame.
    read: BytesMut,
}

impl TranslatedBody {
    /// Translates the frames that are complete.
    fn whole_frames(&mut self) -> Result<Bytes, Status> {
        let mut written = BytesMut::new();
        while let Some((&[flags, length @ ..], rest)) =
            self.read.split_first_chunk::<FRAME_HEADER_BYTES>()
        {
            let length = u32::from_be_bytes(length) as usize;
            let Some(message) = rest.get(..length) else { break };
            let message = answer_for_head(self.method, message).map_err(internal)?;
            written.put_u8(flags);
            written.put_u32(u32::try_from(message.len()).map_err(internal)?);
            written.put_slice(&message);
            self.read.advance(FRAME_HEADER_BYTES + length);
        }
        Ok(written.freeze())
    }
}

fn internal(error: impl std::fmt::Display) -> Status {
    tracing::error!(%error, "cannot translate an answer for the later generation");
    Status::internal("internal error")
}

impl http_body::Body for TranslatedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    self.read.put(data);
                    let written = self.whole_frames();
                    if written.as_ref().is_ok_and(Bytes::is_empty) {
                        continue;
                    }
                    return Poll::Ready(Some(written.map(Frame::data)));
                },
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;

    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use ldk_server_grpc::api::GetPaymentDetailsResponse;
    use ldk_server_grpc::types::payment_kind::Kind;
    use ldk_server_grpc::types::{Payment, PaymentKind, Spontaneous};
    use prost::Message as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn answered(generation: Generation, parts: &[&[u8]]) -> Bytes {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(part))))
            .collect();
        let answer = Response::new(Body::new(StreamBody::new(stream::iter(parts))));
        let mut answer = Some(answer);
        let inner = service_fn(move |_: Request<Bytes>| ready(Ok(answer.take().unwrap())));
        let mut request = Request::new(frame(&[]));
        request.extensions_mut().insert(Rpc("GetPaymentDetails"));
        request.extensions_mut().insert(generation);
        let answer = TranslateLayer.layer(inner).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn messages_are_translated_however_they_are_split() {
        let spontaneous = Spontaneous { hash: "hash".to_owned(), preimage: None };
        let kind = Some(PaymentKind { kind: Some(Kind::Spontaneous(spontaneous)) });
        let payment = Payment { id: "id".to_owned(), kind, ..Default::default() };
        let message = GetPaymentDetailsResponse { payment: Some(payment) }.encode_to_vec();
        let head = answer_for_head("GetPaymentDetails", &message).unwrap();
        assert_ne!(head, message);
        let (two, expected) = (frame(&message).repeat(2), frame(&head).repeat(2));
        assert_eq!(answered(Generation::Base, &[&two]).await, two);
        assert_eq!(answered(Generation::Head, &[&two]).await, expected);
        for cut in 1..two.len() {
            let (begin, end) = two.split_at(cut);
            assert_eq!(answered(Generation::Head, &[begin, end]).await, expected);
        }
    }
}
