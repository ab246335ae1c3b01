//! Limits the number of connections, in all and for each address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{Direction, GateMetrics, Open, Refusal};
use crate::ip;

/// One in so many permits is for connections that the node makes itself.
const OUTBOUND_SHARE: usize = 8;
/// For how long the handshake of an inbound connection is protected from eviction.
const PROTECTED: Duration = Duration::from_secs(1);

/// Gives out permits for connections.
pub(super) struct Limiter {
    max_total: usize,
    max_inbound: usize,
    max_per_address: usize,
    in_use: Mutex<InUse>,
    metrics: GateMetrics,
}

#[derive(Default)]
struct InUse {
    last_id: u64,
    total: usize,
    inbound: usize,
    by_origin: HashMap<IpAddr, usize>,
    /// Inbound connections whose handshake is not finished, the oldest first.
    handshaking: BTreeMap<u64, Handshaking>,
}

struct Handshaking {
    since: Instant,
    evict: CancellationToken,
}

/// The permit of one connection, until this is dropped.
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    id: u64,
    direction: Direction,
    origin: Option<IpAddr>,
    evicted: CancellationToken,
    _open: Open,
}

impl Limiter {
    /// Allows `max_total` connections, and `max_per_address` inbound ones from one address.
    pub(super) fn new(max_total: usize, max_per_address: usize, metrics: GateMetrics) -> Arc<Self> {
        let max_inbound = (max_total - max_total / OUTBOUND_SHARE).max(1);
        let in_use = Mutex::default();
        Arc::new(Self { max_total, max_inbound, max_per_address, in_use, metrics })
    }

    /// A permit for a peer that connects from this address. If there is none, evicts the oldest
    /// connection whose handshake takes long.
    pub(super) fn take_inbound(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        let origin = origin(address);
        let mut in_use = self.in_use();
        if origin.is_some_and(|origin| in_use.of(origin) >= self.max_per_address) {
            return Err(Refusal::Address);
        }
        if in_use.inbound >= self.max_inbound || in_use.total >= self.max_total {
            in_use.evict(PROTECTED)?;
        }
        Ok(self.take(&mut in_use, Direction::Inbound, origin))
    }

    /// A permit for a connection that this node makes.
    pub(super) fn take_outbound(self: &Arc<Self>) -> Result<Permit, Refusal> {
        let mut in_use = self.in_use();
        if in_use.total >= self.max_total {
            in_use.evict(Duration::ZERO)?;
        }
        Ok(self.take(&mut in_use, Direction::Outbound, None))
    }

    fn take(
        self: &Arc<Self>,
        in_use: &mut InUse,
        direction: Direction,
        origin: Option<IpAddr>,
    ) -> Permit {
        let evicted = CancellationToken::new();
        in_use.last_id += 1;
        in_use.total += 1;
        if direction == Direction::Inbound {
            in_use.inbound += 1;
            let handshaking = Handshaking { since: Instant::now(), evict: evicted.clone() };
            in_use.handshaking.insert(in_use.last_id, handshaking);
        }
        if let Some(origin) = origin {
            *in_use.by_origin.entry(origin).or_default() += 1;
        }
        let open = self.metrics.opened(direction);
        Permit {
            limiter: Arc::clone(self),
            id: in_use.last_id,
            direction,
            origin,
            evicted,
            _open: open,
        }
    }

    fn in_use(&self) -> MutexGuard<'_, InUse> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InUse {
    fn of(&self, origin: IpAddr) -> usize {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    /// Evicts the oldest connection whose handshake is not finished, if it is at least so old.
    fn evict(&mut self, min_age: Duration) -> Result<(), Refusal> {
        let oldest = self.handshaking.first_entry().ok_or(Refusal::Total)?;
        if oldest.get().since.elapsed() < min_age {
            return Err(Refusal::Total);
        }
        oldest.remove().evict.cancel();
        self.total -= 1;
        self.inbound -= 1;
        Ok(())
    }
}

impl Permit {
    /// The handshake has finished: the connection is not evicted any more.
    pub(super) fn finish_handshake(&self) {
        self.limiter.in_use().handshaking.remove(&self.id);
    }

    /// Waits until this connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.limiter.in_use();
        in_use.handshaking.remove(&self.id);
        if !self.evicted.is_cancelled() {
            in_use.total -= 1;
            in_use.inbound -= usize::from(self.direction == Direction::Inbound);
        }
        if let Some(origin) = self.origin {
            let left = in_use.of(origin).saturating_sub(1);
            match left {
                0 => in_use.by_origin.remove(&origin),
                _ => in_use.by_origin.insert(origin, left),
            };
        }
    }
}

/// The address that a peer is counted under. `None` for this machine, where all peers of Tor's onion
/// service come from.
fn origin(address: IpAddr) -> Option<IpAddr> {
    Some(ip::subscriber(address)).filter(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn limiter(max_total: usize, max_per_address: usize) -> Arc<Limiter> {
        Limiter::new(max_total, max_per_address, GateMetrics::new().unwrap())
    }

    fn from(limiter: &Arc<Limiter>, address: &str) -> Result<Permit, Refusal> {
        limiter.take_inbound(address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_so_many_places_and_this_machine_any_number() {
        let limiter = limiter(100, 2);
        let mut held = Vec::new();
        for address in ["1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "2001:db8::ffff:1"] {
            held.push(from(&limiter, address).unwrap());
        }
        for address in ["1.2.3.4", "2001:db8::7"] {
            assert_eq!(from(&limiter, address).err(), Some(Refusal::Address));
        }
        held.push(from(&limiter, "1.2.3.5").unwrap());
        held.push(from(&limiter, "2001:db8:0:1::1").unwrap());
        for _ in 0..10 {
            held.push(from(&limiter, "127.0.0.1").unwrap());
            held.push(from(&limiter, "::1").unwrap());
        }
        held.remove(0);
        held.push(from(&limiter, "1.2.3.4").unwrap());
        drop(held);
        let in_use = limiter.in_use();
        assert_eq!((in_use.total, in_use.inbound, in_use.by_origin.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_for_the_handshake_makes_room() {
        // One of the eight is for the node itself.
        let limiter = limiter(8, 100);
        let mut held: Vec<Permit> =
            (0..7).map(|last| from(&limiter, &format!("1.2.3.{last}")).unwrap()).collect();
        assert_eq!(from(&limiter, "1.2.3.9").err(), Some(Refusal::Total), "they have just come");
        held[0].finish_handshake();
        advance(PROTECTED).await;
        held.push(from(&limiter, "1.2.3.9").unwrap());
        held[1].evicted().await;
        assert!(held[0].evicted().now_or_never().is_none());

        held.push(limiter.take_outbound().unwrap());
        assert_eq!(limiter.in_use().total, 8);
        held.push(limiter.take_outbound().unwrap());
        held[2].evicted().await;
        held.iter().for_each(Permit::finish_handshake);
        assert_eq!(limiter.take_outbound().err(), Some(Refusal::Total));
        assert_eq!(from(&limiter, "1.2.3.9").err(), Some(Refusal::Total));
        drop(held);
        let in_use = limiter.in_use();
        assert_eq!((in_use.total, in_use.inbound, in_use.handshaking.len()), (0, 0, 0));
    }
}
