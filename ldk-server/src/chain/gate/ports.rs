//! The loopback ports that the library gets, and the connections to them.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections to one port at once. The library makes few; any process of this machine can make more.
pub(super) const MAX_CONNECTIONS: usize = 32;
/// How many ports to try until one is not taken.
const PORT_ATTEMPTS: usize = 32;
/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// How long requests under way may take at the end.
const LINGER: Duration = Duration::from_secs(5);

/// The tasks of the ports; clones share them.
#[derive(Clone, Default)]
pub(super) struct Connections {
    tasks: TaskTracker,
    closing: CancellationToken,
    closed: CancellationToken,
}

impl Connections {
    /// Cancelled when no new connections and requests are accepted.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Spawns a task that gets a moment to end when the ports close; `None` if it does not end.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        self.tasks.spawn(self.closed.clone().run_until_cancelled_owned(task))
    }

    /// Closes the ports, and the connections after their requests have ended.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        if timeout(LINGER, self.tasks.wait()).await.is_err() {
            tracing::warn!("closing before the chain source has answered all requests");
        }
        self.abandon();
        self.tasks.wait().await;
    }

    /// Closes everything at once.
    pub(super) fn abandon(&self) {
        self.closing.cancel();
        self.closed.cancel();
    }

    /// Opens a port that is none of `taken`, and serves each connection to it.
    pub(super) fn listen<F>(
        &self,
        taken: &BTreeSet<u16>,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<SocketAddr>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = bind(taken)?;
        let address = listener.local_addr()?;
        self.spawn(self.clone().accept(listener, serve));
        Ok(address)
    }

    async fn accept<F>(self, listener: TcpListener, serve: impl Fn(TcpStream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Some(accepted) = self.closing.run_until_cancelled(accept_one(&listener)).await {
            let Ok(stream) = accepted.inspect_err(|error| {
                tracing::error!(%error, "cannot accept a connection to the chain source");
            }) else {
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                tracing::warn!(max = MAX_CONNECTIONS, "too many connections to the chain source");
                continue;
            };
            let serving = serve(stream);
            self.spawn(async move {
                let _slot = slot;
                serving.await;
            });
        }
    }
}

fn bind(taken: &BTreeSet<u16>) -> io::Result<TcpListener> {
    // Kept open until one fits: otherwise the system could offer them again.
    let mut unfit = Vec::new();
    for _ in 0..PORT_ATTEMPTS {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        if !taken.contains(&listener.local_addr()?.port()) {
            listener.set_nonblocking(true)?;
            return TcpListener::from_std(listener);
        }
        unfit.push(listener);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

async fn accept_one(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
