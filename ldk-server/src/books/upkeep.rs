//! The task that writes down in time what the library forgets.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::Books;
use crate::clock::Ticks;

/// From one look at what the library knows to the next.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Looks at once and then at intervals, until `stop` is cancelled.
pub(crate) async fn run(books: Arc<Books>, stop: CancellationToken) {
    let mut ticks = Ticks::after(Duration::ZERO, INTERVAL, stop);
    while ticks.next().await {
        let books = Arc::clone(&books);
        match spawn_blocking(move || books.catch_up()).await {
            Ok(Ok(())) => {},
            Ok(Err(error)) => tracing::error!("cannot write down what channels have done: {error}"),
            Err(error) => tracing::error!("cannot write down what channels have done: {error}"),
        }
    }
}
