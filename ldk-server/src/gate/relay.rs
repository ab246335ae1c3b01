//! Relays bytes between the library and a peer until one of them closes the connection.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::channels::Channels;
use super::handshake::Handshake;
use super::hold::{self, HoldReceiver, HoldSender};
use super::limiter::{Limiter, Permit};
use super::metrics::{Dropped, GateMetrics};
use super::signed_splices::SignedSplices;
use super::tasks::{LINGER, Tasks};
use crate::config::PeerLimitsConfig;
use crate::store::Durability;

/// The largest chunk that is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What all connections share.
pub(super) struct Connections {
    pub(super) limits: PeerLimitsConfig,
    pub(super) limiter: Arc<Limiter>,
    /// Bytes of the library are held until this has reached their position; `None` holds nothing.
    pub(super) durability: Option<Durability>,
    pub(super) channels: Arc<Channels>,
    pub(super) signed_splices: Arc<SignedSplices>,
    pub(super) metrics: GateMetrics,
    pub(super) tasks: Tasks,
}

/// The two ends of a connection.
pub(super) struct Ends {
    pub(super) library: TcpStream,
    pub(super) peer: TcpStream,
}

impl Connections {
    /// Relays until one side closes the connection, or until it has to be dropped.
    pub(super) async fn relay(
        &self,
        mut ends: Ends,
        permit: &Permit,
        handshake: &Handshake,
        deadline: Instant,
    ) -> Result<(), Dropped> {
        let is_late = async {
            if timeout_at(deadline, handshake.finished()).await.is_ok() {
                permit.finish_handshake();
                pending::<()>().await;
            }
        };
        let dropped = tokio::select! {
            ended = self.relay_both_ways(&mut ends, handshake) => ended,
            () = is_late => Err(Dropped::Handshake),
            () = permit.evicted() => Err(Dropped::Evicted),
            () = self.tasks.relaying().cancelled() => Ok(()),
        };
        if dropped.is_err() {
            // Bytes that the system still has for the peer would keep the socket open for minutes.
            let _ = ends.peer.set_zero_linger();
        }
        dropped
    }

    async fn relay_both_ways(&self, ends: &mut Ends, handshake: &Handshake) -> Result<(), Dropped> {
        let channels = self.channels.begin(ends.library.local_addr().ok());
        let (library_reader, library_writer) = ends.library.split();
        let (peer_reader, peer_writer) = ends.peer.split();
        let (sender, receiver) = hold::queue(
            self.limits.max_queued_bytes,
            self.durability.clone(),
            channels,
            Arc::clone(&self.signed_splices),
            self.metrics.clone(),
        );
        // Two futures, so that neither a peer that does not read nor a slow disk delays reading.
        let reading = from_library(library_reader, sender, handshake);
        let writing = to_peer(receiver, peer_writer, self.limits.write_timeout);
        let mut out = pin!(async {
            let mut writing = pin!(writing);
            tokio::select! {
                ended = &mut writing => ended,
                () = reading => writing.await,
            }
        });
        let mut back =
            pin!(from_peer(peer_reader, library_writer, handshake, self.tasks.reading()));
        // Lightning has no half-open connections, so the other direction gets a moment to finish.
        tokio::select! {
            ended = &mut out => {
                if ended.is_ok() {
                    let _ = timeout(LINGER, back).await;
                }
                ended
            },
            _ = &mut back => timeout(LINGER, out).await.unwrap_or(Ok(())),
        }
    }
}

/// Reads from the library into the queue.
async fn from_library(reader: ReadHalf<'_>, mut sender: HoldSender, handshake: &Handshake) {
    let mut buffer = BytesMut::new();
    loop {
        enable_quickack(reader.as_ref());
        let read = read(&reader, &mut buffer).await;
        enable_quickack(reader.as_ref());
        let Ok(1..) = read else { return };
        handshake.library_sent(buffer.len());
        if sender.push(buffer.split().freeze(), handshake.is_reestablishing()).await.is_err() {
            return;
        }
    }
}

/// Writes released chunks to the peer.
async fn to_peer(
    mut receiver: HoldReceiver,
    mut writer: WriteHalf<'_>,
    patience: Duration,
) -> Result<(), Dropped> {
    while let Some(released) = receiver.next().await.map_err(|_| Dropped::NotDurable)? {
        match timeout(patience, writer.write_all(released.bytes())).await {
            Ok(Ok(())) => {},
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(Dropped::Write),
        }
    }
    let _ = writer.shutdown().await;
    Ok(())
}

async fn from_peer(
    reader: ReadHalf<'_>,
    mut writer: WriteHalf<'_>,
    handshake: &Handshake,
    reading: &CancellationToken,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    // The library has to notice at once that the connection broke: until then it lets the peer make
    // no other.
    while let Ok(1..) = read(&reader, &mut buffer).await {
        handshake.peer_sent(buffer.len());
        // Unread bytes would reset the connection for the peer.
        if !reading.is_cancelled() {
            writer.write_all(&buffer).await?;
        }
        buffer.clear();
    }
    writer.shutdown().await
}

/// Reads what is available. Allocates memory only when there is something to read.
async fn read(reader: &ReadHalf<'_>, buffer: &mut BytesMut) -> io::Result<usize> {
    loop {
        reader.readable().await?;
        buffer.reserve(CHUNK_BYTES);
        match reader.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {},
            other => return other,
        }
    }
}

/// The library leaves Nagle's algorithm on: its next write waits until the system has acknowledged
/// the last one, which the system would delay. The system resets this option by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn enable_quickack(library: &TcpStream) {
    let _ = library.set_quickack(true);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn enable_quickack(_: &TcpStream) {}
