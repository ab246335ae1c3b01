//! The lease: who may write. It has a token, which grows each time it is taken, and the number of the
//! last commit. Each commit checks both in its own statement; no clock decides.
//!
//! A token is the time in microseconds, or one more than the last one, so that a copy of the database that
//! goes on by itself has other tokens; `ldk_server_takeovers` remembers them all.
//!
//! The lease ends some seconds after it was renewed last, by the clock of the database. Then it can be
//! taken by another node. A node that cannot renew it in time stops: it could not commit any more.

use tokio_postgres::types::Type;

use super::changes;
use super::error::PostgresError;
use super::session::Session;
use super::settings::PostgresSettings;
use super::standbys;
use super::tables::quoted;

const NEXT_TOKEN: &str =
    "greatest(token + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// The database, drawn by lot when its schema was made.
    pub(super) store_id: Vec<u8>,
    pub(super) token: i64,
    /// The number of the last commit.
    pub(super) position: i64,
}

/// Makes the tables of the lease, unless they are there.
pub(super) async fn prepare(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let schema = &settings.schema;
    let names = ["lease", "changes", "standbys"]
        .map(|table| format!("{}.ldk_server_{table}", quoted(schema)));
    let there = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name";
    let there = session.query(there, &[(&&names[..], Type::TEXT_ARRAY)]).await?;
    if there.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let has_schema = session
        .query("SELECT to_regnamespace($1) IS NOT NULL", &[(&quoted(schema), Type::TEXT)])
        .await?;
    let (create_changes, create_standbys) = (changes::create(schema), standbys::create(schema));
    let schema = quoted(schema);
    let create = match has_schema.first().is_some_and(|row| row.get(0)) {
        true => String::new(),
        false => format!("CREATE SCHEMA IF NOT EXISTS {schema};"),
    };
    let store_id = hex::encode(rand::random::<[u8; 16]>());
    // Two that begin at the same moment wait for each other.
    session
        .run(&format!(
            "BEGIN;
             SELECT pg_advisory_xact_lock(hashtext('ldk_server_lease'));
             {create}
             CREATE TABLE IF NOT EXISTS {schema}.ldk_server_lease (
                 one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
                 store_id bytea NOT NULL,
                 token bigint NOT NULL DEFAULT 0,
                 position bigint NOT NULL DEFAULT 0,
                 holder text NOT NULL DEFAULT '',
                 expires_at timestamptz NOT NULL DEFAULT '-infinity',
                 state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'fenced'))
             ) WITH (fillfactor = 10);
             INSERT INTO {schema}.ldk_server_lease (store_id) VALUES ('\\x{store_id}')
                 ON CONFLICT DO NOTHING;
             CREATE TABLE IF NOT EXISTS {schema}.ldk_server_takeovers (
                 token bigint PRIMARY KEY,
                 position bigint NOT NULL,
                 holder text NOT NULL,
                 taken_at timestamptz NOT NULL DEFAULT now()
             );
             CREATE TABLE IF NOT EXISTS {schema}.ldk_server_definitions (
                 number bigint PRIMARY KEY,
                 definition text NOT NULL
             );
             {create_changes}
             {create_standbys}
             COMMIT;"
        ))
        .await
}

/// Takes the lease if it is free, if it has ended, or if this node has it already: one that was killed
/// and starts again. Otherwise says who holds it and for how many seconds.
pub(super) async fn take(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<Result<Lease, Held>, PostgresError> {
    let (schema, secs) = (quoted(&settings.schema), settings.lease.as_secs_f64());
    let leave = standbys::leave(&settings.schema);
    let rows = session
        .query(
            &format!(
                "WITH taken AS (
                     UPDATE {schema}.ldk_server_lease
                     SET token = {NEXT_TOKEN}, holder = $1,
                         expires_at = clock_timestamp() + make_interval(secs => $2)
                     WHERE state = 'active'
                     AND (holder IN ('', $1) OR expires_at <= clock_timestamp())
                     RETURNING store_id, token, position
                 ), noted AS (
                     INSERT INTO {schema}.ldk_server_takeovers (token, position, holder)
                     SELECT token, position, $1 FROM taken
                 ), left_standbys AS ({leave})
                 SELECT store_id, token, position FROM taken"
            ),
            &[(&settings.holder, Type::TEXT), (&secs, Type::FLOAT8)],
        )
        .await?;
    match rows.first() {
        Some(row) => {
            Ok(Ok(Lease { store_id: row.get(0), token: row.get(1), position: row.get(2) }))
        },
        None => holder(session, settings).await.map(Err),
    }
}

/// Who holds the lease.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) holder: String,
    pub(super) remaining_secs: f64,
    pub(super) is_fenced: bool,
}

pub(super) async fn holder(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<Held, PostgresError> {
    let sql = format!(
        "SELECT holder, state,
             CASE WHEN isfinite(expires_at)
                 THEN greatest(extract(epoch FROM expires_at - clock_timestamp()), 0)::float8
                 ELSE 0
             END
         FROM {}.ldk_server_lease",
        quoted(&settings.schema)
    );
    let rows = session.query(&sql, &[]).await?;
    let Some(row) = rows.first() else {
        return Err(PostgresError::Unusable("the lease in PostgreSQL has no row".to_owned()));
    };
    let is_fenced = row.get::<_, &str>(1) == "fenced";
    Ok(Held { holder: row.get(0), remaining_secs: row.get(2), is_fenced })
}

/// Renews the lease; tells whether it is still held.
pub(super) async fn renew(
    session: &Session,
    settings: &PostgresSettings,
    token: i64,
) -> Result<bool, PostgresError> {
    let sql = format!(
        "UPDATE {}.ldk_server_lease SET expires_at = clock_timestamp() + make_interval(secs => $2)
         WHERE token = $1 AND state = 'active'",
        quoted(&settings.schema)
    );
    let secs = settings.lease.as_secs_f64();
    let renewed = session.execute(&sql, &[(&token, Type::INT8), (&secs, Type::FLOAT8)]).await?;
    Ok(renewed == 1)
}

/// Gives the lease up, so that the next one need not wait.
pub(super) async fn release(
    session: &Session,
    settings: &PostgresSettings,
    token: i64,
) -> Result<(), PostgresError> {
    let sql = format!(
        "UPDATE {}.ldk_server_lease SET holder = '', expires_at = '-infinity' WHERE token = $1",
        quoted(&settings.schema)
    );
    session.execute(&sql, &[(&token, Type::INT8)]).await.map(drop)
}

/// Takes a lease that no node can take: of a state that was moved away, or has not begun. It stays
/// fenced.
pub(super) async fn claim(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<Option<Lease>, PostgresError> {
    let sql = format!(
        "WITH taken AS (
             UPDATE {schema}.ldk_server_lease
             SET token = {NEXT_TOKEN}, state = 'fenced', holder = ''
             WHERE state = 'fenced' OR (position = 0 AND expires_at <= clock_timestamp())
             RETURNING store_id, token, position
         ), noted AS (
             INSERT INTO {schema}.ldk_server_takeovers (token, position, holder)
             SELECT token, position, 'migrate-storage' FROM taken
         )
         SELECT store_id, token, position FROM taken",
        schema = quoted(&settings.schema)
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows.first().map(|row| Lease {
        store_id: row.get(0),
        token: row.get(1),
        position: row.get(2),
    }))
}

/// Lets no node take the lease with this token, nor commit under it; tells whether it was held.
pub(super) async fn fence_off(
    session: &Session,
    settings: &PostgresSettings,
    token: i64,
) -> Result<bool, PostgresError> {
    let sql = format!(
        "WITH taken AS (
             UPDATE {schema}.ldk_server_lease
             SET token = {NEXT_TOKEN}, state = 'fenced', holder = '', expires_at = '-infinity'
             WHERE token = $1 RETURNING token, position
         )
         INSERT INTO {schema}.ldk_server_takeovers (token, position, holder)
         SELECT token, position, 'migrate-storage' FROM taken",
        schema = quoted(&settings.schema)
    );
    Ok(session.execute(&sql, &[(&token, Type::INT8)]).await? == 1)
}

/// Lets nodes take a lease that was claimed.
pub(super) async fn open(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let sql = format!("UPDATE {}.ldk_server_lease SET state = 'active'", quoted(&settings.schema));
    session.execute(&sql, &[]).await.map(drop)
}

/// The lease as it is now, whoever holds it.
pub(super) async fn current(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<Lease, PostgresError> {
    let schema = quoted(&settings.schema);
    let sql = format!("SELECT store_id, token, position FROM {schema}.ldk_server_lease");
    let rows = session.query(&sql, &[]).await?;
    let Some(row) = rows.first() else {
        return Err(PostgresError::Unusable("the lease in PostgreSQL has no row".to_owned()));
    };
    Ok(Lease { store_id: row.get(0), token: row.get(1), position: row.get(2) })
}

/// The token and the number of the last commit, as they are now.
pub(super) async fn state(
    session: &Session,
    settings: &PostgresSettings,
) -> Result<(i64, i64), PostgresError> {
    let Lease { token, position, .. } = current(session, settings).await?;
    Ok((token, position))
}

/// The last commit under this token, which is not the last one: that at which the lease was taken again.
/// `None` if nobody ever had this token.
pub(super) async fn last_commit_under(
    session: &Session,
    settings: &PostgresSettings,
    token: i64,
) -> Result<Option<i64>, PostgresError> {
    let sql = format!(
        "SELECT position FROM {schema}.ldk_server_takeovers WHERE token > $1
         AND EXISTS (SELECT 1 FROM {schema}.ldk_server_takeovers WHERE token = $1)
         ORDER BY token LIMIT 1",
        schema = quoted(&settings.schema)
    );
    let rows = session.query(&sql, &[(&token, Type::INT8)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// What has to be true in the statement of a commit for it to be made: this node holds the lease, and
/// nothing was committed since. The rest of the statement goes with it.
pub(super) fn fence(schema: &str) -> String {
    format!(
        "UPDATE {}.ldk_server_lease SET position = $2 + 1
         WHERE token = $1 AND position = $2 RETURNING position",
        quoted(schema)
    )
}
