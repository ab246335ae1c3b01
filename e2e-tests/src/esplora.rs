//! An Esplora server of a chain that has nothing but its first block, and that counts what it is
//! asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::tls::tls_accept;

/// The first block of regtest.
const BLOCK: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
const MERKLE_ROOT: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
/// The header of that block.
pub(crate) const HEADER: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3ed\
                      fd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f2002\
                      000000";

/// The server. It ends when this is dropped.
pub struct Esplora {
    url: String,
    requests: Requests,
    _serving: JoinSet<()>,
}

/// The path of each request, and its `authorization` header.
type Requests = Arc<Mutex<Vec<(String, Option<String>)>>>;

impl Esplora {
    /// Begins to serve.
    pub async fn start() -> Result<Self> {
        Self::start_at("http://127.0.0.1", None).await
    }

    /// Begins to serve over TLS, as `localhost`.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self> {
        Self::start_at("https://localhost", Some(authority.acceptor())).await
    }

    async fn start_at(origin: &str, acceptor: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{origin}:{}", listener.local_addr()?.port());
        let requests = Requests::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, acceptor, Arc::clone(&requests)));
        Ok(Self { url, requests, _serving: serving })
    }

    /// Where it is. It answers below `/api` too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was asked for since this was called last: the path of each request, and its
    /// `authorization` header.
    pub fn take_requests(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For how many scripts it was asked since what it was asked for was taken last.
    pub fn take_scripts(&self) -> usize {
        let requests = self.take_requests();
        let paths = requests.iter().map(|(path, _)| path);
        let scripts = paths.filter_map(|path| path.strip_prefix("/scripthash/")?.split('/').next());
        scripts.collect::<BTreeSet<_>>().len()
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, requests: Requests) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (requests, acceptor) = (Arc::clone(&requests), acceptor.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path();
            let authorization = request.headers().get(AUTHORIZATION);
            let authorization = authorization.and_then(|value| value.to_str().ok());
            let request = (path.to_owned(), authorization.map(str::to_owned));
            requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            let answer = answer(path);
            async { answer }
        });
        // How a connection ends is for the client to judge.
        connections.spawn(async move {
            let Ok(stream) = tls_accept(acceptor, tcp).await else { return };
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(path: &str) -> hyper::http::Result<Response<Full<Bytes>>> {
    let path = path.strip_prefix("/api").unwrap_or(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let text = match parts[..] {
        ["fee-estimates"] => r#"{"1":2.0,"6":1.0,"144":1.0,"1008":1.0}"#.to_owned(),
        ["blocks", "tip", "height"] => "0".to_owned(),
        ["blocks", "tip", "hash"] | ["block-height", "0"] => BLOCK.to_owned(),
        ["blocks"] | ["blocks", "0"] => format!(
            r#"[{{"id":"{BLOCK}","height":0,"timestamp":1296688602,"version":1,"bits":545259519,
            "nonce":2,"difficulty":0,"tx_count":1,"size":285,"weight":1140,"mediantime":1296688602,
            "merkle_root":"{MERKLE_ROOT}","previousblockhash":null}}]"#
        ),
        ["block", BLOCK, "header"] => HEADER.to_owned(),
        ["block", BLOCK, "status"] => {
            r#"{"in_best_chain":true,"height":0,"next_best":null}"#.to_owned()
        },
        ["scripthash", _, "txs", ..] => "[]".to_owned(),
        _ => {
            return Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body(Full::from(format!("{path} is not known")));
        },
    };
    Response::builder().body(Full::from(text))
}
