//! Servers that remember what they were asked.

use std::future::Future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server was asked, in order.
pub(super) struct PendingBroadcasts<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for PendingBroadcasts<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PendingBroadcasts<T> {
    fn push(&self, request: T) {
        self.0.lock().unwrap().push(request);
    }

    /// How often it was asked something of this kind.
    pub(super) fn count(&self, is_of_kind: impl Fn(&T) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|request| is_of_kind(request)).count()
    }

    /// All that it was asked, which is forgotten.
    pub(super) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A server that remembers what it was asked, until this is dropped.
pub(super) struct Stub<T> {
    pub(super) port: u16,
    pub(super) asked: PendingBroadcasts<T>,
    /// How many connections were made.
    pub(super) connections: Arc<Mutex<usize>>,
    _serving: JoinSet<()>,
}

type Body = Vec<u8>;

/// An HTTP server with these answers.
pub(super) async fn http(
    tls: Option<TlsAcceptor>,
    answer: impl Fn(&Parts, &[u8]) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
) -> Stub<(Parts, Body)> {
    serve(tls, move |stream, asked| {
        let answer = answer.clone();
        async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (answer, asked) = (answer.clone(), asked.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes().to_vec();
                    let response = answer(&head, &body);
                    asked.push((head, body));
                    Ok::<_, hyper::Error>(response)
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// A server that answers each line with `{}` and its length.
pub(super) async fn lines(tls: Option<TlsAcceptor>) -> Stub<String> {
    serve(tls, |stream, asked| async move {
        let (reader, mut writer) = split(stream);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = format!("{{\"length\":{}}}\n", line.len());
            asked.push(line);
            if writer.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    })
    .await
}

/// Either kind of connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn serve<T: Send + 'static, F: Future<Output = ()> + Send + 'static>(
    tls: Option<TlsAcceptor>,
    answer: impl Fn(Box<dyn Duplex>, PendingBroadcasts<T>) -> F + Send + 'static,
) -> Stub<T> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, connections) = (PendingBroadcasts(Arc::default()), Arc::<Mutex<usize>>::default());
    let mut serving = JoinSet::new();
    let (remembering, counting) = (asked.clone(), Arc::clone(&connections));
    serving.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            *counting.lock().unwrap() += 1;
            if let Some(stream) = opened(tls.clone(), tcp).await {
                open.spawn(answer(stream, remembering.clone()));
            }
        }
    });
    Stub { port, asked, connections, _serving: serving }
}

async fn opened(tls: Option<TlsAcceptor>, tcp: TcpStream) -> Option<Box<dyn Duplex>> {
    match tls {
        None => Some(Box::new(tcp)),
        Some(acceptor) => Some(Box::new(acceptor.accept(tcp).await.ok()?)),
    }
}
