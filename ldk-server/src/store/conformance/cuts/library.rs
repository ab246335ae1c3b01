//! The library, played: channels whose monitors it writes, a manager that it serializes at one moment
//! and writes at another, and payments; and what a process finds of that on the disk.

use std::collections::{BTreeMap, BTreeSet};

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use crate::compat::channel_state::{self, Id};
use crate::compat::testing;
use crate::store::conformance::{Contents, TestDatabase};
use crate::store::{Position, SendPin, Store, model};

/// How often a monitor is written as a whole; the library's persister does it less often.
const WHOLE_EVERY: u64 = 5;

/// What a manager has of a channel, about.
const CHANNEL_BYTES: usize = 3_600;

pub(in crate::store) fn channel_id(channel: u8) -> Id {
    [channel + 1; 32]
}

pub(in crate::store) fn payment_id(payment: u16) -> Id {
    let mut id = [0x80; 32];
    id[..2].copy_from_slice(&payment.to_be_bytes());
    id
}

/// The name of the channel's monitor.
pub(in crate::store) fn monitor(channel: u8) -> String {
    hex::encode(channel_id(channel))
}

/// The record of a payment to an invoice.
pub(in crate::store) fn sent(payment: u16, status: PaymentStatus) -> PaymentDetails {
    let id = payment_id(payment);
    PaymentDetails {
        id: PaymentId(id),
        kind: PaymentKind::Bolt11 { hash: PaymentHash(id), preimage: None, secret: None },
        amount_msat: Some(1_000),
        fee_paid_msat: None,
        direction: PaymentDirection::Outbound,
        status,
        latest_update_timestamp: 7,
    }
}

/// Writes a payment as the library does.
pub(in crate::store) fn write_payment(store: &Store, details: &PaymentDetails) {
    let (primary, secondary) = model::PAYMENTS;
    let key = hex::encode(details.id.0);
    KVStoreSync::write(store, primary, secondary, &key, details.encode()).unwrap();
}

/// Something that was written.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Written {
    Monitor(u8, u64),
    Manager(u64),
    Payment(u16, PaymentStatus),
}

/// What the library knows, and what it wrote with the number of writes that there were then.
pub(in crate::store) struct Library<'a> {
    store: &'a Store,
    pub(in crate::store) channels: BTreeMap<u8, u64>,
    pub(in crate::store) payments: BTreeSet<u16>,
    serialized: Option<(u64, Vec<u8>)>,
    managers: u64,
    pub(in crate::store) written: Vec<(Position, Written)>,
}

impl<'a> Library<'a> {
    /// Goes on from what is on disk.
    pub(in crate::store) fn new(store: &'a Store, database: &impl TestDatabase) -> Self {
        Self::after(store, State::of(&database.contents()))
    }

    fn after(store: &'a Store, state: State) -> Self {
        let State { monitors, manager, known_payments, .. } = state;
        Self {
            store,
            channels: monitors,
            payments: known_payments,
            serialized: None,
            managers: manager,
            written: Vec::new(),
        }
    }

    /// One that has so many channels, at rest, and whose store is empty and makes cuts.
    pub(in crate::store) fn with_channels(store: &'a Store, channels: u8) -> Self {
        let mut library = Self::after(store, State::default());
        (0..channels).for_each(|channel| library.update(channel));
        library.manage();
        library.begin_cuts();
        library
    }

    pub(in crate::store) fn begin_cuts(&self) {
        let channels: Vec<_> = self.channels.keys().map(|id| ChannelId(channel_id(*id))).collect();
        self.store.begin_cuts(&channels).unwrap();
    }

    fn has_written(&mut self, written: Written) {
        self.written.push((self.store.durability().accepted(), written));
    }

    /// The state of a channel changes, or it gets its first.
    pub(in crate::store) fn update(&mut self, channel: u8) {
        let update = self.channels.get(&channel).map_or(0, |update| update + 1);
        self.channels.insert(channel, update);
        if update.is_multiple_of(WHOLE_EVERY) {
            return self.write_whole(channel);
        }
        let (monitor, update) = (monitor(channel), update.to_string());
        KVStoreSync::write(self.store, "monitor_updates", &monitor, &update, vec![5; 500]).unwrap();
        self.has_written(Written::Monitor(channel, self.channels[&channel]));
    }

    /// Writes the whole monitor of a channel, as for a block, and removes what that has made old.
    pub(in crate::store) fn write_whole(&mut self, channel: u8) {
        let (update, monitor) = (self.channels[&channel], monitor(channel));
        let whole = testing::monitor(update);
        KVStoreSync::write(self.store, "monitors", "", &monitor, whole).unwrap();
        self.has_written(Written::Monitor(channel, update));
        for old in KVStoreSync::list(self.store, "monitor_updates", &monitor).unwrap() {
            KVStoreSync::remove(self.store, "monitor_updates", &monitor, &old, true).unwrap();
        }
    }

    /// Serializes the manager, unless there is one that is not written yet.
    pub(in crate::store) fn serialize(&mut self) {
        if self.serialized.is_none() {
            self.managers += 1;
            self.serialized = Some((self.managers, self.manager(self.managers)));
        }
    }

    fn manager(&self, number: u64) -> Vec<u8> {
        let channels =
            self.channels.iter().map(|(channel, update)| (channel_id(*channel), *update));
        let mut bytes = testing::manager(channels, self.payments.iter().copied().map(payment_id));
        self.channels.keys().for_each(|channel| bytes.extend(rest_of(*channel)));
        bytes.extend(number.to_be_bytes());
        bytes
    }

    /// Writes the manager that was serialized.
    pub(in crate::store) fn write_manager(&mut self) {
        if let Some((number, bytes)) = self.serialized.take() {
            KVStoreSync::write(self.store, "", "", "manager", bytes).unwrap();
            self.has_written(Written::Manager(number));
        }
    }

    /// Serializes and writes it.
    pub(in crate::store) fn manage(&mut self) {
        self.write_manager();
        self.serialize();
        self.write_manager();
    }

    /// A payment is handed to the library, which adds it to a channel.
    pub(in crate::store) fn begin_payment(&mut self, payment: u16, channel: u8) -> Option<SendPin> {
        let pin = self.store.pin_send();
        self.payments.insert(payment);
        self.update(channel);
        pin
    }

    pub(in crate::store) fn record(&mut self, payment: u16, status: PaymentStatus) {
        write_payment(self.store, &sent(payment, status));
        self.has_written(Written::Payment(payment, status));
    }
}

/// What a manager has of a channel beside its update, so that it is as large as a real one.
fn rest_of(channel: u8) -> Vec<u8> {
    let mut rest = vec![0; CHANNEL_BYTES];
    StdRng::seed_from_u64(channel.into()).fill_bytes(&mut rest);
    rest
}

/// What a process finds on the disk.
#[derive(Debug, Default)]
pub(in crate::store) struct State {
    /// The update of each channel's monitor.
    pub(in crate::store) monitors: BTreeMap<u8, u64>,
    /// The update of each channel that the manager knows.
    pub(in crate::store) known: BTreeMap<u8, u64>,
    /// Which manager it is.
    pub(in crate::store) manager: u64,
    pub(in crate::store) known_payments: BTreeSet<u16>,
    /// In the library's records; the history agrees with them.
    pub(in crate::store) records: BTreeMap<u16, PaymentStatus>,
}

impl State {
    /// In a database.
    pub(in crate::store) fn of(contents: &Contents) -> Self {
        let mut state = Self::default();
        for ([primary, secondary, key], value) in &contents.records {
            state.add(primary, secondary, key, value);
        }
        state.agrees_with_history(&contents.history);
        state
    }

    fn add(&mut self, primary: &str, secondary: &str, key: &str, value: &[u8]) {
        match primary {
            "monitors" => self.add_monitor(key, channel_state::monitor_update(value).unwrap()),
            "monitor_updates" => self.add_monitor(secondary, key.parse().unwrap()),
            "payments" => {
                let PaymentDetails { id, status, .. } = model::payments::read(value).unwrap();
                let number = u16::from_be_bytes(*id.0.first_chunk().unwrap());
                self.records.insert(number, status);
            },
            "" if key == "manager" => self.add_manager(value),
            _ => {},
        }
    }

    fn add_monitor(&mut self, monitor: &str, update: u64) {
        let channel = hex::decode(monitor).unwrap()[0] - 1;
        let at = self.monitors.entry(channel).or_default();
        *at = (*at).max(update);
    }

    fn add_manager(&mut self, manager: &[u8]) {
        for channel in 0..u8::MAX {
            let known = channel_state::channel_update(manager, &channel_id(channel));
            self.known.extend(known.map(|update| (channel, update)));
        }
        let knows = |payment: &u16| channel_state::knows_payment(manager, &payment_id(*payment));
        self.known_payments = (0..PAYMENTS).filter(knows).collect();
        self.manager = u64::from_be_bytes(*manager.last_chunk().unwrap());
    }

    fn agrees_with_history(&self, history: &[Vec<u8>]) {
        let in_history: BTreeMap<u16, PaymentStatus> = history
            .iter()
            .map(|value| model::payments::read(value).unwrap())
            .map(|details| {
                (u16::from_be_bytes(*details.id.0.first_chunk().unwrap()), details.status)
            })
            .collect();
        assert_eq!(self.records, in_history);
    }

    /// A node that starts from it closes no channel, and loses sight of no payment.
    pub(in crate::store) fn is_a_cut(&self) {
        assert_eq!(self.monitors, self.known, "the manager fits the monitors");
        for payment in &self.known_payments {
            assert!(self.records.contains_key(payment), "{payment} has no record: {self:?}");
        }
        for (payment, status) in &self.records {
            let is_known = self.known_payments.contains(payment);
            let is_over = *status != PaymentStatus::Pending;
            assert!(is_known || is_over, "{payment} is known to nobody: {self:?}");
        }
    }

    /// Whether this, or what came later, is there.
    pub(in crate::store) fn has(&self, written: Written) -> bool {
        match written {
            Written::Monitor(channel, update) => {
                self.monitors.get(&channel).is_some_and(|at| *at >= update)
            },
            Written::Manager(number) => self.manager >= number,
            Written::Payment(payment, PaymentStatus::Pending) => {
                self.records.contains_key(&payment)
            },
            Written::Payment(payment, status) => self.records.get(&payment) == Some(&status),
        }
    }
}

/// No payment has a higher number.
pub(in crate::store) const PAYMENTS: u16 = 1_000;
