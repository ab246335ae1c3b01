//! The Unix socket `lightning-rpc`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::{Cln, LocalClient};
use crate::caller::Identity;
use crate::clock::LogThrottle;
use crate::config::{UnixSocketConfig, keys};
use crate::descriptors;
use crate::local_socket::{self, AccessRule, LocalSocket, LocalSocketError, LocalStream};

/// The connections at once; more are closed.
const MAX_CONNECTIONS: usize = 256;
/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long calls may take whose client has said that it sends nothing more, or is gone.
const GRACE: Duration = Duration::from_secs(10);

/// The bound socket.
pub(crate) struct ClnSocket {
    socket: LocalSocket,
    write_timeout: Duration,
    /// Is told when a connection finds no place.
    crowd: Arc<Notify>,
}

impl ClnSocket {
    /// Binds the socket, without accepting connections yet. A client that does not read has
    /// `write_timeout` for each write.
    pub(crate) fn bind(
        config: &UnixSocketConfig,
        write_timeout: Duration,
    ) -> Result<Self, LocalSocketError> {
        let socket = LocalSocket::bind(keys::CLN_RPC_FILE.name(), config)?;
        Ok(Self { socket, write_timeout, crowd: Arc::default() })
    }

    /// Answers calls until `stop` is cancelled, then waits for those under way.
    pub(crate) async fn serve(self, cln: Cln, stop: CancellationToken) {
        let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok(stream) => self.spawn(&tasks, &slots, stream, &cln, &stop),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                },
            }
        }
        drop(self);
        tasks.close();
        tasks.wait().await;
    }

    fn spawn(
        &self,
        tasks: &TaskTracker,
        slots: &Arc<Semaphore>,
        stream: LocalStream,
        cln: &Cln,
        stop: &CancellationToken,
    ) {
        let slot = Arc::clone(slots).try_acquire_owned();
        let Some(slot) = slot.ok().filter(|_| !descriptors::are_scarce(&stream)) else {
            self.crowd.notify_waiters();
            return log_full();
        };
        let crowd = Arc::clone(&self.crowd);
        let (rule, write_timeout) = (self.socket.access_rule(), self.write_timeout);
        let (cln, stop) = (cln.clone(), stop.clone());
        tasks.spawn(async move {
            let _slot = slot;
            if let Err(error) = serve(stream, rule, cln, (write_timeout, crowd), stop).await {
                tracing::trace!(%error, "a connection of Core Lightning's interface has failed");
            }
        });
    }
}

async fn serve(
    stream: LocalStream,
    rule: AccessRule,
    cln: Cln,
    (write_timeout, crowd): (Duration, Arc<Notify>),
    stop: CancellationToken,
) -> io::Result<()> {
    // It may read what the system knows of the process.
    let judging = spawn_blocking(move || rule.judge(&stream).map(|judged| (judged, stream)));
    let ((user, has_access), stream) = judging.await.map_err(io::Error::other)??;
    if !has_access {
        local_socket::log_refusal(keys::CLN_RPC_FILE.name(), user);
        return Ok(());
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    let identity = Identity::LocalUser { uid: user.uid };
    let client = LocalClient { identity, is_plugin: cln.is_plugin(user.pid) };
    Connection::new(Box::pin(stream), cln, client, crowd).serve(stop, GRACE).await
}

fn log_full() {
    static REFUSED: LogThrottle = LogThrottle::new();
    if let Some(refused) = REFUSED.count() {
        tracing::warn!(
            max_connections = MAX_CONNECTIONS,
            refused,
            "cln.rpc_file: refused a connection: there are as many as there may be, or nearly all files \
             that the process may open are in use"
        );
    }
}
