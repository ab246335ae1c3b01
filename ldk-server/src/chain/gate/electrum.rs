//! Lines of JSON between the library and an Electrum server. Broadcasts are held; what comes after
//! them on the same connection overtakes them, and answers have numbers.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader, copy, sink, split,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::hold::{Held, Hold, Refused};
use super::requests;
use super::server::Server;

/// Enough for several of the largest transactions that are relayed, in hexadecimal digits.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// How long the server may take to answer the last lines when the library has gone.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Lines that wait for the server to read.
const QUEUE: usize = 4;

/// Methods that broadcast transactions.
const BROADCASTS: [&str; 2] =
    ["blockchain.transaction.broadcast", "blockchain.transaction.broadcast_package"];

/// Passes lines on to a server.
#[derive(Clone)]
pub(super) struct ElectrumProxy {
    server: Server,
    hold: Arc<Hold>,
    closing: CancellationToken,
}

/// Why a connection is broken off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a line is longer than {MAX_LINE_BYTES} bytes")]
    LongLine,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the server no longer reads")]
    Deaf,
}

type Line = Vec<u8>;

impl ElectrumProxy {
    pub(super) fn new(server: Server, hold: Arc<Hold>, closing: CancellationToken) -> Self {
        Self { server, hold, closing }
    }

    /// Connects to the server, and passes on what the two say to each other until one of them ends.
    pub(super) async fn serve(self, near: TcpStream) {
        // Without a server, the library sees the end of its connection at once.
        let Ok(far) = self.server.connect().await else { return };
        let (near_reader, near_writer) = split(near);
        let (far_reader, far_writer) = split(far);
        let mut questions = pin!(self.questions(near_reader, far_writer));
        let mut answers = pin!(answers(far_reader, near_writer));
        let ended = tokio::select! {
            () = answers.as_mut() => return,
            ended = questions.as_mut() => ended,
        };
        match ended {
            // Closing at once could take the last lines back.
            Ok(()) => drop(timeout(LAST_ANSWERS, answers).await),
            Err(error) => tracing::debug!("a connection to the chain source ended: {error}"),
        }
    }

    /// Passes on all that the library says, and then what is held.
    async fn questions(
        &self,
        near: impl AsyncRead + Unpin,
        far: impl AsyncWrite + Unpin,
    ) -> Result<(), Broken> {
        let (lines, to_write) = channel(QUEUE);
        // As many as can be held.
        let (broadcasts, to_hold) = channel(Hold::MAX_WAITING);
        tokio::try_join!(
            self.sort(BufReader::new(near), lines.clone(), broadcasts),
            release(to_hold, lines),
            write(to_write, far),
        )?;
        Ok(())
    }

    /// Reads lines, and tells broadcasts from others.
    async fn sort(
        &self,
        mut near: impl AsyncBufRead + Unpin,
        lines: Sender<Line>,
        broadcasts: Sender<(Held, Line)>,
    ) -> Result<(), Broken> {
        while let Some(line) = self.next_line(&mut near).await? {
            if requests::ask_for(&BROADCASTS, &line) {
                let held = self.hold.enter()?;
                broadcasts.send((held, line)).await.map_err(|_| Broken::Deaf)?;
            } else {
                lines.send(line).await.map_err(|_| Broken::Deaf)?;
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

/// The next line with its end; `None` if there is none. What has no end is not a line.
async fn read_line(near: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Line>, Broken> {
    let mut line = Vec::new();
    let read = near.take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line).await;
    match line.last() {
        // It has gone without a word; what it said before counts.
        _ if read.is_err() => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() == MAX_LINE_BYTES => Err(Broken::LongLine),
        Some(_) | None => Ok(None),
    }
}

/// Passes each broadcast on when it may be, in their order.
async fn release(
    mut broadcasts: Receiver<(Held, Line)>,
    lines: Sender<Line>,
) -> Result<(), Broken> {
    while let Some((held, line)) = broadcasts.recv().await {
        let turn = held.released().await?;
        turn.until(lines.send(line)).await.map_err(|_| Broken::Deaf)?;
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

/// Passes on all that the server says. When the library has gone it only listens: the server may
/// still have to hear of a broadcast.
async fn answers(mut far: impl AsyncRead + Unpin, mut near: impl AsyncWrite + Unpin) {
    if copy(&mut far, &mut near).await.is_err() {
        let _ = copy(&mut far, &mut sink()).await;
    }
}
