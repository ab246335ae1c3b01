//! Forwards lines of JSON between the library and an Electrum server. Broadcasts are held; later
//! requests on the same connection overtake them, which the protocol allows: answers have ids.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader, split,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answers::by_electrum;
use super::hold::{Held, Hold, Refused, Written};
use super::requests;
use super::server::Server;

/// Enough for several of the largest transactions that are relayed, in hexadecimal digits.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// How long the server may take for the last answers after the library has closed the connection.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Longer than every answer to a broadcast.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// How many lines may wait for the server.
const QUEUE: usize = 4;

/// Methods that broadcast transactions.
const BROADCASTS: [&str; 2] =
    ["blockchain.transaction.broadcast", "blockchain.transaction.broadcast_package"];

/// Forwards lines to a server.
#[derive(Clone)]
pub(super) struct ElectrumProxy {
    server: Server,
    hold: Arc<Hold>,
    closing: CancellationToken,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a line is longer than {MAX_LINE_BYTES} bytes")]
    LongLine,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the server no longer reads")]
    NotReading,
}

type Line = Vec<u8>;

/// The unanswered broadcasts of a connection, by the ids of their requests.
#[derive(Default)]
struct PendingBroadcasts(Mutex<HashMap<String, Written>>);

/// A request or an answer, which has an id.
#[derive(Deserialize)]
struct Numbered {
    id: Value,
}

impl ElectrumProxy {
    pub(super) fn new(server: Server, hold: Arc<Hold>, closing: CancellationToken) -> Self {
        Self { server, hold, closing }
    }

    /// Connects to the server, and forwards requests and answers until one side closes the
    /// connection.
    pub(super) async fn serve(self, near: TcpStream) {
        // Without a server, the connection of the library closes at once.
        let Ok(far) = self.server.connect().await else { return };
        let (near_reader, near_writer) = split(near);
        let (far_reader, far_writer) = split(far);
        let asked = PendingBroadcasts::default();
        let mut questions = pin!(self.questions(near_reader, far_writer, &asked));
        let mut answers = pin!(answers(far_reader, near_writer, &asked));
        let ended = tokio::select! {
            () = answers.as_mut() => return,
            ended = questions.as_mut() => ended,
        };
        match ended {
            // Closing at once could discard the last lines.
            Ok(()) => drop(timeout(LAST_ANSWERS, answers).await),
            Err(error) => tracing::debug!(%error, "a connection to the chain source ended"),
        }
    }

    /// Forwards all requests of the library, and those that are held.
    async fn questions(
        &self,
        near: impl AsyncRead + Unpin,
        far: impl AsyncWrite + Unpin,
        asked: &PendingBroadcasts,
    ) -> Result<(), Broken> {
        let (lines, to_write) = channel(QUEUE);
        // As many as can be held.
        let (broadcasts, to_hold) = channel(Hold::MAX_WAITING);
        tokio::try_join!(
            self.sort(BufReader::new(near), lines.clone(), broadcasts),
            release(to_hold, lines, asked),
            write(to_write, far),
        )?;
        Ok(())
    }

    /// Reads requests, and separates broadcasts from others.
    async fn sort(
        &self,
        mut near: impl AsyncBufRead + Unpin,
        lines: Sender<Line>,
        broadcasts: Sender<(Held, Line)>,
    ) -> Result<(), Broken> {
        while let Some(line) = self.next_line(&mut near).await? {
            if requests::ask_for(&BROADCASTS, &line) {
                let held = self.hold.enter(requests::transactions(&BROADCASTS, &line))?;
                broadcasts.send((held, line)).await.map_err(|_| Broken::NotReading)?;
            } else {
                lines.send(line).await.map_err(|_| Broken::NotReading)?;
            }
        }
        Ok(())
    }

    async fn next_line(
        &self,
        near: &mut (impl AsyncBufRead + Unpin),
    ) -> Result<Option<Line>, Broken> {
        match self.closing.run_until_cancelled(read_line(near)).await {
            Some(line) => line,
            None => Ok(None),
        }
    }
}

/// The next line with its newline; `None` at the end. An incomplete line does not count.
async fn read_line(near: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Line>, Broken> {
    let mut line = Vec::new();
    let read = near.take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line).await;
    match line.last() {
        // The connection was reset; earlier lines count.
        _ if read.is_err() => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() == MAX_LINE_BYTES => Err(Broken::LongLine),
        Some(_) | None => Ok(None),
    }
}

/// Forwards each broadcast when it is released, in order.
async fn release(
    mut broadcasts: Receiver<(Held, Line)>,
    lines: Sender<Line>,
    asked: &PendingBroadcasts,
) -> Result<(), Broken> {
    while let Some((held, line)) = broadcasts.recv().await {
        let turn = held.released().await?;
        asked.add(&line, turn.written());
        turn.until(lines.send(line)).await.map_err(|_| Broken::NotReading)?;
    }
    Ok(())
}

async fn write(mut lines: Receiver<Line>, mut far: impl AsyncWrite + Unpin) -> Result<(), Broken> {
    while let Some(line) = lines.recv().await {
        far.write_all(&line).await?;
        far.flush().await?;
    }
    Ok(far.shutdown().await?)
}

/// Forwards all answers of the server. After the library has closed the connection, goes on
/// reading: the server may still get a broadcast and answer it.
async fn answers(
    mut far: impl AsyncRead + Unpin,
    mut near: impl AsyncWrite + Unpin,
    asked: &PendingBroadcasts,
) {
    let (mut buffer, mut line, mut is_near) = (vec![0; READ_BYTES], Line::new(), true);
    while let Ok(length @ 1..) = far.read(&mut buffer).await {
        let bytes = &buffer[..length];
        asked.observe(bytes, &mut line);
        is_near = is_near && near.write_all(bytes).await.is_ok() && near.flush().await.is_ok();
    }
    let _ = near.shutdown().await;
}

impl PendingBroadcasts {
    /// Adds a broadcast that is sent.
    fn add(&self, request: &[u8], written: Written) {
        if let Ok(Numbered { id }) = serde_json::from_slice(request)
            && written.is_any()
        {
            self.all().insert(id.to_string(), written);
        }
    }

    /// Looks for answers in the next bytes of the server; `line` is the beginning of an incomplete
    /// line.
    fn observe(&self, bytes: &[u8], line: &mut Line) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.len() <= MAX_ANSWER_BYTES {
                line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.answered(line);
                line.clear();
            }
        }
    }

    fn answered(&self, line: &[u8]) {
        if line.len() > MAX_ANSWER_BYTES || self.all().is_empty() {
            return;
        }
        let Ok(Numbered { id }) = serde_json::from_slice(line) else { return };
        let written = self.all().remove(&id.to_string());
        if let Some((written, answer)) = written.zip(by_electrum(line)) {
            written.answered(&answer);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
