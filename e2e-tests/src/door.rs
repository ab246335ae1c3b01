//! A way to a server that can be closed and opened again.

use std::sync::Mutex;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::ports::Port;

/// A port that leads to a server while it is open. While it is closed nobody listens there.
pub struct Door {
    port: Port,
    open: Mutex<Option<AbortHandle>>,
}

impl Door {
    /// One that is closed.
    pub fn closed() -> Result<Self> {
        Ok(Self { port: Port::claim()?, open: Mutex::new(None) })
    }

    /// `host:port` of this side.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Passes on to `target` what comes to the door, from now on.
    pub async fn open(&self, target: String) -> Result<()> {
        let listener = TcpListener::bind(self.port.address()).await?;
        let passing = tokio::spawn(async move {
            // Those that are under way end with this task.
            let mut connections = JoinSet::new();
            while let Ok((mut inside, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    let mut outside = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut inside, &mut outside).await
                });
                while connections.try_join_next().is_some() {}
            }
        });
        self.replace(Some(passing.abort_handle()));
        Ok(())
    }

    /// Refuses what comes from now on, and breaks off what is under way.
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

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}
