//! Bulkheads: bounds on concurrent work of one kind.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// A bound on concurrent work of one kind, so that slow work delays nothing else. Clones share it.
#[derive(Clone, Debug)]
pub struct Bulkhead {
    places: Arc<Semaphore>,
    number: usize,
    refusal: Arc<str>,
}

/// A place in a bulkhead. Dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Bulkhead {
    /// A bulkhead with so many places. `full` describes the work under way when none is free.
    pub fn new(places: usize, full: &str) -> Self {
        let refusal = format!("{full}; try again later").into();
        Self { places: Arc::new(Semaphore::new(places)), number: places, refusal }
    }

    /// Takes a place, or returns RESOURCE_EXHAUSTED if none is free.
    pub fn try_enter(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Error::ResourceExhausted(self.refusal.to_string()))?;
        Ok(Place { _permit: permit })
    }

    /// Waits for a place, in the order of arrival.
    pub async fn enter(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Unavailable("the server is stopping".to_owned()))?;
        Ok(Place { _permit: permit })
    }

    /// The number of places that are taken.
    pub fn taken(&self) -> usize {
        self.number.saturating_sub(self.places.available_permits())
    }

    /// The number of free places.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_bulkhead_refuses_or_makes_wait() {
        let bulkhead = Bulkhead::new(1, "1 backup is being made");
        let place = bulkhead.clone().try_enter().unwrap();
        let refused = bulkhead.try_enter().unwrap_err();
        let Error::ResourceExhausted(reason) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "1 backup is being made; try again later");
        assert!(timeout(Duration::from_secs(1), bulkhead.enter()).await.is_err());
        drop(place);
        let place = bulkhead.enter().await.unwrap();
        assert_eq!((bulkhead.free(), bulkhead.taken()), (0, 1));
        drop(place);
        assert_eq!((bulkhead.free(), bulkhead.taken()), (1, 0));
    }
}
