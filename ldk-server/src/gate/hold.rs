//! Holds what the library has sent until the state that it depends on is on disk, so that a crash
//! cannot undo that state.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::channels::PeerChannels;
use super::metrics::{GateMetrics, Held};
use super::signed_splices::SignedSplices;
use crate::store::{Durability, NeverDurable, Position};

/// How many chunks may wait, whatever their length.
const MAX_CHUNKS: usize = 1024;

/// How long to wait for a manager that was written after the bytes were read. The bytes may depend on
/// state that is in no other record; the library then writes a manager within moments. If none comes,
/// the bytes leave after this time. [`SignedSplices`] covers what must never leave before a manager.
///
/// Bytes that follow an update of the monitor of a channel with the peer, as all of a payment do,
/// need not wait: the manager that the monitor itself waits for covers them.
const MANAGER_PATIENCE: Duration = Duration::from_millis(50);

/// Messages that the library sends together are read together, or within this time.
const ONE_SENDING: Duration = Duration::from_millis(2);

/// Bytes that were read together, with what must be on disk before they leave.
struct Chunk {
    bytes: Bytes,
    /// The last write that was accepted when they had been read; `None` if they need not be held.
    position: Option<Position>,
    read_at: Instant,
    /// How long to wait for a later manager.
    manager_patience: Duration,
    /// How many splices had been signed when they were read.
    signed_splices: u64,
    _room: OwnedSemaphorePermit,
    _held: Held,
}

/// The end of the queue that takes bytes of the library.
pub(super) struct HoldSender {
    durability: Option<Durability>,
    channels: PeerChannels,
    signed_splices: Arc<SignedSplices>,
    /// The position of the previous bytes.
    last: Position,
    /// When bytes that followed the monitor of a channel were last read.
    followed_monitor: Option<Instant>,
    chunks: mpsc::Sender<Chunk>,
    room: Arc<Semaphore>,
    metrics: GateMetrics,
}

/// The end of the queue that releases bytes for the peer.
pub(super) struct HoldReceiver {
    durability: Option<Durability>,
    signed_splices: Arc<SignedSplices>,
    chunks: mpsc::Receiver<Chunk>,
    metrics: GateMetrics,
}

/// Bytes that may leave. They count against the size of the queue until this is dropped.
pub(super) struct Released(Chunk);

/// The receiver was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// A queue with room for so many bytes. Without `durability` nothing is held.
pub(super) fn queue(
    max_bytes: usize,
    durability: Option<Durability>,
    channels: PeerChannels,
    signed_splices: Arc<SignedSplices>,
    metrics: GateMetrics,
) -> (HoldSender, HoldReceiver) {
    let (sender, receiver) = mpsc::channel(MAX_CHUNKS);
    let room = Arc::new(Semaphore::new(max_bytes));
    let sender = HoldSender {
        last: durability.as_ref().map(Durability::accepted).unwrap_or_default(),
        followed_monitor: None,
        channels,
        signed_splices: Arc::clone(&signed_splices),
        durability: durability.clone(),
        chunks: sender,
        room,
        metrics: metrics.clone(),
    };
    (sender, HoldReceiver { durability, signed_splices, chunks: receiver, metrics })
}

impl HoldSender {
    /// Adds bytes that were just read, no more than the queue has room for, and waits for room.
    /// `is_reestablishing`: the bytes depend on nothing that happened a moment ago.
    pub(super) async fn push(
        &mut self,
        bytes: Bytes,
        is_reestablishing: bool,
    ) -> Result<(), Closed> {
        // Before anything else: writes that are accepted while this waits for room do not matter.
        let position = self.durability.as_ref().map(Durability::accepted);
        let signed_splices = self.signed_splices.signed();
        let (read_at, held) = (Instant::now(), self.metrics.held(bytes.len()));
        let rests_on_record = is_reestablishing || self.follows_monitor(read_at);
        let manager_patience = if rests_on_record { Duration::ZERO } else { MANAGER_PATIENCE };
        self.last = position.unwrap_or_default();
        let length = u32::try_from(bytes.len()).map_err(|_| Closed)?;
        let room = Arc::clone(&self.room).acquire_many_owned(length);
        let room = tokio::select! {
            () = self.chunks.closed() => return Err(Closed),
            room = room => room.map_err(|_| Closed)?,
        };
        let chunk = Chunk {
            bytes,
            position,
            read_at,
            manager_patience,
            signed_splices,
            _room: room,
            _held: held,
        };
        self.chunks.send(chunk).await.map_err(|_| Closed)
    }

    /// Whether the monitor of a channel with the peer was updated since the previous bytes were read.
    fn follows_monitor(&mut self, read_at: Instant) -> bool {
        let Some(durability) = &self.durability else { return false };
        let channels = self.channels.ids();
        if durability.is_monitored_since(self.last, channels.as_deref().unwrap_or_default()) {
            self.followed_monitor = Some(read_at);
        }
        self.followed_monitor.is_some_and(|before| read_at - before <= ONE_SENDING)
    }
}

impl HoldReceiver {
    /// Waits for the next bytes that may leave; `None` if the sender was dropped. Once this has
    /// failed, nothing may leave any more.
    pub(super) async fn next(&mut self) -> Result<Option<Released>, NeverDurable> {
        let Some(chunk) = self.chunks.recv().await else { return Ok(None) };
        if let (Some(durability), Some(position)) = (&self.durability, chunk.position) {
            self.signed_splices.persisted(chunk.signed_splices).await?;
            durability.covered(position, chunk.read_at + chunk.manager_patience).await?;
            self.metrics.released_after(chunk.read_at.elapsed());
        }
        Ok(Some(Released(chunk)))
    }
}

impl Released {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use ldk_node::lightning::ln::types::ChannelId;
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::super::channels::tests::{CHANNEL, one_channel};
    use super::super::signed_splices::tests::none;
    use super::*;
    use crate::store::Watermark;

    // Time stands still in these tests: they may themselves be held up for longer than what they are
    // about.

    fn held(max_bytes: usize) -> (Watermark, HoldSender, HoldReceiver) {
        let watermark = Watermark::new();
        watermark.makes_cuts(true);
        let metrics = GateMetrics::new().unwrap();
        let (sender, receiver) =
            queue(max_bytes, Some(watermark.durability()), one_channel(), none(), metrics);
        (watermark, sender, receiver)
    }

    /// This is on disk, and so is a manager that came afterwards.
    fn covered(watermark: &Watermark, position: Position) {
        watermark.reached_with(position, Some(position + 1));
    }

    fn next(receiver: &mut HoldReceiver) -> Option<Vec<u8>> {
        let next = receiver.next().now_or_never()?;
        Some(next.unwrap().map(|released| released.bytes().to_vec()).unwrap_or_default())
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_leave_in_order_and_not_before_what_they_rest_on_is_durable() {
        let (watermark, mut sender, mut receiver) = held(100);
        covered(&watermark, 0);
        sender.push(Bytes::from_static(b"free"), false).await.unwrap();
        let first = watermark.accept();
        sender.push(Bytes::from_static(b"first"), false).await.unwrap();
        let second = watermark.accept();
        sender.push(Bytes::from_static(b"second"), false).await.unwrap();
        assert_eq!(receiver.metrics.held_bytes(), 15);
        assert_eq!(next(&mut receiver).unwrap(), b"free");
        let mut chunk = Box::pin(receiver.next());
        assert!(chunk.as_mut().now_or_never().is_none());
        covered(&watermark, first);
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"first");
        covered(&watermark, second);
        assert_eq!(next(&mut receiver).unwrap(), b"second");
        assert_eq!(receiver.metrics.held_bytes(), 0);
        drop(sender);
        assert!(receiver.next().await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_a_manager_tells_waits_for_it() {
        let (watermark, mut sender, mut receiver) = held(100);
        let before = watermark.accept();
        watermark.reached_with(before, Some(before));
        sender.push(Bytes::from_static(b"agreed"), false).await.unwrap();
        let mut chunk = Box::pin(receiver.next());
        assert!(chunk.as_mut().now_or_never().is_none());
        let manager = watermark.accept();
        watermark.reached_with(manager, Some(manager));
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"agreed");

        sender.push(Bytes::from_static(b"late"), false).await.unwrap();
        let late = watermark.accept();
        let mut chunk = Box::pin(receiver.next());
        assert!(timeout(2 * MANAGER_PATIENCE, chunk.as_mut()).await.is_err(), "it is accepted");
        watermark.reached(late);
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"late");
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_a_monitor_does_not_wait_for_one_more_manager() {
        let (watermark, mut sender, mut receiver) = held(100);
        let other = watermark.accept();
        watermark.monitored(ChannelId([8; 32]), other, false);
        assert!(!sender.follows_monitor(Instant::now()), "it is with another peer");

        let monitor = watermark.accept();
        watermark.monitored(CHANNEL, monitor, false);
        let manager = watermark.accept();
        sender.push(Bytes::from_static(b"revoke_and_ack"), false).await.unwrap();
        watermark.reached_with(manager, Some(manager));
        let chunk = receiver.next().now_or_never().expect("nothing is to be waited for");
        assert_eq!(chunk.unwrap().unwrap().bytes(), b"revoke_and_ack");

        let sent = sender.followed_monitor.expect("the bytes followed the monitor");
        assert!(sender.follows_monitor(sent + ONE_SENDING), "more of the same sending");
        assert!(!sender.follows_monitor(sent + 2 * ONE_SENDING));
        watermark.monitored(ChannelId([9; 32]), watermark.accept(), true);
        assert!(sender.follows_monitor(sent + 2 * ONE_SENDING), "it may be with this peer");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_agreed_on_waits_until_it_is_settled() {
        let signed = watch::Sender::new(0);
        let signed_splices = Arc::new(SignedSplices::new(signed.subscribe()));
        let watermark = Watermark::new();
        watermark.makes_cuts(true);
        let (durability, metrics) = (Some(watermark.durability()), GateMetrics::new().unwrap());
        let (mut sender, mut receiver) =
            queue(100, durability, one_channel(), signed_splices, metrics);
        covered(&watermark, 0);
        sender.push(Bytes::from_static(b"before"), false).await.unwrap();
        signed.send_replace(1);
        sender.push(Bytes::from_static(b"commitment_signed"), false).await.unwrap();
        assert_eq!(next(&mut receiver).unwrap(), b"before");
        let mut chunk = Box::pin(receiver.next());
        let waited = timeout(2 * MANAGER_PATIENCE, chunk.as_mut()).await;
        assert!(waited.is_err(), "nothing tells that the manager knows of it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_greeting_does_not_wait_for_a_manager() {
        let (watermark, mut sender, mut receiver) = held(100);
        let before = watermark.accept();
        sender.push(Bytes::from_static(b"act two"), true).await.unwrap();
        let mut chunk = Box::pin(receiver.next());
        assert!(chunk.as_mut().now_or_never().is_none(), "the disk is waited for");
        watermark.reached(before);
        let chunk = chunk.now_or_never().expect("it waits for nothing else");
        assert_eq!(chunk.unwrap().unwrap().bytes(), b"act two");
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_never_be_durable_never_leaves() {
        let (watermark, mut sender, mut receiver) = held(100);
        watermark.accept();
        sender.push(Bytes::from_static(b"never"), false).await.unwrap();
        watermark.end();
        assert!(receiver.next().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_room_for_so_many_bytes() {
        let (watermark, mut sender, mut receiver) = held(6);
        covered(&watermark, 0);
        sender.push(Bytes::from_static(b"four"), false).await.unwrap();
        // It rests on nothing that is accepted from now on, though it has to wait.
        let mut three = Box::pin(sender.push(Bytes::from_static(b"too"), false));
        assert!(three.as_mut().now_or_never().is_none());
        watermark.accept();
        let four = receiver.next().await.unwrap().unwrap();
        assert!(three.as_mut().now_or_never().is_none());
        drop(four);
        three.await.unwrap();
        assert_eq!(receiver.next().await.unwrap().unwrap().bytes(), b"too");

        let mut more = Box::pin(sender.push(Bytes::from_static(b"more than six"), false));
        assert!(more.as_mut().now_or_never().is_none());
        drop(receiver);
        assert_eq!(more.await, Err(Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_durability_nothing_is_held() {
        let metrics = GateMetrics::new().unwrap();
        let (mut sender, mut receiver) = queue(100, None, one_channel(), none(), metrics);
        sender.push(Bytes::from_static(b"at once"), false).await.unwrap();
        assert_eq!(next(&mut receiver).unwrap(), b"at once");
    }
}
