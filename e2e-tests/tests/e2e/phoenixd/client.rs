//! A client of phoenixd's interface, which sends what phoenixd's clients do.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::{Node, Port};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use ldk_server_grpc::places;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);
const FORM: &str = "application/x-www-form-urlencoded";

/// Where the interface is, and its passwords.
#[derive(Clone)]
pub(super) struct Phoenix {
    pub(super) address: String,
    pub(super) full: String,
    pub(super) limited: String,
    pub(super) webhook_secret: String,
    /// The password that is sent.
    pub(super) password: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) text: String,
}

/// The section that turns it on.
pub(super) fn section(port: &Port) -> String {
    format!("[phoenixd]\naddress = \"{}\"\n", port.address())
}

/// The file with the passwords.
pub(super) fn conf_file(node: &Node) -> PathBuf {
    places::network_dir(&node.config().storage_dir, "regtest").join("phoenix.conf")
}

impl Phoenix {
    pub(super) fn new(node: &Node, port: &Port) -> Result<Self> {
        let conf = std::fs::read_to_string(conf_file(node))?;
        let value = |name: &str| {
            let mut lines = conf.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
            found.with_context(|| format!("no {name}"))
        };
        let full = value("http-password")?;
        Ok(Self {
            address: port.address(),
            password: full.clone(),
            full,
            limited: value("http-password-limited-access")?,
            webhook_secret: value("webhook-secret")?,
        })
    }

    /// The same with this password.
    pub(super) fn with(&self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self.clone() }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply> {
        self.send(self.request(Method::GET, path).body(Full::default())?).await
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let body: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, FORM);
        self.send(request.body(body.into())?).await
    }

    pub(super) fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let login = format!("Basic {}", BASE64_STANDARD.encode(format!(":{}", self.password)));
        Request::builder().method(method).uri(path).header(HOST, "a").header(AUTHORIZATION, login)
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply> {
        exchange(TcpStream::connect(&self.address).await?, request).await
    }
}

/// Sends a request on this stream, and reads the answer.
pub(super) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Reply>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let exchanging = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().map(str::to_owned));
        let kind = kind.transpose()?.unwrap_or_default();
        Ok(Reply { status: head.status.as_u16(), kind, text })
    };
    let reply = timeout(PATIENCE, exchanging).await.context("no answer")?;
    drop(sender);
    connection.abort();
    reply
}

impl Reply {
    /// The JSON of a good answer.
    pub(super) fn json(&self) -> Result<Value> {
        ensure!(self.status == 200 && self.kind == "application/json", "{self:?}");
        serde_json::from_str(&self.text).with_context(|| self.text.clone())
    }

    /// The text of a good answer.
    pub(super) fn plain(self) -> Result<String> {
        ensure!(self.status == 200 && self.kind.starts_with("text/plain"), "{self:?}");
        Ok(self.text)
    }

    /// Checks that it is a refusal with this status and text among others.
    #[track_caller]
    pub(super) fn is_refusal(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.text.contains(words) && self.kind.starts_with("text/plain"), "{self:?}");
    }
}

/// The names of the members of an object.
pub(super) fn members(object: &Value) -> Vec<&str> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}
