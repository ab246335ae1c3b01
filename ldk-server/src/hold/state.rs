//! The payments that are held until their caller claims them or fails them. The library tells of each
//! once only, so they are written down here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning_types::payment::PaymentHash;
use prost::Message as _;

use super::Store;

const KIND: &str = "held_payments";

/// A payment that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// What can be claimed.
    pub claimable_amount_msat: u64,
    /// The block height by which it must be claimed.
    pub claim_deadline: Option<u32>,
}

/// What is to become of a held payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for its caller.
    Open,
    /// Its caller gave the preimage.
    Claimed(Run),
    /// It is to be sent back, which nobody has been told yet.
    Failing(Why),
    /// It was sent back. This is remembered until its deadline, because the library may forget that
    /// it was when it ends at once.
    Failed,
}

/// When something was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// By this process.
    This,
    /// By one before, which may have ended half-way through it.
    Earlier,
}

/// Why a payment is sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The caller asked for it.
    Requested,
    /// Nobody claimed it in time.
    Deadline,
}

/// The payments that are held, on disk.
pub struct Holds {
    store: Arc<Store>,
    held: Mutex<HashMap<PaymentHash, (Held, Fate)>>,
}

impl Holds {
    /// Those in this store.
    pub fn open(store: Arc<Store>) -> io::Result<Self> {
        let mut held = HashMap::new();
        for key in store.keys(KIND)? {
            let record = Record::decode(store.get(KIND, &key)?.as_slice());
            let payment = record.ok().and_then(|record| record.payment(&key));
            let (payment, fate) = payment.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{KIND}/{key} is damaged"))
            })?;
            held.insert(payment.payment_hash, (payment, fate));
        }
        Ok(Self { store, held: Mutex::new(held) })
    }

    /// All of them. While one looks at them and acts, nobody else does.
    pub fn lock(&self) -> LockedHolds<'_> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        LockedHolds { store: &self.store, held }
    }

    /// Removes one that was claimed.
    pub fn settled(&self, payment_hash: PaymentHash) -> io::Result<()> {
        self.lock().remove(&payment_hash)
    }
}

/// The payments that are held, for one to look at and to act on.
pub struct LockedHolds<'a> {
    store: &'a Store,
    held: MutexGuard<'a, HashMap<PaymentHash, (Held, Fate)>>,
}

impl LockedHolds<'_> {
    /// One of them, if it is there.
    pub fn get(&self, payment_hash: &PaymentHash) -> Option<(Held, Fate)> {
        self.held.get(payment_hash).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<(Held, Fate)> {
        self.held.values().cloned().collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Adds one, or puts it in the place of the one of that hash; on disk once this returns.
    pub fn put(&mut self, held: Held, fate: Fate) -> io::Result<()> {
        let record = Record::new(&held, fate).encode_to_vec();
        self.store.put(KIND, &hex::encode(held.payment_hash.0), record)?;
        self.held.insert(held.payment_hash, (held, fate));
        Ok(())
    }

    /// Removes one, if it is there.
    pub fn remove(&mut self, payment_hash: &PaymentHash) -> io::Result<()> {
        if self.held.contains_key(payment_hash) {
            self.store.delete(KIND, &hex::encode(payment_hash.0))?;
            self.held.remove(payment_hash);
        }
        Ok(())
    }
}

/// A held payment on disk; the hash is its key.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    claimable_amount_msat: u64,
    #[prost(uint32, optional, tag = "2")]
    claim_deadline: Option<u32>,
    #[prost(uint32, tag = "3")]
    fate: u32,
}

impl Record {
    fn new(held: &Held, fate: Fate) -> Self {
        let fate = match fate {
            Fate::Open => 1,
            Fate::Claimed(_) => 2,
            Fate::Failing(Why::Requested) => 3,
            Fate::Failing(Why::Deadline) => 4,
            Fate::Failed => 5,
        };
        let Held { payment_hash: _, claimable_amount_msat, claim_deadline } = *held;
        Self { claimable_amount_msat, claim_deadline, fate }
    }

    fn payment(self, key: &str) -> Option<(Held, Fate)> {
        let Self { claimable_amount_msat, claim_deadline, fate } = self;
        let fate = match fate {
            1 => Fate::Open,
            2 => Fate::Claimed(Run::Earlier),
            3 => Fate::Failing(Why::Requested),
            4 => Fate::Failing(Why::Deadline),
            5 => Fate::Failed,
            _ => return None,
        };
        let mut hash = [0; 32];
        hex::decode_to_slice(key, &mut hash).ok()?;
        let payment_hash = PaymentHash(hash);
        Some((Held { payment_hash, claimable_amount_msat, claim_deadline }, fate))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn held(byte: u8, claim_deadline: Option<u32>) -> Held {
        let payment_hash = PaymentHash([byte; 32]);
        Held { payment_hash, claimable_amount_msat: u64::from(byte), claim_deadline }
    }

    #[test]
    fn what_was_put_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Holds::open(Arc::new(testing::open(dir.path()))).unwrap();
        let holds = open();
        let put = [
            (held(1, Some(500)), Fate::Open),
            (held(2, None), Fate::Claimed(Run::This)),
            (held(3, Some(0)), Fate::Failing(Why::Requested)),
            (held(4, Some(1)), Fate::Failing(Why::Deadline)),
            (held(5, Some(u32::MAX)), Fate::Failed),
            (held(6, Some(3)), Fate::Open),
        ];
        for (held, fate) in put.clone() {
            holds.lock().put(held, fate).unwrap();
        }
        holds.settled(PaymentHash([6; 32])).unwrap();
        holds.settled(PaymentHash([7; 32])).unwrap();
        drop(holds);

        let holds = open();
        assert_eq!(holds.lock().all().len(), 5);
        for (held, fate) in &put[..5] {
            let found = holds.lock().get(&held.payment_hash);
            let fate = match fate {
                Fate::Claimed(_) => Fate::Claimed(Run::Earlier),
                other => *other,
            };
            assert_eq!(found, Some((held.clone(), fate)));
        }
    }

    #[test]
    fn a_damaged_record_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(testing::open(dir.path()));
        store.put(KIND, &"ab".repeat(32), vec![0x18, 99]).unwrap();
        let error = Holds::open(store).err().unwrap().to_string();
        assert!(error.contains(&"ab".repeat(32)), "{error}");
    }
}
