//! A TCP proxy in front of a server, which can be closed and opened again, and stands for a network
//! that loses or delays what is sent.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::ports::Port;

const BUFFER_BYTES: usize = 65_536;

/// A port that is forwarded to a server while it is open. While it is closed nobody listens there.
pub struct TcpProxy {
    port: Port,
    /// Forwards, or is ending.
    passing: Mutex<Option<JoinHandle<()>>>,
    network: Arc<Network>,
}

/// What may happen to what is passed on.
struct Network {
    holds: watch::Sender<Holds>,
    /// An answer with these bytes is lost, and the connection with it.
    lost_answer: Mutex<Option<Vec<u8>>>,
    lost_answers: AtomicU32,
}

/// What is not passed on for the time being.
#[derive(Clone, Copy, Debug, Default)]
struct Holds {
    questions: bool,
    answers: bool,
}

/// Where bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Questions,
    Answers,
}

impl TcpProxy {
    /// One that is closed.
    pub fn closed() -> Result<Self> {
        let network = Network {
            holds: watch::Sender::default(),
            lost_answer: Mutex::default(),
            lost_answers: AtomicU32::new(0),
        };
        let (port, network) = (Port::claim()?, Arc::new(network));
        Ok(Self { port, passing: Mutex::default(), network })
    }

    /// `host:port` of this side.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Forwards new connections to `target`, from now on.
    pub async fn open(&self, target: String) -> Result<()> {
        self.open_slowly(target, Duration::ZERO).await
    }

    /// As [`open`](Self::open), but delays every answer of the target.
    pub async fn open_slowly(&self, target: String, delay: Duration) -> Result<()> {
        self.close();
        let before = lock(&self.passing).take();
        if let Some(before) = before {
            // It has to let go of the port. That it was aborted is no failure.
            let _ = before.await;
        }
        let listener = TcpListener::bind(self.port.address()).await?;
        let network = Arc::clone(&self.network);
        let passing = tokio::spawn(async move {
            // Those that are under way end with this task.
            let mut connections = JoinSet::new();
            while let Ok((inside, _)) = listener.accept().await {
                let (target, network) = (target.clone(), Arc::clone(&network));
                connections.spawn(async move {
                    let outside = TcpStream::connect(target).await?;
                    pass(inside, outside, delay, &network).await
                });
                while connections.try_join_next().is_some() {}
            }
        });
        *lock(&self.passing) = Some(passing);
        Ok(())
    }

    /// Refuses new connections from now on, and breaks off open ones.
    pub fn close(&self) {
        if let Some(passing) = &*lock(&self.passing) {
            passing.abort();
        }
    }

    /// Passes nothing on from now on, and breaks nothing off: a network that loses everything. What is
    /// sent meanwhile arrives after [`release`](Self::release), as TCP sends it again.
    pub fn hold(&self) {
        self.network.holds.send_replace(Holds { questions: true, answers: true });
    }

    /// As [`hold`](Self::hold), but what is sent to the target still arrives there.
    pub fn hold_answers(&self) {
        self.network.holds.send_replace(Holds { questions: false, answers: true });
    }

    /// Passes on what was held.
    pub fn release(&self) {
        self.network.holds.send_replace(Holds::default());
    }

    /// Breaks the connection off at the next answer that has these bytes in it, which is lost.
    pub fn lose_answer(&self, with: &[u8]) {
        *lock(&self.network.lost_answer) = Some(with.to_vec());
    }

    /// How many answers were lost.
    pub fn lost_answers(&self) -> u32 {
        self.network.lost_answers.load(Ordering::Relaxed)
    }
}

impl Network {
    /// Waits until it may be passed on.
    async fn let_through(&self, direction: Direction) {
        let is_free = |holds: &Holds| match direction {
            Direction::Questions => !holds.questions,
            Direction::Answers => !holds.answers,
        };
        // It fails when the proxy is gone, and this task with it.
        let _ = self.holds.subscribe().wait_for(is_free).await;
    }

    /// Whether this answer is lost.
    fn loses(&self, answer: &[u8]) -> bool {
        let mut lost = lock(&self.lost_answer);
        let is_lost = lost.as_ref().is_some_and(|with| {
            answer.windows(with.len().max(1)).any(|part| part == with.as_slice())
        });
        if is_lost {
            *lost = None;
            self.lost_answers.fetch_add(1, Ordering::Relaxed);
        }
        is_lost
    }
}

/// Copies in both directions, until both sides have closed theirs.
async fn pass(
    mut inside: TcpStream,
    mut outside: TcpStream,
    delay: Duration,
    network: &Network,
) -> io::Result<()> {
    // It is to be no slower than it is told.
    inside.set_nodelay(true)?;
    outside.set_nodelay(true)?;
    let (from_inside, to_inside) = inside.split();
    let (from_outside, to_outside) = outside.split();
    let questions = carry(from_inside, to_outside, Direction::Questions, Duration::ZERO, network);
    let answers = carry(from_outside, to_inside, Direction::Answers, delay, network);
    tokio::try_join!(questions, answers).map(drop)
}

async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    delay: Duration,
    network: &Network,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if !delay.is_zero() {
            pause(delay).await?;
        }
        network.let_through(direction).await;
        let bytes = &buffer[..length];
        if direction == Direction::Answers && network.loses(bytes) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match length {
            0 => return to.shutdown().await,
            _ => to.write_all(bytes).await?,
        }
    }
}

/// Waits for this time, and hardly longer. Tokio's clock ticks once a millisecond, so that what is measured
/// through a proxy would be slower than it is told.
async fn pause(time: Duration) -> io::Result<()> {
    const TICKS: Duration = Duration::from_millis(2);
    let end = Instant::now() + time;
    sleep(time.saturating_sub(TICKS)).await;
    #[expect(clippy::disallowed_methods, reason = "the time is what is asked for")]
    let rest = move || std::thread::sleep(end.saturating_duration_since(Instant::now()));
    Ok(spawn_blocking(rest).await?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.close();
    }
}
