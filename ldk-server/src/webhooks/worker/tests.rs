use std::cell::OnceCell;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;

use http::StatusCode;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, advance, timeout};

use super::*;
use crate::events::replaying;
use crate::executor::Executor;
use crate::store::{Store, testing};
use crate::webhooks::hook::consumer;
use crate::webhooks::record::NewWebhook;
use crate::webhooks::secret::Secret;

const DAY_SECS: u64 = 24 * 60 * 60;
/// Of the machine's clock, whatever that of a test shows.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static BEGIN: OnceCell<Instant> = const { OnceCell::new() };
}

/// Unix seconds by the clock of the test.
fn now() -> u64 {
    BEGIN.with(|begin| 1_800_000_000 + begin.get_or_init(Instant::now).elapsed().as_secs())
}

/// Takes messages as it is told to, and reports the id of each, and when it came.
#[derive(Clone)]
struct Receiver {
    attempts: mpsc::UnboundedSender<(String, Instant)>,
    answers: Arc<Mutex<VecDeque<Attempt>>>,
    /// What is answered when no other answer is left; `None` for no answer at all.
    otherwise: Arc<Mutex<Option<Attempt>>>,
}

impl Post for Receiver {
    async fn post(&self, _: &str, _: &Secret, message: &Message) -> Attempt {
        self.attempts.send((message.id.clone(), Instant::now())).unwrap();
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.or_else(|| self.otherwise.lock().unwrap().clone());
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

fn answered(status: u16) -> Attempt {
    Attempt::answered(StatusCode::from_u16(status).unwrap(), None)
}

struct Setting {
    store: Arc<Store>,
    hook: Arc<Hook>,
    receiver: Receiver,
    came: mpsc::UnboundedReceiver<(String, Instant)>,
    stop: CancellationToken,
    _dir: TempDir,
}

impl Setting {
    /// A webhook for these kinds, whose receiver answers 200.
    fn new(kinds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(testing::open(dir.path()));
        let record = Record::new(NewWebhook {
            url: "https://shop.example.org/".to_owned(),
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            label: String::new(),
            secret: Secret::random(),
        });
        store.add_event_consumer(consumer(&record.id), 0).unwrap();
        let hook = Arc::new(Hook::new(Arc::clone(&store), record, 0));
        let (attempts, came) = mpsc::unbounded_channel();
        let otherwise = Arc::new(Mutex::new(Some(answered(200))));
        let receiver = Receiver { attempts, answers: Arc::default(), otherwise };
        Self { store, hook, receiver, came, stop: CancellationToken::new(), _dir: dir }
    }

    fn answers(&self, statuses: &[u16]) {
        self.receiver.answers.lock().unwrap().extend(statuses.iter().copied().map(answered));
    }

    fn otherwise(&self, attempt: Option<Attempt>) {
        *self.receiver.otherwise.lock().unwrap() = attempt;
    }

    fn run(&self, pause_after_secs: u64) -> tokio::task::JoinHandle<()> {
        let (store, executor) = (Arc::clone(&self.store), Executor::new(1));
        let tools = Tools {
            source: Source { store, executor, replaying: replaying() },
            events: Arc::default(),
            receivers: self.receiver.clone(),
            metrics: AttemptMetrics::new().unwrap(),
            pause_after_secs,
            stop: self.stop.clone(),
            now,
        };
        tokio::spawn(Worker { hook: Arc::clone(&self.hook), tools }.run())
    }

    /// The number of the next event that comes, and when.
    async fn next(&mut self) -> (u64, Instant) {
        let (id, at) =
            timeout(Duration::from_secs(DAY_SECS), self.came.recv()).await.unwrap().unwrap();
        (id.split('_').nth(2).unwrap().parse().unwrap(), at)
    }

    async fn expect(&mut self, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            assert_eq!(self.next().await.0, index);
        }
    }

    async fn until(&self, condition: impl Fn(&Hook) -> bool) {
        let begun = std::time::Instant::now();
        while !condition(&self.hook) {
            assert!(begun.elapsed() < PATIENCE, "it does not come about");
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }

    async fn acknowledged(&self, index: u64) {
        let consumer = self.hook.consumer();
        let begun = std::time::Instant::now();
        while self.store.acknowledged_index(&consumer).unwrap() != Some(index) {
            assert!(begun.elapsed() < PATIENCE, "{index} is not acknowledged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order_and_are_acknowledged() {
    let mut setting = Setting::new(&[]);
    testing::record(&setting.store, 3);
    setting.run(DAY_SECS);
    setting.expect(1..=3).await;
    testing::record(&setting.store, 2);
    setting.expect(4..=5).await;
    setting.acknowledged(5).await;
}

#[tokio::test(start_paused = true)]
async fn events_of_other_kinds_are_passed_over_and_acknowledged() {
    let setting = Setting::new(&["payment_failed"]);
    setting.run(DAY_SECS);
    testing::record(&setting.store, 300);
    setting.acknowledged(300).await;
    assert!(setting.came.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_is_sent_again_with_growing_pauses_until_it_is_taken() {
    let mut setting = Setting::new(&[]);
    setting.answers(&[500, 404, 302, 503, 429]);
    testing::record(&setting.store, 2);
    setting.run(DAY_SECS);
    let (_, mut before) = setting.next().await;
    for pause in [1, 2, 4, 8, 16] {
        assert!(setting.hook.record().failing_since.is_some() || pause == 1);
        let (index, at) = setting.next().await;
        let waited = at - before;
        let pause = Duration::from_secs(pause);
        assert!((pause..=2 * pause + Duration::from_secs(1)).contains(&waited), "{waited:?}");
        assert_eq!(index, 1);
        before = at;
    }
    setting.expect([2]).await;
    setting.acknowledged(2).await;
    assert_eq!(setting.hook.record().failing_since, None);
    let shown = setting.hook.shown(2);
    assert_eq!((shown.last_status, shown.last_error.as_str()), (Some(200), ""));
    assert_eq!((shown.undelivered_events, shown.next_attempt_at), (0, None));
}

#[tokio::test(start_paused = true)]
async fn after_days_without_success_it_pauses_until_it_is_resumed() {
    let mut setting = Setting::new(&[]);
    setting.otherwise(Some(Attempt::failed("cannot connect".to_owned())));
    testing::record(&setting.store, 2);
    setting.run(3 * DAY_SECS);
    let begin = Instant::now();
    setting.until(Hook::is_paused).await;
    let (days, attempts) = (begin.elapsed().as_secs() / DAY_SECS, setting.came.len());
    assert_eq!(days, 3);
    // One or two in an hour.
    assert!((72..=180).contains(&attempts), "{attempts}");
    let shown = setting.hook.shown(2);
    assert!(shown.pause_reason.ends_with("the last attempt: cannot connect"), "{shown:?}");
    assert_eq!((shown.undelivered_events, shown.last_status), (2, None));
    while setting.came.try_recv().is_ok() {}
    advance(Duration::from_secs(DAY_SECS)).await;
    assert!(setting.came.is_empty());

    setting.otherwise(Some(answered(200)));
    setting.hook.change(|record| (record.paused, record.failing_since) = (None, None)).unwrap();
    setting.hook.woken.notify_one();
    setting.expect([1, 2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_left_alone_at_once() {
    let mut setting = Setting::new(&[]);
    setting.answers(&[200, 410]);
    testing::record(&setting.store, 3);
    setting.run(DAY_SECS);
    setting.until(Hook::is_paused).await;
    setting.expect([1, 2]).await;
    assert!(setting.came.is_empty());
    assert!(setting.hook.shown(3).pause_reason.contains("wants no more events"));
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_before_it_was_delivered_is_counted() {
    let mut setting = Setting::new(&[]);
    testing::record(&setting.store, 10);
    assert_eq!(setting.store.remove_old_events(0, 4).unwrap().events, 6);
    setting.run(DAY_SECS);
    setting.expect(7..=10).await;
    assert_eq!(setting.hook.record().lost_events, 6);
    setting.acknowledged(10).await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_does_not_answer_delays_no_other() {
    let (mut slow, mut quick) = (Setting::new(&[]), Setting::new(&[]));
    slow.otherwise(None);
    slow.run(DAY_SECS);
    quick.run(DAY_SECS);
    testing::record(&slow.store, 2);
    slow.expect([1]).await;
    testing::record(&quick.store, 200);
    quick.expect(1..=200).await;
    assert!(slow.came.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_deleted_ends_amid_a_delivery_and_leaves_nothing() {
    let mut setting = Setting::new(&[]);
    setting.otherwise(None);
    testing::record(&setting.store, 1);
    let worker = setting.run(DAY_SECS);
    setting.expect([1]).await;
    setting.hook.delete().unwrap();
    worker.await.unwrap();
    setting.hook.change(|record| record.lost_events = 1).unwrap();
    assert!(setting.store.keys(crate::webhooks::record::RECORDS).unwrap().is_empty());
    assert!(setting.store.event_consumers().unwrap().0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_an_attempt_only_so_long() {
    let mut setting = Setting::new(&[]);
    setting.otherwise(None);
    testing::record(&setting.store, 1);
    let worker = setting.run(DAY_SECS);
    setting.expect([1]).await;
    let begin = Instant::now();
    setting.stop.cancel();
    worker.await.unwrap();
    assert_eq!(begin.elapsed(), STOP_GRACE);
    assert_eq!(setting.hook.position(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_breaks_off_a_pause_at_once() {
    let mut setting = Setting::new(&[]);
    setting.otherwise(Some(answered(503)));
    testing::record(&setting.store, 1);
    let worker = setting.run(DAY_SECS);
    for _ in 0..8 {
        setting.next().await;
    }
    let begin = Instant::now();
    setting.stop.cancel();
    worker.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1));
}
