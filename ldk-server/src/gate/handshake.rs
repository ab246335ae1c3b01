//! Tracks whether the handshake of a connection (BOLT 8) has finished and both sides have sent `init`
//! (BOLT 1). Everything but the first byte is encrypted or random, so bytes are counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::Direction;

/// The first message, of the side that has made the connection.
pub(super) const ACT_ONE_BYTES: usize = 50;
const ACT_TWO_BYTES: u64 = 50;
const ACT_THREE_BYTES: u64 = 66;
/// The shortest message, encrypted: its length and `init` without features.
const INIT_BYTES: u64 = 18 + 6 + 16;

/// Within this time after the handshake the library has sent `channel_reestablish` (BOLT 2) for the
/// channels with the peer. It should do so soon: what happens between its own message and the peer's,
/// such as the confirmation of a splice, it sends at the next connection only.
const REESTABLISH: Duration = Duration::from_millis(50);

const INITIATOR_BYTES: u64 = ACT_ONE_BYTES as u64 + ACT_THREE_BYTES + INIT_BYTES;
const RESPONDER_BYTES: u64 = ACT_TWO_BYTES + INIT_BYTES;

/// How many bytes both sides have sent so far.
pub(super) struct Handshake {
    peer: Side,
    library: Side,
    finished: CancellationToken,
    finished_at: OnceLock<Instant>,
}

/// How many bytes one side has sent, and how many it sends in a handshake at least.
struct Side {
    sent: AtomicU64,
    needed: u64,
}

impl Handshake {
    /// A handshake that has not begun.
    pub(super) fn new(direction: Direction) -> Self {
        let (peer, library) = match direction {
            Direction::Inbound => (INITIATOR_BYTES, RESPONDER_BYTES),
            Direction::Outbound => (RESPONDER_BYTES, INITIATOR_BYTES),
        };
        let side = |needed| Side { sent: AtomicU64::new(0), needed };
        Self {
            peer: side(peer),
            library: side(library),
            finished: CancellationToken::new(),
            finished_at: OnceLock::new(),
        }
    }

    /// Counts bytes of the peer.
    pub(super) fn peer_sent(&self, bytes: usize) {
        self.peer.add(bytes);
        self.check_finished();
    }

    /// Counts bytes of the library, which sends `init` only to a peer that has proved its key.
    pub(super) fn library_sent(&self, bytes: usize) {
        self.library.add(bytes);
        self.check_finished();
    }

    /// Whether the library may still send the handshake or `channel_reestablish`.
    pub(super) fn is_reestablishing(&self) -> bool {
        self.finished_at.get().is_none_or(|finished| finished.elapsed() < REESTABLISH)
    }

    /// Waits until both sides have finished.
    pub(super) async fn finished(&self) {
        self.finished.cancelled().await;
    }

    fn check_finished(&self) {
        if !self.finished.is_cancelled() && self.peer.is_finished() && self.library.is_finished() {
            self.finished_at.get_or_init(Instant::now);
            self.finished.cancel();
        }
    }
}

impl Side {
    fn add(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn is_finished(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= self.needed
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_library_makes_itself_known_until_a_moment_after_the_handshake() {
        let handshake = Handshake::new(Direction::Outbound);
        advance(10 * REESTABLISH).await;
        handshake.peer_sent(90);
        assert!(handshake.is_reestablishing());
        handshake.library_sent(156);
        assert!(handshake.is_reestablishing());
        advance(REESTABLISH).await;
        assert!(!handshake.is_reestablishing());
    }

    #[tokio::test]
    async fn a_handshake_is_over_when_both_have_said_init() {
        let inbound = Handshake::new(Direction::Inbound);
        inbound.peer_sent(50 + 66 + 40);
        inbound.library_sent(50);
        assert!(inbound.finished().now_or_never().is_none(), "the library does not believe it yet");
        inbound.library_sent(40);
        inbound.finished().await;

        let outbound = Handshake::new(Direction::Outbound);
        outbound.library_sent(1_000);
        outbound.peer_sent(89);
        assert!(outbound.finished().now_or_never().is_none());
        outbound.peer_sent(1);
        outbound.finished().await;
    }
}
