//! Who reads in the database, the whole time and at the end, that at no moment two have written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::{AbortHandle, spawn};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use super::log::{Change, Takeover, wrong};
use crate::postgres::Postgres;
use crate::stress::summary::Summary;
use crate::stress::violation::{Kind, Violation};

/// How often it looks at the lease.
const PERIOD: Duration = Duration::from_millis(50);

/// Notes each change of the lease, with its transaction and its user, and each transaction that writes
/// to a table of the state. All of it is part of the transaction, so nothing escapes.
const TRIGGERS: &str = "
    CREATE SCHEMA audit;
    CREATE TABLE audit.changes (
        number bigserial PRIMARY KEY, writer text NOT NULL, xid xid8 NOT NULL,
        old_token bigint NOT NULL, old_position bigint NOT NULL,
        token bigint NOT NULL, position bigint NOT NULL);
    CREATE TABLE audit.writes (xid xid8 NOT NULL);
    CREATE FUNCTION audit.note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (old.token, old.position) IS DISTINCT FROM (new.token, new.position) THEN
            INSERT INTO audit.changes (writer, xid, old_token, old_position, token, position)
            VALUES (session_user, pg_current_xact_id(), old.token, old.position, new.token,
                new.position);
        END IF;
        RETURN NULL;
    END $$;
    CREATE FUNCTION audit.note_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit.writes VALUES (pg_current_xact_id());
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER UPDATE ON {schema}.ldk_server_lease
        FOR EACH ROW EXECUTE FUNCTION audit.note_change();
    DO $do$ DECLARE name text; BEGIN
        FOR name IN SELECT table_name FROM information_schema.columns
            WHERE table_schema = '{schema}' AND column_name = 'row_id'
        LOOP
            EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON {schema}.%I
                FOR EACH STATEMENT EXECUTE FUNCTION audit.note_write()', name);
        END LOOP;
    END $do$;";

/// Writes to the state that are not part of a transaction in which the lease let them through.
const UNFENCED: &str = "SELECT count(DISTINCT writes.xid) FROM audit.writes
    LEFT JOIN audit.changes ON changes.xid = writes.xid AND changes.position = old_position + 1
    WHERE changes.xid IS NULL";

/// Looks at the lease until it is dropped.
pub(super) struct Auditor {
    postgres: Arc<Postgres>,
    schema: &'static str,
    seen: Arc<Mutex<Seen>>,
    looking: AbortHandle,
}

/// What was seen of the lease.
#[derive(Default)]
struct Seen {
    /// The last token and the number of the last commit.
    last: (i64, i64),
    violations: Vec<Violation>,
}

impl Auditor {
    /// Begins. The state is there already.
    pub(super) async fn start(postgres: &Arc<Postgres>, schema: &'static str) -> Result<Self> {
        postgres.query(&TRIGGERS.replace("{schema}", schema)).await?;
        let seen = Arc::<Mutex<Seen>>::default();
        let looking = look_again(Arc::clone(postgres), schema, Arc::clone(&seen));
        let looking = spawn(looking).abort_handle();
        Ok(Self { postgres: Arc::clone(postgres), schema, seen, looking })
    }

    /// What has been wrong with what was seen of the lease since the last call.
    pub(super) fn seen(&self) -> Vec<Violation> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).violations)
    }

    /// Reads all that was noted. Nothing is written any more.
    pub(super) async fn finish(self, summary: &mut Summary) -> Result<()> {
        summary.violations.extend(self.seen());
        let sql = "SELECT concat_ws(' ', writer, old_token, old_position, token, position)
                   FROM audit.changes ORDER BY number";
        let changes = self.postgres.query(sql).await?;
        let changes: Vec<_> =
            changes.iter().map(|line| Change::read(line)).collect::<Result<_>>()?;
        let sql = format!(
            "SELECT concat_ws(' ', token, position) FROM {}.ldk_server_takeovers ORDER BY token",
            self.schema
        );
        let takeovers = self.postgres.query(&sql).await?;
        let takeovers: Vec<_> =
            takeovers.iter().map(|line| Takeover::read(line)).collect::<Result<_>>()?;
        let unfenced = self.postgres.query(UNFENCED).await?;
        let unfenced = unfenced.first().context("no count")?;
        let mut texts = wrong(&changes, &takeovers);
        if unfenced != "0" {
            texts.push(format!("{unfenced} transactions have written without the lease"));
        }
        summary
            .violations
            .extend(texts.into_iter().map(|text| Violation::new(Kind::Writers, text)));
        let takings = changes.iter().filter(|change| change.is_taking()).count();
        summary.takings += u32::try_from(takings)?;
        summary.commits += u64::try_from(changes.len() - takings)?;
        Ok(())
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The database may be away for a while.
async fn look_again(postgres: Arc<Postgres>, schema: &str, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Ok((client, connection)) = tokio_postgres::connect(&postgres.url(), NoTls).await {
            let connection = spawn(connection);
            let _ = look(&client, schema, &seen).await;
            connection.abort();
        }
        sleep(PERIOD).await;
    }
}

async fn look(client: &Client, schema: &str, seen: &Mutex<Seen>) -> Result<()> {
    let sql = format!("SELECT token, position FROM {schema}.ldk_server_lease");
    loop {
        let row = client.query_one(&sql, &[]).await?;
        seen.lock().unwrap_or_else(PoisonError::into_inner).take((row.get(0), row.get(1)));
        sleep(PERIOD).await;
    }
}

impl Seen {
    fn take(&mut self, now: (i64, i64)) {
        let before = std::mem::replace(&mut self.last, now);
        if now.0 < before.0 || now.1 < before.1 {
            let text = format!("the lease was at token and commit {before:?}, and is at {now:?}");
            self.violations.push(Violation::new(Kind::Writers, text));
        }
    }
}
