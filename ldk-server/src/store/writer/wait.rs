//! Waiting for the outcome of a change.

use std::pin::Pin;
use std::sync::mpsc;

use ldk_node::lightning::io;
use tokio::sync::oneshot;

use super::job::{Answer, error};
use super::pin::is_pinned;

/// Waits for the answer to what `ask` asks for.
pub(in crate::store) fn wait<T: Send + 'static>(ask: impl FnOnce(Answer<T>)) -> io::Result<T> {
    debug_assert!(!is_pinned(), "a manager that is held back may be what this waits for");
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(Box::new(move |answer| {
        // Somebody waits below.
        let _ = sender.send(answer);
    }));
    receiver.recv().unwrap_or_else(|_| Err(error("the writer is gone")))
}

/// Asks at once, so that its place in the order is that of this call, and waits for the answer when
/// the future is polled.
pub(in crate::store) fn wait_async<T: Send + 'static>(
    ask: impl FnOnce(Answer<T>),
) -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>> {
    let (sender, receiver) = oneshot::channel();
    ask(Box::new(move |answer| {
        // Whoever has stopped waiting does not mind.
        let _ = sender.send(answer);
    }));
    Box::pin(async { receiver.await.unwrap_or_else(|_| Err(error("the writer is gone"))) })
}
