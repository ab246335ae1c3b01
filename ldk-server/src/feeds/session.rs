//! Who asks for events, and the connection that it asks on.

use std::any::Any;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::caller::Caller;

/// Tells whose a rune is. Its holder is no stranger any more.
pub type RuneCheck = Arc<dyn Fn(&str) -> Result<Caller, Status> + Send + Sync>;

/// A request for events, in the extensions of the request.
#[derive(Clone)]
pub struct Session {
    caller: Option<Caller>,
    runes: RuneCheck,
    ended: CancellationToken,
    _held: Arc<dyn Any + Send + Sync>,
}

impl Session {
    /// The session of somebody who is known, or who has yet to show a rune. It ends with `ended`, and owns
    /// `held` meanwhile.
    pub fn new(
        caller: Option<Caller>,
        runes: RuneCheck,
        ended: CancellationToken,
        held: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { caller, runes, ended, _held: held }
    }

    /// Who asks; nobody, who may do nothing, until a rune was shown.
    pub(super) fn caller(&self) -> Caller {
        self.caller.clone().unwrap_or_default()
    }

    pub(super) fn is_known(&self) -> bool {
        self.caller.is_some()
    }

    /// Makes the holder of this rune the one who asks.
    pub(super) fn show(&mut self, rune: &str) -> Result<(), Status> {
        self.caller = Some((self.runes)(rune)?);
        Ok(())
    }

    /// Waits until the connection has to end.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
