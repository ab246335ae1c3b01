//! What the library has sent and may not leave yet: a crash could still undo the state it rests on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::metrics::{GateMetrics, Held};
use crate::store::{Durability, NeverDurable, Position};

/// Chunks at once, whatever their length.
const MAX_CHUNKS: usize = 1024;

/// How long to wait for a manager of the channels that was written after the bytes were read. They
/// may tell of what is in no other record; the library then writes one within moments.
const MANAGER_PATIENCE: Duration = Duration::from_millis(5);

/// Bytes in the order in which they were read, each chunk with what must be on disk first.
struct Chunk {
    bytes: Bytes,
    /// The write that was accepted last when they had been read; none if they need not be held.
    position: Option<Position>,
    read_at: Instant,
    _room: OwnedSemaphorePermit,
    _held: Held,
}

/// Where bytes of the library go in.
pub(super) struct Inlet {
    durability: Option<Durability>,
    chunks: mpsc::Sender<Chunk>,
    room: Arc<Semaphore>,
    metrics: GateMetrics,
}

/// Where they come out.
pub(super) struct Outlet {
    durability: Option<Durability>,
    chunks: mpsc::Receiver<Chunk>,
    metrics: GateMetrics,
}

/// Bytes that may leave. They take up room until this is dropped.
pub(super) struct Released(Chunk);

/// Nobody takes bytes out any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// A queue with room for so many bytes. Without a durability nothing is held.
pub(super) fn queue(
    max_bytes: usize,
    durability: Option<Durability>,
    metrics: GateMetrics,
) -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(MAX_CHUNKS);
    let room = Arc::new(Semaphore::new(max_bytes));
    let inlet =
        Inlet { durability: durability.clone(), chunks: sender, room, metrics: metrics.clone() };
    (inlet, Outlet { durability, chunks: receiver, metrics })
}

impl Inlet {
    /// Puts in what was just read, no more than there may be, and waits until there is room.
    pub(super) async fn push(&self, bytes: Bytes) -> Result<(), Closed> {
        // First of all: what is accepted while this waits for room has nothing to do with it.
        let position = self.durability.as_ref().map(Durability::accepted);
        let (read_at, held) = (Instant::now(), self.metrics.held(bytes.len()));
        let length = u32::try_from(bytes.len()).map_err(|_| Closed)?;
        let room = Arc::clone(&self.room).acquire_many_owned(length);
        let room = tokio::select! {
            () = self.chunks.closed() => return Err(Closed),
            room = room => room.map_err(|_| Closed)?,
        };
        let chunk = Chunk { bytes, position, read_at, _room: room, _held: held };
        self.chunks.send(chunk).await.map_err(|_| Closed)
    }
}

impl Outlet {
    /// What may leave next; nothing if no more will be put in. Once this has failed, nothing may
    /// leave any more.
    pub(super) async fn next(&mut self) -> Result<Option<Released>, NeverDurable> {
        let Some(chunk) = self.chunks.recv().await else { return Ok(None) };
        if let (Some(durability), Some(position)) = (&self.durability, chunk.position) {
            durability.covered(position, (chunk.read_at + MANAGER_PATIENCE).into()).await?;
            self.metrics.let_go_after(chunk.read_at.elapsed());
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
    use tokio::time::timeout;

    use super::*;
    use crate::store::Watermark;

    fn held(max_bytes: usize) -> (Watermark, Inlet, Outlet) {
        let watermark = Watermark::new();
        let metrics = GateMetrics::new().unwrap();
        let (inlet, outlet) = queue(max_bytes, Some(watermark.durability()), metrics);
        (watermark, inlet, outlet)
    }

    /// This is on disk, and so is a manager that came afterwards.
    fn covered(watermark: &Watermark, position: Position) {
        watermark.reached_with(position, Some(position + 1));
    }

    fn next(outlet: &mut Outlet) -> Option<Vec<u8>> {
        let next = outlet.next().now_or_never()?;
        Some(next.unwrap().map(|released| released.bytes().to_vec()).unwrap_or_default())
    }

    #[tokio::test]
    async fn bytes_leave_in_order_and_not_before_what_they_rest_on_is_durable() {
        let (watermark, inlet, mut outlet) = held(100);
        covered(&watermark, 0);
        inlet.push(Bytes::from_static(b"free")).await.unwrap();
        let first = watermark.accept();
        inlet.push(Bytes::from_static(b"first")).await.unwrap();
        let second = watermark.accept();
        inlet.push(Bytes::from_static(b"second")).await.unwrap();
        assert_eq!(outlet.metrics.held_bytes(), 15);
        assert_eq!(next(&mut outlet).unwrap(), b"free");
        let mut chunk = Box::pin(outlet.next());
        assert!(chunk.as_mut().now_or_never().is_none());
        covered(&watermark, first);
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"first");
        covered(&watermark, second);
        assert_eq!(next(&mut outlet).unwrap(), b"second");
        assert_eq!(outlet.metrics.held_bytes(), 0);
        drop(inlet);
        assert!(outlet.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_only_a_manager_tells_waits_for_it() {
        let (watermark, inlet, mut outlet) = held(100);
        let before = watermark.accept();
        watermark.reached_with(before, Some(before));
        inlet.push(Bytes::from_static(b"agreed")).await.unwrap();
        let mut chunk = Box::pin(outlet.next());
        assert!(chunk.as_mut().now_or_never().is_none());
        let manager = watermark.accept();
        watermark.reached_with(manager, Some(manager));
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"agreed");

        inlet.push(Bytes::from_static(b"late")).await.unwrap();
        let late = watermark.accept();
        let mut chunk = Box::pin(outlet.next());
        assert!(timeout(2 * MANAGER_PATIENCE, chunk.as_mut()).await.is_err(), "it is accepted");
        watermark.reached(late);
        assert_eq!(chunk.await.unwrap().unwrap().bytes(), b"late");
    }

    #[tokio::test]
    async fn what_will_never_be_durable_never_leaves() {
        let (watermark, inlet, mut outlet) = held(100);
        watermark.accept();
        inlet.push(Bytes::from_static(b"never")).await.unwrap();
        watermark.end();
        assert!(outlet.next().await.is_err());
    }

    #[tokio::test]
    async fn the_queue_has_room_for_so_many_bytes() {
        let (watermark, inlet, mut outlet) = held(6);
        covered(&watermark, 0);
        inlet.push(Bytes::from_static(b"four")).await.unwrap();
        // It rests on nothing that is accepted from now on, though it has to wait.
        let mut three = Box::pin(inlet.push(Bytes::from_static(b"too")));
        assert!(three.as_mut().now_or_never().is_none());
        watermark.accept();
        let four = outlet.next().await.unwrap().unwrap();
        assert!(three.as_mut().now_or_never().is_none());
        drop(four);
        three.await.unwrap();
        assert_eq!(outlet.next().await.unwrap().unwrap().bytes(), b"too");

        let mut more = Box::pin(inlet.push(Bytes::from_static(b"more than six")));
        assert!(more.as_mut().now_or_never().is_none());
        drop(outlet);
        assert_eq!(more.await, Err(Closed));
    }

    #[tokio::test]
    async fn without_a_durability_nothing_is_held() {
        let (inlet, mut outlet) = queue(100, None, GateMetrics::new().unwrap());
        inlet.push(Bytes::from_static(b"at once")).await.unwrap();
        assert_eq!(next(&mut outlet).unwrap(), b"at once");
    }
}
