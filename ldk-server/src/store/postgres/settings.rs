//! How to reach the PostgreSQL that has the state.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use rustls::ClientConfig;
use tokio_postgres::config::TargetSessionAttrs;

use super::health::PostgresHealth;
use super::standby::Standby;

/// How to reach the PostgreSQL that has the state.
#[derive(Clone)]
pub struct PostgresSettings {
    /// The servers, the user and the password.
    pub(super) server: tokio_postgres::Config,
    /// TLS; `None` for a connection without.
    pub(super) tls: Option<ClientConfig>,
    /// The schema of the tables.
    pub(super) schema: String,
    /// How long the lease lasts.
    pub(super) lease: Duration,
    /// How long a statement may take.
    pub(super) statement_timeout: Duration,
    /// Who holds the lease.
    pub(super) holder: String,
    /// What waits while another node holds it; without, a start fails then.
    pub(super) standby: Option<Standby>,
    /// Who wants to know of its health.
    pub(super) health: Option<Arc<PostgresHealth>>,
}

impl PostgresSettings {
    /// Settings for this server, with TLS or without.
    pub fn new(
        mut server: tokio_postgres::Config,
        tls: Option<ClientConfig>,
        schema: String,
        [lease, statement_timeout]: [Duration; 2],
        holder: String,
    ) -> Self {
        let ssl_mode = match &tls {
            Some(_) => tokio_postgres::config::SslMode::Require,
            None => tokio_postgres::config::SslMode::Disable,
        };
        server
            .ssl_mode(ssl_mode)
            .application_name("ldk-server")
            .connect_timeout(statement_timeout)
            .tcp_user_timeout(lease)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self { server, tls, schema, lease, statement_timeout, holder, standby: None, health: None }
    }

    /// The same, for a start that waits while another node holds the lease.
    pub fn waiting(self, standby: Standby) -> Self {
        Self { standby: Some(standby), ..self }
    }

    /// The same, for a node that wants to know of the health of PostgreSQL.
    pub(in crate::store) fn observed(self) -> io::Result<(Self, Arc<PostgresHealth>)> {
        let health = Arc::new(PostgresHealth::new(self.lease)?);
        Ok((Self { health: Some(Arc::clone(&health)), ..self }, health))
    }

    /// Tells this to who wants to know of the health of PostgreSQL.
    pub(super) fn tell(&self, what: impl FnOnce(&PostgresHealth)) {
        if let Some(health) = &self.health {
            what(health);
        }
    }
}
