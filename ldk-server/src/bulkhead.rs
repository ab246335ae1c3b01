//! Bounds of how many may do something at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// How many may do something at once, apart from all else, so that those who wait for something slow
/// hold up nobody else. Clones count together.
#[derive(Clone, Debug)]
pub struct Bulkhead {
    places: Arc<Semaphore>,
    refusal: Arc<str>,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Bulkhead {
    /// So many places. `full` says what is under way when all are taken.
    pub fn new(places: usize, full: &str) -> Self {
        let refusal = format!("{full}; try again later").into();
        Self { places: Arc::new(Semaphore::new(places)), refusal }
    }

    /// A place, or RESOURCE_EXHAUSTED if none is free.
    pub fn try_enter(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Error::ResourceExhausted(self.refusal.to_string()))?;
        Ok(Place { _permit: permit })
    }

    /// A place, when it is this caller's turn.
    pub async fn enter(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(|_| Error::Unavailable("the server is stopping".to_owned()))?;
        Ok(Place { _permit: permit })
    }

    /// How many places are free.
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
    async fn one_more_than_there_are_places_is_refused_or_waits() {
        let bulkhead = Bulkhead::new(1, "1 backup is being made");
        let place = bulkhead.clone().try_enter().unwrap();
        let refused = bulkhead.try_enter().unwrap_err();
        let Error::ResourceExhausted(reason) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "1 backup is being made; try again later");
        assert!(timeout(Duration::from_secs(1), bulkhead.enter()).await.is_err());
        drop(place);
        bulkhead.enter().await.unwrap();
        assert_eq!(bulkhead.free(), 1);
    }
}
