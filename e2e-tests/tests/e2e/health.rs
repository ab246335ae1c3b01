//! Whether the node can be relied on, as load balancers and supervisors are told.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{ConfigBuilder, Daemon, Network, NodeConfig, RawAnswer, RawConnection, TcpProxy};
use e2e_tests::{tls_connect, until};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use ldk_server_client::Error;
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_grpc::SERVICE_NAME;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixDatagram;
use tonic_health::pb::health_check_response::ServingStatus;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_ready_when_it_is_in_step_with_the_chain() -> Result<()> {
    let network = Network::start().await?;
    let proxy = TcpProxy::closed()?;
    let builder =
        ConfigBuilder::new(&network, "alice")?.set("bitcoind.rpc_address", proxy.address())?;
    let mut alice = builder.start()?;
    alice.says("trying again").await?;
    not_ready(&alice, "starting: waiting for the chain source").await?;
    let refused = alice.client()?.get_node_info(GetNodeInfoRequest {}).await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.starts_with("starting: ")));

    proxy.open(network.bitcoind().rpc_address()).await?;
    alice.ready().await?;
    ready(&alice).await?;
    only_reading_is_allowed(alice.config()).await?;
    alice.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_how_it_is() -> Result<()> {
    let network = Network::start().await?;
    let (user, password) = network.bitcoind().credentials();
    let cookie = network.dir().join(".cookie");
    fs::write(&cookie, format!("{user}:{password}"))?;
    let notices = Notices::receive(&network)?;
    let proxy = TcpProxy::closed()?;
    let mut alice = ConfigBuilder::new(&network, "alice")?
        .unset("bitcoind.rpc_user")?
        .unset("bitcoind.rpc_password")?
        .set("bitcoind.rpc_cookie_file", cookie.display().to_string())?
        .set("bitcoind.rpc_address", proxy.address())?
        .start_with(|command| {
            command.env("NOTIFY_SOCKET", network.dir().join("notify"));
            command.env("WATCHDOG_USEC", "4000000");
        })?;
    notices.have("STATUS=starting: waiting for the chain source", 1).await?;
    notices.have("EXTEND_TIMEOUT_USEC=60000000", 2).await?;
    assert_eq!(notices.count("READY=1"), 0);

    proxy.open(network.bitcoind().rpc_address()).await?;
    notices.have("READY=1", 1).await?;
    notices.have("STATUS=ready", 1).await?;
    notices.have("WATCHDOG=1", notices.count("WATCHDOG=1") + 3).await?;

    fs::write(&cookie, format!("{user}:{password}\n"))?;
    notices.have("RELOADING=1", 1).await?;
    notices.have("READY=1", 2).await?;
    assert_eq!(notices.count("STOPPING=1"), 0);

    alice.signal(Signal::TERM)?;
    notices.have("STOPPING=1", 1).await?;
    assert_eq!(alice.ended().await?.code(), Some(0));
    network.stop().await
}

async fn ready(daemon: &Daemon) -> Result<()> {
    until("it is ready", PATIENCE, async || {
        let answer = ask(daemon.config(), Method::GET, "/readyz").await?;
        ensure!(answer.status == StatusCode::OK && answer.body == "ready\n", "{answer:?}");
        let health = grpc_health(daemon.config()).await?;
        ensure!(health == [ServingStatus::Serving; 2], "{health:?}");
        daemon.client()?.check_ready().await?;
        Ok(())
    })
    .await
}

/// Checks that it lives and is not ready, for this reason.
async fn not_ready(daemon: &Daemon, reason: &str) -> Result<()> {
    let answer = ask(daemon.config(), Method::GET, "/readyz").await?;
    let is_told = answer.body == format!("{reason}\n");
    ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE && is_told, "{answer:?}");
    let health = grpc_health(daemon.config()).await?;
    ensure!(health == [ServingStatus::NotServing; 2], "{health:?}");
    let answer = ask(daemon.config(), Method::GET, "/livez").await?;
    ensure!(answer.status == StatusCode::OK && answer.body == "ok\n", "{answer:?}");
    let client = daemon.client()?;
    client.check_live().await?;
    match client.check_ready().await {
        Err(Error::Unavailable(told)) => ensure!(told == reason, "{told}"),
        other => bail!("it is ready: {other:?}"),
    }
    Ok(())
}

/// Of the server as a whole, and of its service.
async fn grpc_health(node: &NodeConfig) -> Result<[ServingStatus; 2]> {
    let mut connection = RawConnection::open(node).await?;
    Ok([connection.health(node, "").await?, connection.health(node, SERVICE_NAME).await?])
}

async fn only_reading_is_allowed(node: &NodeConfig) -> Result<()> {
    for (path, text) in [("/livez", "ok\n"), ("/readyz", "ready\n")] {
        let head = ask(node, Method::HEAD, path).await?;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(head.headers["content-length"], text.len().to_string());
        for method in [Method::POST, Method::PUT, Method::OPTIONS] {
            let refused = ask(node, method, path).await?;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(refused.headers["allow"], "GET, HEAD");
        }
        let answer = ask_http_1(node, path).await?;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{text}")), "{answer}");
    }
    Ok(())
}

pub(crate) async fn ask(node: &NodeConfig, method: Method, path: &str) -> Result<RawAnswer> {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://{}{path}", node.grpc.address()))
        .body(Full::default())?;
    RawConnection::open(node).await?.send(request).await
}

async fn ask_http_1(node: &NodeConfig, path: &str) -> Result<String> {
    let mut stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.context("the answer does not end")??;
    Ok(answer)
}

/// The lines that come to a socket such as systemd's.
struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    fn receive(network: &Network) -> Result<Self> {
        let socket = UnixDatagram::bind(network.dir().join("notify"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let mut lines = received.lock().unwrap_or_else(PoisonError::into_inner);
                lines.extend(text.lines().map(str::to_owned));
            }
        });
        Ok(Self(lines))
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, line: &str) -> usize {
        self.all().iter().filter(|found| *found == line).count()
    }

    /// Waits until this line has come so many times.
    async fn have(&self, line: &str, times: usize) -> Result<()> {
        until(&format!("{line} came {times} times"), PATIENCE, async || {
            ensure!(self.count(line) >= times, "{:?}", self.all());
            Ok(())
        })
        .await
    }
}
