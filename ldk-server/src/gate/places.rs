//! How many connections there may be, and whose.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{Direction, GateMetrics, Open, Refusal};

/// Of the places, this part is for connections that the node makes itself.
const OUTBOUND_SHARE: usize = 8;
/// How long a connection of a peer may at least take for its handshake before its place goes to
/// another.
const PROTECTED: Duration = Duration::from_secs(1);

/// The places of all connections.
pub(super) struct Places {
    max_total: usize,
    max_inbound: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
    metrics: GateMetrics,
}

#[derive(Default)]
struct Taken {
    last_id: u64,
    total: usize,
    inbound: usize,
    by_origin: HashMap<IpAddr, usize>,
    /// Inbound connections that are not through their handshake, from the oldest.
    unfinished: BTreeMap<u64, Unfinished>,
}

struct Unfinished {
    since: Instant,
    evict: CancellationToken,
}

/// The place of one connection, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    direction: Direction,
    origin: Option<IpAddr>,
    evicted: CancellationToken,
    _open: Open,
}

impl Places {
    /// So many places in all, and so many for each address.
    pub(super) fn new(max_total: usize, max_per_address: usize, metrics: GateMetrics) -> Arc<Self> {
        let max_inbound = (max_total - max_total / OUTBOUND_SHARE).max(1);
        let taken = Mutex::default();
        Arc::new(Self { max_total, max_inbound, max_per_address, taken, metrics })
    }

    /// A place for a peer that comes from this address. If there is none, one that has taken its
    /// time for the handshake loses its own.
    pub(super) fn take_inbound(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let origin = origin(address);
        let mut taken = self.taken();
        if origin.is_some_and(|origin| taken.of(origin) >= self.max_per_address) {
            return Err(Refusal::Address);
        }
        if taken.inbound >= self.max_inbound || taken.total >= self.max_total {
            taken.evict(PROTECTED)?;
        }
        Ok(self.take(&mut taken, Direction::Inbound, origin))
    }

    /// A place for a connection that this node makes.
    pub(super) fn take_outbound(self: &Arc<Self>) -> Result<Place, Refusal> {
        let mut taken = self.taken();
        if taken.total >= self.max_total {
            taken.evict(Duration::ZERO)?;
        }
        Ok(self.take(&mut taken, Direction::Outbound, None))
    }

    fn take(
        self: &Arc<Self>,
        taken: &mut Taken,
        direction: Direction,
        origin: Option<IpAddr>,
    ) -> Place {
        let evicted = CancellationToken::new();
        taken.last_id += 1;
        taken.total += 1;
        if direction == Direction::Inbound {
            taken.inbound += 1;
            let unfinished = Unfinished { since: Instant::now(), evict: evicted.clone() };
            taken.unfinished.insert(taken.last_id, unfinished);
        }
        if let Some(origin) = origin {
            *taken.by_origin.entry(origin).or_default() += 1;
        }
        let open = self.metrics.opened(direction);
        Place {
            places: Arc::clone(self),
            id: taken.last_id,
            direction,
            origin,
            evicted,
            _open: open,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn of(&self, origin: IpAddr) -> usize {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    /// Frees the place of the oldest that is not through its handshake, if it is at least so old.
    fn evict(&mut self, min_age: Duration) -> Result<(), Refusal> {
        let oldest = self.unfinished.first_entry().ok_or(Refusal::Total)?;
        if oldest.get().since.elapsed() < min_age {
            return Err(Refusal::Total);
        }
        oldest.remove().evict.cancel();
        self.total -= 1;
        self.inbound -= 1;
        Ok(())
    }
}

impl Place {
    /// The handshake is over: the place is kept from now on.
    pub(super) fn keep(&self) {
        self.places.taken().unfinished.remove(&self.id);
    }

    /// Waits until the place has gone to another.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.unfinished.remove(&self.id);
        if !self.evicted.is_cancelled() {
            taken.total -= 1;
            taken.inbound -= usize::from(self.direction == Direction::Inbound);
        }
        if let Some(origin) = self.origin {
            let left = taken.of(origin).saturating_sub(1);
            match left {
                0 => taken.by_origin.remove(&origin),
                _ => taken.by_origin.insert(origin, left),
            };
        }
    }
}

/// What counts as one address: with IPv6 a network of 64 bits, which is what a subscriber has. None
/// for this machine, as which all who come through Tor's hidden service appear.
fn origin(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        },
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn places(max_total: usize, max_per_address: usize) -> Arc<Places> {
        Places::new(max_total, max_per_address, GateMetrics::new().unwrap())
    }

    fn from(places: &Arc<Places>, address: &str) -> Result<Place, Refusal> {
        places.take_inbound(address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_so_many_places_and_this_machine_any_number() {
        let places = places(100, 2);
        let mut held = Vec::new();
        for address in ["1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "2001:db8::ffff:1"] {
            held.push(from(&places, address).unwrap());
        }
        for address in ["1.2.3.4", "2001:db8::7"] {
            assert_eq!(from(&places, address).err(), Some(Refusal::Address));
        }
        held.push(from(&places, "1.2.3.5").unwrap());
        held.push(from(&places, "2001:db8:0:1::1").unwrap());
        for _ in 0..10 {
            held.push(from(&places, "127.0.0.1").unwrap());
            held.push(from(&places, "::1").unwrap());
        }
        held.remove(0);
        held.push(from(&places, "1.2.3.4").unwrap());
        drop(held);
        let taken = places.taken();
        assert_eq!((taken.total, taken.inbound, taken.by_origin.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_for_the_handshake_makes_room() {
        // One of the eight is for the node itself.
        let places = places(8, 100);
        let mut held: Vec<Place> =
            (0..7).map(|last| from(&places, &format!("1.2.3.{last}")).unwrap()).collect();
        assert_eq!(from(&places, "1.2.3.9").err(), Some(Refusal::Total), "they have just come");
        held[0].keep();
        advance(PROTECTED).await;
        held.push(from(&places, "1.2.3.9").unwrap());
        held[1].evicted().await;
        assert!(held[0].evicted().now_or_never().is_none());

        held.push(places.take_outbound().unwrap());
        assert_eq!(places.taken().total, 8);
        held.push(places.take_outbound().unwrap());
        held[2].evicted().await;
        held.iter().for_each(Place::keep);
        assert_eq!(places.take_outbound().err(), Some(Refusal::Total));
        assert_eq!(from(&places, "1.2.3.9").err(), Some(Refusal::Total));
        drop(held);
        let taken = places.taken();
        assert_eq!((taken.total, taken.inbound, taken.unfinished.len()), (0, 0, 0));
    }
}
