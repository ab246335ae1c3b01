//! The states of held payments, on disk: the library reports each held payment only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::CustomTlvRecord;
use ldk_node::lightning::io;
use ldk_node::lightning_types::payment::PaymentHash;
use prost::Message as _;

use crate::locks::{KeyLock, KeyLocks};
use crate::store::Store;

const KIND: &str = "held_payments";

/// A held payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// The amount that can be claimed.
    pub claimable_amount_msat: u64,
    /// The block height by which it must be claimed.
    pub claim_deadline: Option<u32>,
    /// What its payer has sent along.
    pub custom_records: Vec<CustomTlvRecord>,
}

/// The state of a held payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// It can be claimed or failed.
    Claimable,
    /// Its caller gave the preimage to this process, or to one before.
    Claiming(Process),
    /// It is being failed back; the event is not recorded yet.
    FailingBack(FailReason),
    /// It was sent back. This is remembered until its deadline, because the library may forget that
    /// it was when it ends at once.
    FailedBack,
}

/// A process of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The one that runs.
    This,
    /// One before, which may have ended half-way through what it did.
    Earlier,
}

/// Why a payment is failed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailReason {
    /// The caller has failed it.
    Requested,
    /// It was not claimed in time.
    Deadline,
}

/// The states of all held payments, on disk.
pub(super) struct HoldStates {
    store: Arc<Store>,
    locks: KeyLocks<PaymentHash>,
    states: Mutex<HashMap<PaymentHash, (Held, HoldState)>>,
}

impl HoldStates {
    /// Reads the states from this store.
    pub(super) fn open(store: Arc<Store>) -> io::Result<Self> {
        let mut states = HashMap::new();
        for key in store.keys(KIND)? {
            let record = Record::decode(store.get(KIND, &key)?.as_slice());
            let payment = record.ok().and_then(|record| record.payment(&key));
            let (held, state) = payment.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{KIND}/{key} is damaged"))
            })?;
            states.insert(held.payment_hash, (held, state));
        }
        Ok(Self { store, locks: KeyLocks::default(), states: Mutex::new(states) })
    }

    /// Locks a payment hash, whether or not its payment is held: while one looks at its state and
    /// acts on it, nobody else does. Blocks.
    pub(super) fn lock(&self, payment_hash: PaymentHash) -> LockedHold<'_> {
        LockedHold { states: self, lock: self.locks.lock(payment_hash) }
    }

    /// The state of a payment at this moment.
    pub(super) fn get(&self, payment_hash: &PaymentHash) -> Option<(Held, HoldState)> {
        self.states().get(payment_hash).cloned()
    }

    /// The hashes of all held payments.
    pub(super) fn payment_hashes(&self) -> Vec<PaymentHash> {
        self.states().keys().copied().collect()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<PaymentHash, (Held, HoldState)>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Exclusive access to the state of one payment.
pub struct LockedHold<'a> {
    states: &'a HoldStates,
    lock: KeyLock<'a, PaymentHash>,
}

impl LockedHold<'_> {
    /// The hash of the payment.
    pub fn payment_hash(&self) -> PaymentHash {
        *self.lock.key()
    }

    /// The payment and its state, if it is held.
    pub fn get(&self) -> Option<(Held, HoldState)> {
        self.states.get(&self.payment_hash())
    }

    /// Sets the state of the payment; on disk once this returns.
    pub fn put(&mut self, held: Held, state: HoldState) -> io::Result<()> {
        let payment_hash = self.payment_hash();
        debug_assert_eq!(held.payment_hash, payment_hash, "another payment than the locked one");
        let record = Record::new(&held, state).encode_to_vec();
        self.states.store.put(KIND, &hex::encode(payment_hash.0), record)?;
        self.states.states().insert(payment_hash, (held, state));
        Ok(())
    }

    /// Forgets the payment, if it is held.
    pub fn remove(&mut self) -> io::Result<()> {
        let payment_hash = self.payment_hash();
        if self.get().is_some() {
            self.states.store.delete(KIND, &hex::encode(payment_hash.0))?;
            self.states.states().remove(&payment_hash);
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
    state: u32,
    #[prost(message, repeated, tag = "4")]
    custom_records: Vec<TlvOnDisk>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TlvOnDisk {
    #[prost(uint64, tag = "1")]
    type_num: u64,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Record {
    fn new(held: &Held, state: HoldState) -> Self {
        let state = match state {
            HoldState::Claimable => 1,
            HoldState::Claiming(_) => 2,
            HoldState::FailingBack(FailReason::Requested) => 3,
            HoldState::FailingBack(FailReason::Deadline) => 4,
            HoldState::FailedBack => 5,
        };
        let Held { payment_hash: _, claimable_amount_msat, claim_deadline, custom_records } = held;
        let on_disk = |record: &CustomTlvRecord| TlvOnDisk {
            type_num: record.type_num,
            value: record.value.clone(),
        };
        Self {
            claimable_amount_msat: *claimable_amount_msat,
            claim_deadline: *claim_deadline,
            state,
            custom_records: custom_records.iter().map(on_disk).collect(),
        }
    }

    fn payment(self, key: &str) -> Option<(Held, HoldState)> {
        let Self { claimable_amount_msat, claim_deadline, state, custom_records } = self;
        let state = match state {
            1 => HoldState::Claimable,
            2 => HoldState::Claiming(Process::Earlier),
            3 => HoldState::FailingBack(FailReason::Requested),
            4 => HoldState::FailingBack(FailReason::Deadline),
            5 => HoldState::FailedBack,
            _ => return None,
        };
        let mut hash = [0; 32];
        hex::decode_to_slice(key, &mut hash).ok()?;
        let payment_hash = PaymentHash(hash);
        let record = |TlvOnDisk { type_num, value }| CustomTlvRecord { type_num, value };
        let custom_records = custom_records.into_iter().map(record).collect();
        Some((Held { payment_hash, claimable_amount_msat, claim_deadline, custom_records }, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    fn held(byte: u8, claim_deadline: Option<u32>) -> Held {
        let payment_hash = PaymentHash([byte; 32]);
        let custom_records = vec![CustomTlvRecord { type_num: 65_537, value: vec![byte; 3] }];
        let claimable_amount_msat = u64::from(byte);
        Held { payment_hash, claimable_amount_msat, claim_deadline, custom_records }
    }

    #[test]
    fn what_was_put_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let open = || HoldStates::open(Arc::new(testing::open(dir.path()))).unwrap();
        let holds = open();
        let put = [
            (held(1, Some(500)), HoldState::Claimable),
            (held(2, None), HoldState::Claiming(Process::This)),
            (held(3, Some(0)), HoldState::FailingBack(FailReason::Requested)),
            (held(4, Some(1)), HoldState::FailingBack(FailReason::Deadline)),
            (held(5, Some(u32::MAX)), HoldState::FailedBack),
            (held(6, Some(3)), HoldState::Claimable),
        ];
        for (held, state) in put.clone() {
            holds.lock(held.payment_hash).put(held, state).unwrap();
        }
        holds.lock(PaymentHash([6; 32])).remove().unwrap();
        holds.lock(PaymentHash([7; 32])).remove().unwrap();
        drop(holds);

        let holds = open();
        assert_eq!(holds.payment_hashes().len(), 5);
        for (held, state) in &put[..5] {
            let found = holds.get(&held.payment_hash);
            let state = match state {
                HoldState::Claiming(_) => HoldState::Claiming(Process::Earlier),
                other => *other,
            };
            assert_eq!(found, Some((held.clone(), state)));
        }
    }

    #[test]
    fn a_damaged_record_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(testing::open(dir.path()));
        store.put(KIND, &"ab".repeat(32), vec![0x18, 99]).unwrap();
        let error = HoldStates::open(store).err().unwrap().to_string();
        assert!(error.contains(&"ab".repeat(32)), "{error}");
    }
}
