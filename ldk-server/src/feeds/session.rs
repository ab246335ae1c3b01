//! Who asks for events, and the connection that it asks on.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tonic::Status;

use super::writes::Writes;
use crate::caller::Caller;

/// Tells whose a rune is. Its holder is no stranger any more; a wrong one is refused late if there were many.
pub type RuneCheck = Arc<dyn Fn(&str) -> BoxFuture<'static, Result<Caller, Status>> + Send + Sync>;

/// Waits until the connection, or the stream that the request came on, has to end.
pub type Ended = Arc<dyn Fn() -> BoxFuture<'static, Ending> + Send + Sync>;

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client can be told.
    Told,
    /// What it was answered on is gone.
    Silent,
}

/// A request for events, in the extensions of the request.
#[derive(Clone)]
pub struct Session {
    caller: Option<Caller>,
    runes: RuneCheck,
    ended: Ended,
    writes: Writes,
    held: Arc<dyn Any + Send + Sync>,
}

impl Session {
    /// The session of somebody who is known, or who has yet to show a rune, on the connection with these
    /// writes. It ends with `ended`, and owns `held` meanwhile.
    pub fn new(
        caller: Option<Caller>,
        runes: RuneCheck,
        ended: Ended,
        writes: Writes,
        held: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { caller, runes, ended, writes, held }
    }

    /// Who asks; nobody, who may do nothing, until a rune was shown.
    pub(super) fn caller(&self) -> Caller {
        self.caller.clone().unwrap_or_default()
    }

    pub(super) fn is_known(&self) -> bool {
        self.caller.is_some()
    }

    /// Makes the holder of this rune the one who asks.
    pub(super) async fn show(&mut self, rune: &str) -> Result<(), Status> {
        let caller = tokio::select! {
            caller = (self.runes)(rune) => caller?,
            _ = (self.ended)() => return Err(ending()),
        };
        self.caller = Some(caller);
        Ok(())
    }

    /// Tells of what is sent on the connection from now on. One that becomes a WebSocket is in use until its
    /// end, whatever becomes of the session.
    pub(super) fn tell_of_writes(&self, waiting: Arc<Notify>, is_websocket: bool) {
        self.writes.tell(waiting, is_websocket.then(|| Arc::clone(&self.held)));
    }

    /// Waits until the connection has to end.
    pub(super) async fn ended(&self) -> Ending {
        (self.ended)().await
    }
}

/// Why a connection is closed that has to end.
pub(super) fn ending() -> Status {
    Status::unavailable("the connection has to end")
}
