//! A SOCKS5 proxy (RFC 1928, 1929) in the place of Tor's: it leads from onion addresses to the nodes
//! of the test.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::ports::Port;

const VERSION: u8 = 5;
const WITH_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const NAME: u8 = 3;
const SUCCEEDED: u8 = 0;
/// The reply code for an address that the proxy does not know the way to.
pub const HOST_UNREACHABLE: u8 = 4;

/// Where the proxy leads to from an address.
#[derive(Clone, Debug)]
pub enum Exit {
    /// To this `host:port`.
    To(String),
    /// Nowhere: it answers with this code.
    Refusal(u8),
    /// Nowhere: it answers with what is not SOCKS.
    Nonsense,
    /// Nowhere, and it says nothing.
    Silence,
}

/// What the proxy was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksRequest {
    /// The address, `host:port`.
    pub target: String,
    /// The user name and the password that came with it.
    pub login: (String, String),
}

/// A proxy, which ends when this is dropped.
pub struct SocksProxy {
    port: Port,
    shared: Arc<Shared>,
    /// `None` while it is stopped.
    task: Option<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    exits: Mutex<HashMap<String, Exit>>,
    requests: Mutex<Vec<SocksRequest>>,
}

impl SocksProxy {
    /// Starts a proxy that leads nowhere yet.
    pub async fn start() -> Result<Self> {
        let mut proxy = Self { port: Port::claim()?, shared: Arc::default(), task: None };
        proxy.start_again().await?;
        Ok(proxy)
    }

    /// Starts it again at the same port, after it was stopped.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.task.is_none(), "the proxy is running");
        let listener = TcpListener::bind(self.address()).await?;
        self.task = Some(tokio::spawn(run(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    /// Closes the port and all connections.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // It holds the port until it is gone.
            let _ = task.await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Leads from an address, `host:port`, to this exit.
    pub fn lead(&self, target: &str, exit: Exit) {
        lock(&self.shared.exits).insert(target.to_owned(), exit);
    }

    /// All that it was asked for so far.
    pub fn requests(&self) -> Vec<SocksRequest> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that goes away, or is no client, is nobody's concern here.
            let _ = serve(stream, &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let login = greet(&mut client).await?;
    let target = target(&mut client).await?;
    let exit = lock(&shared.exits).get(&target).cloned();
    lock(&shared.requests).push(SocksRequest { target, login });
    match exit.unwrap_or(Exit::Refusal(HOST_UNREACHABLE)) {
        Exit::To(address) => {
            let mut peer = TcpStream::connect(address).await?;
            peer.set_nodelay(true)?;
            reply(&mut client, SUCCEEDED).await?;
            copy_bidirectional(&mut client, &mut peer).await.map(drop)
        },
        Exit::Refusal(code) => reply(&mut client, code).await,
        Exit::Nonsense => client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
        Exit::Silence => std::future::pending().await,
    }
}

/// Agrees on user name and password, and takes them.
async fn greet(client: &mut TcpStream) -> io::Result<(String, String)> {
    expect(client.read_u8().await?, VERSION)?;
    let methods = with_length(client).await?;
    if !methods.contains(&WITH_PASSWORD) {
        return Err(unexpected());
    }
    client.write_all(&[VERSION, WITH_PASSWORD]).await?;
    expect(client.read_u8().await?, 1)?;
    let login = (text(client).await?, text(client).await?);
    client.write_all(&[1, SUCCEEDED]).await?;
    Ok(login)
}

/// The name and port that the client wants to be connected to.
async fn target(client: &mut TcpStream) -> io::Result<String> {
    for byte in [VERSION, CONNECT, 0, NAME] {
        expect(client.read_u8().await?, byte)?;
    }
    let host = text(client).await?;
    Ok(format!("{host}:{}", client.read_u16().await?))
}

async fn reply(client: &mut TcpStream, code: u8) -> io::Result<()> {
    const NO_ADDRESS: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
    client.write_all(&[[VERSION, code, 0].as_slice(), &NO_ADDRESS].concat()).await
}

async fn text(client: &mut TcpStream) -> io::Result<String> {
    String::from_utf8(with_length(client).await?).map_err(|_| unexpected())
}

async fn with_length(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn expect(found: u8, expected: u8) -> io::Result<()> {
    if found == expected { Ok(()) } else { Err(unexpected()) }
}

fn unexpected() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
