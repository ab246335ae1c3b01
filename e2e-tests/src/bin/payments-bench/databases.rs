//! The PostgreSQL of those daemons that keep their state in one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{Postgres, TcpProxy};

use crate::store::Store;

/// What a distant one adds to each round trip.
const DISTANCE: Duration = Duration::from_millis(5);

/// A PostgreSQL whose commits are durable, if one is needed.
pub(crate) struct Databases(Option<(Postgres, TcpProxy)>);

impl Databases {
    /// What these stores need, with its files below this directory.
    pub(crate) async fn for_stores(stores: &[Store], dir: &Path) -> Result<Self> {
        if !stores.iter().any(|store| matches!(store, Store::Postgres | Store::Distant)) {
            return Ok(Self(None));
        }
        let (postgres, proxy) = (Postgres::start_durable_in(dir).await?, TcpProxy::closed()?);
        proxy.open_slowly(postgres.address(), DISTANCE).await?;
        Ok(Self(Some((postgres, proxy))))
    }

    /// What makes a daemon of this store keep its state in this schema.
    pub(crate) fn section(&self, store: Store, schema: &str) -> Result<String> {
        let (postgres, proxy) = self.0.as_ref().context("there is no PostgreSQL")?;
        Ok(match store {
            Store::Distant => postgres.section_through(proxy, schema),
            _ => postgres.section(schema),
        })
    }
}
