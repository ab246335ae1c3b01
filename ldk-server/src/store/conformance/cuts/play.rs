//! The library at work: channels change, managers come late, payments begin and end.

use std::collections::BTreeMap;

use ldk_node::payment::PaymentStatus::{Pending, Succeeded};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::library::{Library, PAYMENTS};
use crate::store::SendPin;

const CHANNELS: u8 = 4;

/// Plays it, one step after the other.
pub(in crate::store) struct Play<'a> {
    pub(in crate::store) library: Library<'a>,
    random: StdRng,
    /// Payments that are being handed to the library.
    pins: BTreeMap<u16, Option<SendPin>>,
    under_way: Vec<u16>,
    over: Vec<u16>,
    next_payment: u16,
}

impl<'a> Play<'a> {
    pub(in crate::store) fn new(library: Library<'a>, seed: u64) -> Self {
        Self {
            library,
            random: StdRng::seed_from_u64(seed),
            pins: BTreeMap::new(),
            under_way: Vec::new(),
            over: Vec::new(),
            next_payment: 0,
        }
    }

    fn channel(&mut self) -> u8 {
        self.random.random_range(0..CHANNELS)
    }

    /// Takes a step; tells which payment has succeeded by it.
    pub(in crate::store) fn step(&mut self) -> Option<u16> {
        let channel = self.channel();
        match self.random.random_range(0..12) {
            0..=2 => self.library.update(channel),
            3 if self.library.channels.contains_key(&channel) => self.library.write_whole(channel),
            4 | 5 => self.library.serialize(),
            6 | 7 => self.library.write_manager(),
            8 => self.begin_payment(channel),
            9 => self.written_down(),
            10 => return self.succeed(channel),
            _ => self.forget(),
        }
        None
    }

    fn begin_payment(&mut self, channel: u8) {
        if self.next_payment < PAYMENTS {
            let pin = self.library.begin_payment(self.next_payment, channel);
            self.pins.insert(self.next_payment, pin);
            self.next_payment += 1;
        }
    }

    /// The library writes down that a payment is pending.
    fn written_down(&mut self) {
        if let Some((payment, pin)) = self.pins.pop_first() {
            self.library.record(payment, Pending);
            drop(pin);
            self.under_way.push(payment);
        }
    }

    fn succeed(&mut self, channel: u8) -> Option<u16> {
        let payment = self.under_way.pop()?;
        self.library.update(channel);
        self.library.record(payment, Succeeded);
        self.over.push(payment);
        Some(payment)
    }

    fn forget(&mut self) {
        if let Some(payment) = self.over.pop() {
            self.library.payments.remove(&payment);
        }
    }

    /// Until nothing waits: all is written down, and the last manager knows of it.
    pub(in crate::store) fn rest(&mut self) {
        while !self.pins.is_empty() {
            self.written_down();
        }
        self.library.manage();
    }
}
