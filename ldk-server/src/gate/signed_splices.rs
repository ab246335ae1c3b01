//! Splices whose commitment transaction the library has signed. The splice is in the channel manager
//! only, which the library does not write for it; so the manager has to be requested.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::PeerGate;
use crate::store::{Durability, NeverDurable};

/// The first manager that is written after a signature may have been serialized before it. The second
/// was serialized after the first was written.
const MANAGERS: usize = 2;
/// After this time held bytes are released, as they are when a cut takes that long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many splices were signed, and how many of them the manager on disk covers.
pub(super) struct SignedSplices {
    signed: watch::Receiver<u64>,
    persisted: watch::Sender<u64>,
}

impl SignedSplices {
    /// Begins with the count of this receiver.
    pub(super) fn new(signed: watch::Receiver<u64>) -> Self {
        // Splices of an earlier node of this process do not count.
        let persisted = watch::Sender::new(*signed.borrow());
        Self { signed, persisted }
    }

    /// How many splices were signed so far.
    pub(super) fn signed(&self) -> u64 {
        *self.signed.borrow()
    }

    /// Waits until the manager on disk covers so many.
    pub(super) async fn persisted(&self, number: u64) -> Result<(), NeverDurable> {
        let mut persisted = self.persisted.subscribe();
        persisted
            .wait_for(|persisted| *persisted >= number)
            .await
            .map(drop)
            .map_err(|_| NeverDurable)
    }

    /// Calls `write`, which requests the manager and may block, whenever a splice was signed.
    async fn persist<E: std::fmt::Display + Send + 'static>(
        &self,
        durability: &Durability,
        write: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) {
        let write = Arc::new(write);
        let mut signed = self.signed.clone();
        loop {
            let number = *signed.borrow_and_update();
            if number > *self.persisted.borrow() {
                if !is_written(durability, &write).await {
                    tracing::error!(
                        patience_secs = PATIENCE.as_secs(),
                        "the state of the channels was not written in time: a crash within the next \
                         seconds may close a channel that is being spliced"
                    );
                }
                self.persisted.send_replace(number);
            }
            if signed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Waits for a manager that covers all signatures until now; returns false if none comes in time.
async fn is_written<E: std::fmt::Display + Send + 'static>(
    durability: &Durability,
    write: &Arc<impl Fn() -> Result<(), E> + Send + Sync + 'static>,
) -> bool {
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..MANAGERS {
        let position = durability.accepted();
        let write = Arc::clone(write);
        // Even if the request fails: the library may write a manager for another reason.
        match spawn_blocking(move || write()).await {
            Ok(Ok(())) => {},
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot request the state of the channels");
            },
            Err(error) => tracing::warn!(%error, "cannot have the state of the channels written"),
        }
        if !durability.managed(position, deadline).await {
            return false;
        }
    }
    true
}

impl PeerGate {
    /// Has the manager on disk cover each signed splice before the peer gets the signature, until
    /// `stop` is cancelled. `write` has the library write the manager.
    pub async fn persist_signed_splices<E: std::fmt::Display + Send + 'static>(
        self: Arc<Self>,
        write: impl Fn() -> Result<(), E> + Send + Sync + 'static,
        stop: CancellationToken,
    ) {
        let Some(durability) = &self.connections.durability else { return };
        let persisting = self.connections.signed_splices.persist(durability, write);
        stop.run_until_cancelled(persisting).await;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::store::Watermark;

    /// None, ever.
    pub(in crate::gate) fn none() -> Arc<SignedSplices> {
        Arc::new(SignedSplices::new(watch::Sender::new(0).subscribe()))
    }

    #[tokio::test]
    async fn an_agreement_is_settled_by_the_second_manager() {
        let signed = watch::Sender::new(3);
        let signed_splices = Arc::new(SignedSplices::new(signed.subscribe()));
        assert_eq!(signed_splices.persisted(signed_splices.signed()).now_or_never(), Some(Ok(())));
        let watermark = Arc::new(Watermark::new());
        watermark.makes_cuts(true);
        let (durability, asked) = (watermark.durability(), Arc::new(AtomicUsize::new(0)));
        let (persisting, counting) = (Arc::clone(&signed_splices), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let write = move || {
                counting.fetch_add(1, Ordering::SeqCst);
                Ok::<_, std::convert::Infallible>(())
            };
            persisting.persist(&durability, write).await;
        });
        signed.send_replace(4);
        for number in 1..=MANAGERS {
            let begun = std::time::Instant::now();
            while asked.load(Ordering::SeqCst) < number {
                assert!(begun.elapsed() < Duration::from_secs(60), "{number} are not asked for");
                tokio::task::yield_now().await;
            }
            assert_eq!(
                signed_splices.persisted(4).now_or_never(),
                None,
                "{number} managers asked for"
            );
            let manager = watermark.accept();
            watermark.reached_with(manager, Some(manager));
        }
        assert_eq!(signed_splices.persisted(4).await, Ok(()));
        drop(signed);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_settled_is_not_held_for_ever() {
        let signed = watch::Sender::new(0);
        let signed_splices = SignedSplices::new(signed.subscribe());
        let watermark = Watermark::new();
        watermark.makes_cuts(true);
        signed.send_replace(1);
        drop(signed);
        let begun = Instant::now();
        signed_splices
            .persist(&watermark.durability(), || Ok::<_, std::convert::Infallible>(()))
            .await;
        assert!(begun.elapsed() >= PATIENCE);
        assert_eq!(signed_splices.persisted(1).now_or_never(), Some(Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_asked_for_is_held_as_long() {
        let signed = watch::Sender::new(0);
        let signed_splices = SignedSplices::new(signed.subscribe());
        let watermark = Watermark::new();
        watermark.makes_cuts(true);
        signed.send_replace(1);
        drop(signed);
        let begun = Instant::now();
        signed_splices.persist(&watermark.durability(), || Err("it is being closed")).await;
        assert!(begun.elapsed() >= PATIENCE);
    }
}
