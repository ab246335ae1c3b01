//! The tasks of the tunnels, and carrying bytes both ways until one side has no more.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the other direction may go on when one has ended, and all of them at the end.
const LINGER: Duration = Duration::from_secs(2);

/// The tasks of all tunnels. They end when this is dropped.
#[derive(Default)]
pub(super) struct Carriers {
    tasks: TaskTracker,
    stop: Stop,
}

/// The two steps of ending.
#[derive(Clone, Default)]
pub(super) struct Stop {
    /// Accept nothing more.
    pub(super) accepting: CancellationToken,
    /// Carry nothing more.
    pub(super) carrying: CancellationToken,
}

impl Carriers {
    /// What makes a new task, and what ends it.
    pub(super) fn hand_out(&self) -> (TaskTracker, Stop) {
        (self.tasks.clone(), self.stop.clone())
    }

    /// Ends all tasks.
    pub(super) async fn close(&self) {
        self.stop.accepting.cancel();
        self.tasks.close();
        let _ = timeout(LINGER, self.tasks.wait()).await;
        self.stop.carrying.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Carriers {
    fn drop(&mut self) {
        self.stop.accepting.cancel();
        self.stop.carrying.cancel();
    }
}

/// Carries bytes both ways until one side has no more. Lightning has no connections that are open
/// in one direction only, so the other then gets a moment for what it has left.
pub(super) async fn carry(mut near: TcpStream, mut far: TcpStream) {
    let (mut near_reader, mut near_writer) = near.split();
    let (mut far_reader, mut far_writer) = far.split();
    let mut out = pin!(all(&mut near_reader, &mut far_writer));
    let mut back = pin!(all(&mut far_reader, &mut near_writer));
    tokio::select! {
        _ = &mut out => rest(back).await,
        _ = &mut back => rest(out).await,
    }
}

async fn all(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    copy(reader, writer).await?;
    writer.shutdown().await
}

async fn rest(direction: impl Future<Output = io::Result<()>>) {
    let _ = timeout(LINGER, direction).await;
}
