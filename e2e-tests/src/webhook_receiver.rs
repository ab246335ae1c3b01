//! A receiver of webhooks that does as it is told.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::LOCATION;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::ports::Port;

/// What a receiver does with what is posted.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// It answers with this status.
    Answer(u16),
    /// It sends elsewhere.
    Redirect(String),
    /// It takes the message, and its answer never ends.
    Endless,
    /// It does not answer.
    Silent,
}

/// What was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The header `webhook-id`.
    pub id: String,
    /// The header `x-phoenix-signature`.
    pub phoenix_signature: String,
    /// The body.
    pub body: Value,
    /// The body as it was sent, which is what a signature is of.
    pub bytes: Bytes,
}

/// The receiver, on this machine. It ends when this is dropped.
pub struct WebhookReceiver {
    port: Port,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    reaction: Mutex<Reaction>,
    posted: Mutex<Vec<Posted>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl WebhookReceiver {
    /// Begins to serve, over HTTP without TLS.
    pub async fn start(reaction: Reaction) -> Result<Self> {
        let port = Port::claim()?;
        let listener = TcpListener::bind(port.address()).await?;
        let shared = Arc::new(Shared { reaction: Mutex::new(reaction), posted: Mutex::default() });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, _serving: serving })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/events", self.port.address())
    }

    /// Lets it do something else with what comes from now on.
    pub fn react(&self, reaction: Reaction) {
        *lock(&self.shared.reaction) = reaction;
    }

    /// All that was posted.
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.shared.posted).clone()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| receive(request, Arc::clone(&shared)));
        // How a connection ends is for the client to judge.
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn receive(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, phoenix_signature) = (header("webhook-id"), header("x-phoenix-signature"));
    let bytes = request.into_body().collect().await?.to_bytes();
    let posted = Posted { id, phoenix_signature, body: serde_json::from_slice(&bytes)?, bytes };
    // Before the message is seen to have come.
    let reaction = lock(&shared.reaction).clone();
    lock(&shared.posted).push(posted);
    let nothing = || UnsyncBoxBody::new(Empty::new());
    Ok(match reaction {
        Reaction::Answer(status) => {
            Response::builder().status(StatusCode::from_u16(status)?).body(nothing())?
        },
        Reaction::Redirect(to) => Response::builder()
            .status(StatusCode::TEMPORARY_REDIRECT)
            .header(LOCATION, to)
            .body(nothing())?,
        Reaction::Endless => {
            let chunk = || Ok(Frame::data(Bytes::from_static(&[b'.'; 1_000])));
            Response::new(UnsyncBoxBody::new(StreamBody::new(stream::repeat_with(chunk))))
        },
        Reaction::Silent => pending().await,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
