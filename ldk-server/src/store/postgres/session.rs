//! A connection to PostgreSQL.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use super::settings::PostgresSettings;
use super::tables::quoted;

/// The oldest version that is used, as the server numbers it.
const OLDEST_VERSION: i64 = 140_000;

/// How many statements of a session are kept prepared. Commits have as many kinds as there are sets of
/// tables that change together, some dozens.
const MAX_PREPARED: usize = 128;

/// A value and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection to PostgreSQL. It is worked for by the runtime that it was made in.
pub(super) struct Session {
    pub(super) client: Client,
    limit: Duration,
    prepared: Mutex<HashMap<String, Statement>>,
}

impl Session {
    /// Connects, and prepares the session.
    pub(super) async fn connect(settings: &PostgresSettings) -> Result<Self, PostgresError> {
        let limit = settings.statement_timeout;
        let client = in_time(limit, connect(settings)).await?;
        let session = Self { client, limit, prepared: Mutex::default() };
        let version = session.setting("server_version_num").await?;
        if version.parse::<i64>().unwrap_or(0) < OLDEST_VERSION {
            return Err(PostgresError::Unusable(format!(
                "this PostgreSQL has version {version}, and 14 ({OLDEST_VERSION}) is the oldest that \
                 is used"
            )));
        }
        // A weaker one would lose what was answered; one that is stronger stays.
        let synchronous = match session.setting("synchronous_commit").await?.as_str() {
            "remote_apply" => "remote_apply",
            _ => "on",
        };
        let millis = limit.as_millis();
        session
            .run(&format!(
                "SET synchronous_commit = {synchronous};
                 SET statement_timeout = {millis};
                 SET lock_timeout = {millis};
                 -- No statement has a better plan for some values than for others.
                 SET plan_cache_mode = force_generic_plan;
                 SET default_transaction_isolation = 'read committed';
                 SET search_path = {}, pg_catalog;",
                quoted(&settings.schema)
            ))
            .await?;
        Ok(session)
    }

    /// A setting of the server.
    pub(super) async fn setting(&self, name: &str) -> Result<String, PostgresError> {
        let rows = self.query("SELECT current_setting($1)", &[(&name, Type::TEXT)]).await?;
        Ok(rows.first().map_or_else(String::new, |row| row.get(0)))
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), PostgresError> {
        in_time(self.limit, self.client.batch_execute(sql)).await
    }

    /// Runs a statement, in one round trip. What it has changed is committed once this returns, unless
    /// there is a transaction.
    pub(super) async fn execute(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, PostgresError> {
        in_time(self.limit, self.client.execute_typed(sql, parameters)).await
    }

    /// The same for a statement that is run again and again: the server parses and plans it once, which
    /// takes a round trip more the first time.
    pub(super) async fn execute_often(
        &self,
        sql: String,
        parameters: &[Parameter<'_>],
    ) -> Result<(), PostgresError> {
        let known = self.prepared().get(&sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => self.prepare(sql, parameters).await?,
        };
        let values = parameters.iter().map(|(value, _)| *value).collect::<Vec<_>>();
        in_time(self.limit, self.client.execute(&statement, &values)).await.map(drop)
    }

    async fn prepare(
        &self,
        sql: String,
        parameters: &[Parameter<'_>],
    ) -> Result<Statement, PostgresError> {
        let types = parameters.iter().map(|(_, kind)| kind.clone()).collect::<Vec<_>>();
        let statement = in_time(self.limit, self.client.prepare_typed(&sql, &types)).await?;
        let mut prepared = self.prepared();
        if prepared.len() >= MAX_PREPARED {
            prepared.clear();
        }
        prepared.insert(sql, statement.clone());
        Ok(statement)
    }

    fn prepared(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement that returns few rows.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresError> {
        in_time(self.limit, self.client.query_typed(sql, parameters)).await
    }
}

async fn connect(settings: &PostgresSettings) -> Result<Client, tokio_postgres::Error> {
    if let Some(tls) = &settings.tls {
        let (client, connection) =
            settings.server.connect(MakeRustlsConnect::new(tls.clone())).await?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) = settings.server.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// The server has a limit of its own, which ends a statement with an answer; this one is for a server
/// that does not answer.
async fn in_time<T, E: Into<PostgresError>>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, PostgresError> {
    match timeout(limit + limit / 4, asked).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(PostgresError::Timeout),
    }
}
