//! The library is played: monitors, managers that are serialized at one moment and queued at another,
//! payments. Whatever the order of things, each cut must be a state that a node starts from without
//! closing a channel or losing sight of a payment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::cut::PATIENCE;
use super::entry::PAYMENT_PATIENCE;
use super::*;
use crate::compat::testing;

const CHANNELS: u8 = 3;
const PAYMENTS: u8 = 4;

/// What a manager knows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Manager {
    channels: BTreeMap<u8, u64>,
    payments: BTreeSet<u8>,
}

/// What was written.
#[derive(Clone, Debug)]
enum Written {
    Monitor(u8, u64),
    Manager(Manager),
    Payment(u8, Status),
    Own,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Pending,
    Succeeded,
}

fn channel_id(channel: u8) -> Id {
    [channel + 1; 32]
}

fn payment_id(payment: u8) -> Id {
    [0x80 + payment; 32]
}

/// In the format of the library, as far as it is looked at.
fn serialize(manager: &Manager) -> Arc<Vec<u8>> {
    let channels = manager.channels.iter().map(|(channel, update)| (channel_id(*channel), *update));
    let payments = manager.payments.iter().map(|payment| payment_id(*payment));
    Arc::new(testing::manager(channels, payments))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The state of a channel changes, or it gets its first.
    Update(u8),
    /// A monitor is written once more, as for a block.
    Rewrite(u8),
    /// The manager is serialized, if the one before was queued.
    Serialize,
    /// It is queued.
    Queue,
    /// A payment takes its next step: handed to the library, known to it, written down, over.
    Pay(u8, u8),
    /// The server writes something of its own.
    Own,
    /// The thread that writes takes what it can.
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..CHANNELS).prop_map(Step::Update),
        1 => (0..CHANNELS).prop_map(Step::Rewrite),
        3 => Just(Step::Serialize),
        3 => Just(Step::Queue),
        4 => (0..PAYMENTS, 0..CHANNELS).prop_map(|(payment, channel)| Step::Pay(payment, channel)),
        1 => Just(Step::Own),
        3 => Just(Step::Cut),
    ]
}

struct Play {
    order: Order<String, Written>,
    now: Instant,
    position: Position,
    library: Manager,
    serialized: Option<Manager>,
    pins: HashMap<u8, u64>,
    stages: HashMap<u8, u8>,
    committed: BTreeSet<Position>,
    monitors: BTreeMap<u8, u64>,
    manager: Manager,
    payments: BTreeMap<u8, Status>,
}

impl Play {
    fn new() -> Self {
        Self {
            order: Order::new(),
            now: Instant::now(),
            position: 0,
            library: Manager::default(),
            serialized: None,
            pins: HashMap::new(),
            stages: HashMap::new(),
            committed: BTreeSet::new(),
            monitors: BTreeMap::new(),
            manager: Manager::default(),
            payments: BTreeMap::new(),
        }
    }

    fn push(&mut self, kind: Kind, key: Option<String>, written: Written) {
        self.position += 1;
        self.order.push(self.position, kind, key, written, self.now);
    }

    fn monitor(&mut self, channel: u8, is_first: bool) {
        let update = self.library.channels[&channel];
        let kind = Kind::Monitor { channel: channel_id(channel), update, is_first };
        self.push(kind, Some(format!("{channel}")), Written::Monitor(channel, update));
    }

    fn update(&mut self, channel: u8) {
        let is_first = !self.library.channels.contains_key(&channel);
        let update = self.library.channels.entry(channel).or_default();
        *update += u64::from(!is_first);
        self.monitor(channel, is_first);
    }

    fn queue(&mut self) {
        if let Some(manager) = self.serialized.take() {
            let kind = Kind::Manager(serialize(&manager));
            self.push(kind, Some("manager".to_owned()), Written::Manager(manager));
        }
    }

    fn pay(&mut self, payment: u8, channel: u8) {
        let stage = self.stages.entry(payment).or_default();
        *stage += 1;
        let id = payment_id(payment);
        match *stage {
            1 => drop(self.pins.insert(payment, self.order.pin())),
            2 => {
                self.library.payments.insert(payment);
                self.update(channel);
            },
            3 => {
                let written = Written::Payment(payment, Status::Pending);
                self.push(Kind::Outbound(id), Some(format!("payment {payment}")), written);
                let pin = self.pins.remove(&payment).unwrap();
                self.order.unpin(pin, self.now);
            },
            4 => {
                self.update(channel);
                let written = Written::Payment(payment, Status::Succeeded);
                self.push(Kind::Plain, Some(format!("payment {payment}")), written);
            },
            5 => drop(self.library.payments.remove(&payment)),
            _ => {},
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Update(channel) => self.update(channel),
            Step::Rewrite(channel) if self.library.channels.contains_key(&channel) => {
                self.monitor(channel, false);
            },
            Step::Rewrite(_) => {},
            Step::Serialize => {
                self.serialized.get_or_insert_with(|| self.library.clone());
            },
            Step::Queue => self.queue(),
            Step::Pay(payment, channel) => self.pay(payment, channel),
            Step::Own => self.push(Kind::Plain, None, Written::Own),
            Step::Cut => self.cut(),
        }
    }

    fn cut(&mut self) {
        let Cut { entries, watermark } = self.order.cut(self.now);
        for entry in entries {
            assert!(self.committed.insert(entry.position()), "it is committed once");
            match entry.payload {
                Written::Monitor(channel, update) => {
                    let before = self.monitors.insert(channel, update);
                    assert!(before <= Some(update), "a monitor went back");
                },
                Written::Manager(manager) => self.manager = manager,
                Written::Payment(payment, status) => {
                    let before = self.payments.insert(payment, status);
                    assert_ne!(before, Some(Status::Succeeded), "a record went back");
                },
                Written::Own => {},
            }
        }
        let missing = (1..=watermark).find(|position| !self.committed.contains(position));
        assert_eq!(missing, None, "not all before {watermark} is committed");
        self.check();
    }

    /// What a node would start from now.
    fn check(&self) {
        assert_eq!(self.monitors, self.manager.channels, "the manager fits the monitors");
        for payment in &self.manager.payments {
            assert!(self.payments.contains_key(payment), "{payment} has no record");
        }
        for (payment, status) in &self.payments {
            let is_known = self.manager.payments.contains(payment);
            assert!(is_known || *status == Status::Succeeded, "{payment} is known to nobody");
        }
        assert_eq!(self.order.counts.forced, 0);
        assert_eq!(self.order.counts.inversions, 0);
    }

    /// The library comes to rest: its last manager knows everything.
    fn end(&mut self) {
        for payment in 0..PAYMENTS {
            while self.stages.get(&payment).is_some_and(|stage| *stage < 3) {
                self.pay(payment, 0);
            }
        }
        self.queue();
        self.take(Step::Serialize);
        self.queue();
        self.cut();
        assert_eq!(self.order.len(), 0, "{:?}", self.order);
        assert_eq!(self.manager, self.library);
        assert_eq!(self.committed.len() as u64, self.position);
        assert_eq!(self.order.take_over(), Vec::<Id>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..Default::default() })]

    #[test]
    fn every_cut_is_a_state_to_start_from(steps in prop::collection::vec(step(), 0..120)) {
        let mut play = Play::new();
        for step in steps {
            play.take(step);
        }
        play.end();
    }
}

fn cut_at(play: &mut Play, after: Duration) -> Vec<Written> {
    let cut = play.order.cut(play.now + after);
    cut.entries.into_iter().map(|entry| entry.payload).collect()
}

#[test]
fn what_waits_alone_is_written_at_last() {
    let mut play = Play::new();
    play.update(0);
    assert!(!play.order.has_cut(play.now));
    assert_eq!(play.order.look_again_in(play.now), Some(PATIENCE));
    assert!(play.order.has_cut(play.now + PATIENCE));
    assert_eq!(cut_at(&mut play, PATIENCE).len(), 1);
    assert_eq!(play.order.take_counts().forced, 1);
    assert_eq!(play.order.waited(play.now), None);
}

#[test]
fn a_manager_that_is_held_back_too_long_is_written_too() {
    let mut play = Play::new();
    play.pay(0, 0);
    play.update(1);
    play.take(Step::Serialize);
    play.queue();
    assert!(cut_at(&mut play, Duration::ZERO).is_empty());
    let written = cut_at(&mut play, PATIENCE);
    assert!(matches!(written[..], [Written::Monitor(1, 0), Written::Manager(_)]), "{written:?}");
}

#[test]
fn a_payment_that_was_over_before_it_was_written_down_has_failed() {
    let mut play = Play::new();
    let key = || Some("payment 0".to_owned());
    let written = Written::Payment(0, Status::Pending);
    play.push(Kind::Outbound(payment_id(0)), key(), written);
    assert!(cut_at(&mut play, Duration::ZERO).is_empty());
    // It may have been serialized before the payment was begun.
    play.take(Step::Serialize);
    play.queue();
    assert_eq!(cut_at(&mut play, Duration::ZERO).len(), 1, "the manager goes ahead");
    assert_eq!(play.order.look_again_in(play.now), Some(PAYMENT_PATIENCE));
    assert_eq!(cut_at(&mut play, PAYMENT_PATIENCE).len(), 1);
    assert_eq!(play.order.take_over(), Vec::<Id>::new());
    play.take(Step::Serialize);
    play.queue();
    assert_eq!(play.order.take_over(), [payment_id(0)]);
}

#[test]
fn a_payment_that_a_later_manager_knows_is_under_way() {
    let mut play = Play::new();
    let written = Written::Payment(0, Status::Pending);
    play.push(Kind::Outbound(payment_id(0)), Some("payment 0".to_owned()), written);
    play.take(Step::Serialize);
    play.queue();
    assert_eq!(cut_at(&mut play, PAYMENT_PATIENCE).len(), 2);
    play.library.payments.insert(0);
    for _ in 0..2 {
        play.take(Step::Serialize);
        play.queue();
    }
    play.library.payments.remove(&0);
    play.take(Step::Serialize);
    play.queue();
    assert_eq!(play.order.take_over(), Vec::<Id>::new());
}

#[test]
fn an_update_that_is_held_back_has_the_number_of_another_one() {
    let mut play = Play::new();
    play.update(0);
    let mut bytes =
        serialize(&Manager { channels: [(0, 9)].into(), ..Manager::default() }).to_vec();
    bytes.extend(testing::held_back(0));
    play.push(Kind::Manager(Arc::new(bytes)), None, Written::Own);
    assert_eq!(cut_at(&mut play, Duration::ZERO).len(), 1, "the manager goes ahead");
    play.take(Step::Serialize);
    play.queue();
    assert_eq!(cut_at(&mut play, Duration::ZERO).len(), 2);
}

#[test]
fn a_closed_channel_needs_a_manager_without_it() {
    let mut play = Play::new();
    play.order.begin_with([(channel_id(0), 7)].into(), None);
    let kind = Kind::Monitor { channel: channel_id(0), update: 8, is_first: false };
    play.push(kind, None, Written::Own);
    let manager = Manager { channels: [(0, 7)].into(), ..Manager::default() };
    play.push(Kind::Manager(serialize(&manager)), None, Written::Own);
    assert_eq!(cut_at(&mut play, Duration::ZERO).len(), 1, "an older manager goes ahead");
    play.push(Kind::Manager(serialize(&Manager::default())), None, Written::Own);
    assert_eq!(cut_at(&mut play, Duration::ZERO).len(), 2);
}

#[test]
fn a_new_channel_that_no_manager_has_needs_two() {
    let mut play = Play::new();
    let kind = Kind::Monitor { channel: channel_id(0), update: 0, is_first: true };
    play.push(kind, None, Written::Own);
    for written in [1, 2] {
        play.push(Kind::Manager(serialize(&Manager::default())), None, Written::Own);
        assert_eq!(cut_at(&mut play, Duration::ZERO).len(), written);
    }
}

#[test]
fn a_manager_that_knows_too_much_waits_for_the_next() {
    let mut play = Play::new();
    play.order.begin_with([(channel_id(0), 1), (channel_id(1), 1)].into(), None);
    for channel in [0, 1] {
        let kind = Kind::Monitor { channel: channel_id(channel), update: 2, is_first: false };
        play.push(kind, None, Written::Own);
    }
    for (first, written) in [(1, 0), (2, 4)] {
        let manager = Manager { channels: [(0, first), (1, 2)].into(), ..Manager::default() };
        play.push(Kind::Manager(serialize(&manager)), None, Written::Own);
        assert_eq!(cut_at(&mut play, Duration::ZERO).len(), written);
    }
    assert_eq!(play.order.take_counts().inversions, 1);
}

#[test]
fn a_payment_that_is_tried_again_keeps_the_order_of_its_records() {
    let mut play = Play::new();
    play.update(1);
    let key = || Some("payment 0".to_owned());
    play.push(Kind::Outbound(payment_id(0)), key(), Written::Payment(0, Status::Pending));
    play.push(Kind::Plain, key(), Written::Own);
    play.push(Kind::Outbound(payment_id(0)), key(), Written::Payment(0, Status::Pending));
    // It knows the payment, and not yet the channel.
    let manager = Manager { payments: [0].into(), ..Manager::default() };
    play.push(Kind::Manager(serialize(&manager)), None, Written::Manager(manager));
    let written = cut_at(&mut play, Duration::ZERO);
    let is_right = matches!(
        written[..],
        [Written::Payment(..), Written::Own, Written::Payment(..), Written::Manager(_)]
    );
    assert!(is_right, "{written:?}");
}

/// What is written and up to where, when it is cut now.
fn cut_of(order: &mut Order<String, u8>, now: Instant) -> (Vec<u8>, Position) {
    let Cut { entries, watermark } = order.cut(now);
    (entries.into_iter().map(|entry| entry.payload).collect(), watermark)
}

#[test]
fn what_is_in_no_hurry_shares_the_cut_of_others() {
    let (mut order, now) = (Order::new(), Instant::now());
    order.push_deferred(0, 1, now);
    assert!(!order.has_cut(now));
    assert_eq!(order.look_again_in(now), Some(DEFERRAL));
    order.push(1, Kind::Plain, None, 2, now);
    order.push_deferred(1, 3, now);
    assert!(order.has_cut(now));
    assert_eq!(cut_of(&mut order, now), (vec![1, 2, 3], 1));
    assert!(!order.has_cut(now));
    assert_eq!(order.look_again_in(now), None);
}

#[test]
fn what_is_in_no_hurry_is_cut_soon_or_when_it_is_asked_for() {
    let (mut order, now) = (Order::new(), Instant::now());
    order.push_deferred(0, 1, now);
    assert!(order.has_cut(now + DEFERRAL));
    let second = order.push_deferred(0, 2, now);
    assert!(order.hurry(second) && order.has_cut(now));
    assert_eq!(cut_of(&mut order, now), (vec![1, 2], 0));
    assert!(!order.hurry(second), "it is gone");
    let third = order.push_deferred(0, 3, now);
    assert!(!order.hurry(second), "a later one is not meant");
    assert!(order.hurry(third));
    for number in 0..=u8::MAX {
        order.push_deferred(0, number, now);
    }
    assert!(order.has_cut(now), "there are too many");
}

#[test]
fn what_is_in_no_hurry_is_not_before_what_it_was_put_behind() {
    let (mut order, now) = (Order::new(), Instant::now());
    order.begin_with([(channel_id(0), 1)].into(), None);
    order.push_deferred(0, 1, now);
    let kind = Kind::Monitor { channel: channel_id(0), update: 2, is_first: false };
    order.push(1, kind, None, 2, now);
    order.push_deferred(1, 3, now);
    let later = now + DEFERRAL;
    assert!(order.has_cut(later));
    assert_eq!(cut_of(&mut order, later), (vec![1], 0));
    assert!(!order.has_cut(later + DEFERRAL));
    let manager = Manager { channels: [(0, 2)].into(), ..Manager::default() };
    order.push(2, Kind::Manager(serialize(&manager)), None, 4, later);
    assert_eq!(cut_of(&mut order, later), (vec![2, 3, 4], 2));
}

#[test]
fn what_comes_first_is_in_the_cut_of_the_monitor_that_follows_from_it() {
    let (mut order, now) = (Order::new(), Instant::now());
    order.begin_with([(channel_id(1), 1)].into(), None);
    let pin = order.pin();
    let monitor =
        |channel, is_first| Kind::Monitor { channel: channel_id(channel), update: 2, is_first };
    order.push(1, monitor(0, true), None, 1, now);
    // A manager that has the new channel and not yet what comes to another one.
    let manager = Manager { channels: [(0, 2)].into(), ..Manager::default() };
    order.push(2, Kind::Manager(serialize(&manager)), None, 2, now);
    order.push(3, monitor(1, false), None, 3, now);
    assert!(!order.has_cut(now));
    order.push_first(4, 9);
    assert!(order.has_cut(now));
    order.unpin(pin, now);
    let (cut, durable) = cut_of(&mut order, now);
    assert_eq!(cut.first(), Some(&9), "{cut:?}");
    assert!(durable < 3, "the other monitor waits");
}
