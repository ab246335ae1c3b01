//! A TCP proxy in front of a server, which can be closed and opened again.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::ports::Port;

/// A port that is forwarded to a server while it is open. While it is closed nobody listens there.
pub struct TcpProxy {
    port: Port,
    open: Mutex<Option<AbortHandle>>,
}

impl TcpProxy {
    /// One that is closed.
    pub fn closed() -> Result<Self> {
        Ok(Self { port: Port::claim()?, open: Mutex::new(None) })
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
        let listener = TcpListener::bind(self.port.address()).await?;
        let passing = tokio::spawn(async move {
            // Those that are under way end with this task.
            let mut connections = JoinSet::new();
            while let Ok((inside, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    let outside = TcpStream::connect(target).await?;
                    pass(inside, outside, delay).await
                });
                while connections.try_join_next().is_some() {}
            }
        });
        self.replace(Some(passing.abort_handle()));
        Ok(())
    }

    /// Refuses new connections from now on, and breaks off open ones.
    pub fn close(&self) {
        self.replace(None);
    }

    fn replace(&self, passing: Option<AbortHandle>) {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *open, passing) {
            before.abort();
        }
    }
}

/// Copies in both directions, until both sides have closed theirs.
async fn pass(mut inside: TcpStream, mut outside: TcpStream, delay: Duration) -> io::Result<()> {
    // It is to be no slower than it is told.
    inside.set_nodelay(true)?;
    outside.set_nodelay(true)?;
    let (mut from_inside, mut to_inside) = inside.split();
    let (mut from_outside, mut to_outside) = outside.split();
    let questions = async {
        copy(&mut from_inside, &mut to_outside).await?;
        to_outside.shutdown().await
    };
    let answers = async {
        let mut buffer = [0; 65_536];
        loop {
            let length = from_outside.read(&mut buffer).await?;
            sleep(delay).await;
            match length {
                0 => return to_inside.shutdown().await,
                _ => to_inside.write_all(&buffer[..length]).await?,
            }
        }
    };
    tokio::try_join!(questions, answers).map(drop)
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.close();
    }
}
