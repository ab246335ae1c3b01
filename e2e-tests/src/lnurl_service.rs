//! An LNURL service that does as it is told. Its invoices are those of a node.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::LOCATION;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ldk_server_client::api::Bolt11ReceiveRequest;
use ldk_server_client::types::Bolt11InvoiceDescription;
use ldk_server_client::types::bolt11_invoice_description::Kind;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::node::Node;
use crate::ports::Port;

/// The least and the most that it takes and pays, in millisatoshis.
pub const LNURL_MSAT: (u64, u64) = (1_000, 20_000_000);
/// So long a comment may be.
pub const LNURL_COMMENT_CHARS: usize = 20;
const METADATA: &str = r#"[["text/plain","green tea"],["text/identifier","shop@localhost"]]"#;
/// What a withdrawal is recognised by.
const K1: &str = "5e1f & 0a77";

/// What it answers with.
#[derive(Clone, Debug)]
pub enum LnurlReaction {
    /// What it is asked for.
    Honest,
    /// With this in the members of what it is asked for.
    With(Value),
    /// An invoice of another amount.
    OtherAmount,
    /// An invoice that is for something else.
    OtherDescription,
    /// This status and body.
    Answer(u16, String),
    /// It sends elsewhere.
    Redirect(String),
    /// Its answer never ends.
    Endless,
    /// It does not answer.
    Silent,
}

/// The service, on this machine, with TLS. It ends when this is dropped.
pub struct LnurlService {
    port: Port,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    base: String,
    node: Arc<Node>,
    offers: Mutex<LnurlReaction>,
    callbacks: Mutex<LnurlReaction>,
    asked: Mutex<Vec<String>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Query = BTreeMap<String, String>;

impl LnurlService {
    /// Begins to serve, with invoices of this node, and a certificate for `localhost`.
    pub async fn start(node: &Arc<Node>, authority: &Authority) -> Result<Self> {
        let port = Port::claim()?;
        let listener = TcpListener::bind(port.address()).await?;
        let shared = Arc::new(Shared {
            base: format!("https://localhost:{}", port.number()),
            node: Arc::clone(node),
            offers: Mutex::new(LnurlReaction::Honest),
            callbacks: Mutex::new(LnurlReaction::Honest),
            asked: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, authority.acceptor(), Arc::clone(&shared)));
        Ok(Self { port, shared, _serving: serving })
    }

    /// The Lightning address that it is paid at.
    pub fn address(&self) -> String {
        format!("shop@localhost:{}", self.port.number())
    }

    /// A link to be paid, or to pay out.
    pub fn link(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}/{path}", self.port.number())
    }

    /// Lets it answer otherwise to who asks what it offers, from now on.
    pub fn offers(&self, reaction: LnurlReaction) {
        *lock(&self.shared.offers) = reaction;
    }

    /// Lets it answer otherwise to who accepts its offer, from now on.
    pub fn accepts(&self, reaction: LnurlReaction) {
        *lock(&self.shared.callbacks) = reaction;
    }

    /// The paths that it was asked for, with their queries; none of them again.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.asked))
    }
}

async fn serve(listener: TcpListener, tls: tokio_rustls::TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        // How a connection ends is for the client to judge.
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>> {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    lock(&shared.asked).push(uri.to_string());
    let query: Query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let reaction = match uri.path() {
        "/callback" | "/payout" => lock(&shared.callbacks).clone(),
        _ => lock(&shared.offers).clone(),
    };
    let answered = match reaction {
        LnurlReaction::Answer(status, body) => return reply(status, body),
        LnurlReaction::Redirect(to) => return redirect(to),
        LnurlReaction::Endless => {
            let chunk = || Ok(Frame::data(Bytes::from_static(&[b' '; 1_000])));
            return Ok(Response::new(UnsyncBoxBody::new(StreamBody::new(stream::repeat_with(
                chunk,
            )))));
        },
        LnurlReaction::Silent => return pending().await,
        LnurlReaction::With(members) => {
            let mut honest = honest(uri.path(), &query, &shared, 0, METADATA).await?;
            let changes = members.as_object().context("no object")?.clone();
            honest.as_object_mut().context("no object")?.extend(changes);
            honest
        },
        LnurlReaction::OtherAmount => honest(uri.path(), &query, &shared, 1, METADATA).await?,
        LnurlReaction::OtherDescription => honest(uri.path(), &query, &shared, 0, "tea").await?,
        LnurlReaction::Honest => honest(uri.path(), &query, &shared, 0, METADATA).await?,
    };
    reply(200, answered.to_string())
}

async fn honest(
    path: &str,
    query: &Query,
    Shared { base, node, .. }: &Shared,
    surcharge_msat: u64,
    described: &str,
) -> Result<Value> {
    let (min, max) = LNURL_MSAT;
    Ok(match path {
        "/.well-known/lnurlp/shop" | "/pay" => json!({
            "tag": "payRequest",
            "callback": format!("{base}/callback"),
            "minSendable": min,
            "maxSendable": max,
            "metadata": METADATA,
            "commentAllowed": LNURL_COMMENT_CHARS,
        }),
        "/callback" => {
            let amount_msat = query.get("amount").context("no amount")?.parse::<u64>()?;
            let invoice = invoice(node, amount_msat + surcharge_msat, described).await?;
            let action = json!({ "tag": "message", "message": "your tea is on its way" });
            json!({ "pr": invoice, "routes": [], "successAction": action })
        },
        "/withdraw" => json!({
            "tag": "withdrawRequest",
            "callback": format!("{base}/payout"),
            "k1": K1,
            "defaultDescription": "a prize",
            "minWithdrawable": min,
            "maxWithdrawable": max,
        }),
        "/payout" if query.get("k1").map(String::as_str) == Some(K1) => {
            node.send(query.get("pr").context("no invoice")?).await?;
            json!({ "status": "OK" })
        },
        other => bail!("nothing is at {other}"),
    })
}

async fn invoice(node: &Node, amount_msat: u64, described: &str) -> Result<String> {
    let hash = hex::encode(Sha256::digest(described));
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(amount_msat),
        description: Some(Bolt11InvoiceDescription { kind: Some(Kind::Hash(hash)) }),
        ..Default::default()
    };
    Ok(node.client().bolt11_receive(request).await?.invoice)
}

fn reply(status: u16, body: String) -> Result<Response<Body>> {
    let body = UnsyncBoxBody::new(Full::new(Bytes::from(body)));
    Ok(Response::builder().status(StatusCode::from_u16(status)?).body(body)?)
}

fn redirect(to: String) -> Result<Response<Body>> {
    let status = StatusCode::TEMPORARY_REDIRECT;
    let body = UnsyncBoxBody::new(Full::new(Bytes::new()));
    Ok(Response::builder().status(status).header(LOCATION, to).body(body)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
