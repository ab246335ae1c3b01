//! `sql` and `listsqlschemas`: queries over what the list methods answer, in tables that are named as Core
//! Lightning names them.

mod access;
mod database;
mod filling;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::{Value, json};

use self::database::{Bounds, Query, QueryError};
use self::schema::{Source, Table};
use super::Method;
use crate::bulkhead::Place;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::error::{Error, quoted};

/// `sql`: what a statement selects.
pub(super) struct Sql {
    query: String,
}

#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_db_failure: Option<String>,
}

impl From<QueryError> for RpcError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(reason) => Self::generic(reason),
            QueryError::Database(_) => Self::internal(&error),
        }
    }
}

/// Tells a query, once it is dropped, that nobody waits for it.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does work with a query where it may block. The place is taken for as long as that takes, even if nobody
/// waits for it.
async fn work<T: Send + 'static>(
    call: &Call,
    place: Place,
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<(T, Place), RpcError> {
    let worked = call.work("sql", move |_| Ok::<_, Error>((work(), place))).await?;
    Ok((worked.0?, worked.1))
}

impl Method for Sql {
    const NAME: &'static str = "sql";
    const USAGE: &'static str = "query";
    const IS_LONG: bool = true;
    type Answer = Rows;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { query: args.required("query")? })
    }

    async fn run(self, call: Call) -> Result<Rows, RpcError> {
        let place = call.cln.0.querying.enter().await?;
        let is_abandoned = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&is_abandoned));
        let reading = move || Query::new(self.query, Bounds::default(), is_abandoned);
        let (mut query, mut place) = work(&call, place, reading).await?;
        for (root, tables) in by_root(query.tables()) {
            let items = items(&call, root).await?;
            let filling = move || query.fill(&tables, &items).map(|()| query);
            (query, place) = work(&call, place, filling).await?;
        }
        let (found, _) = work(&call, place, move || query.run()).await?;
        Ok(Rows { rows: found.rows, warning_db_failure: found.warning })
    }
}

/// A table of a method, and those of the tables that are read which are filled from it.
type Rooted = (&'static Table, Vec<&'static Table>);

fn by_root(tables: Vec<&'static Table>) -> Vec<Rooted> {
    let mut roots: Vec<Rooted> = Vec::new();
    for table in tables {
        let root = table.root();
        match roots.iter_mut().find(|(known, _)| known.name == root.name) {
            Some((_, tables)) => tables.push(table),
            None => roots.push((root, vec![table])),
        }
    }
    roots
}

/// What the method of a table answers, if the caller may know it.
async fn items(call: &Call, table: &Table) -> Result<Vec<Value>, RpcError> {
    let Source::Method { name, member } = table.source else { return Ok(Vec::new()) };
    let method = super::find(name)?;
    let call = Call { cln: call.cln.clone(), caller: call.caller.clone() };
    let mut answer = (method.run)(call, Args::of(method.usage, None)?).await?;
    match answer.get_mut(member).map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(RpcError::internal(&format!("{name} has answered no {member}"))),
    }
}

/// `listsqlschemas`: the tables and their columns.
pub(super) struct ListSqlSchemas {
    table: Option<&'static Table>,
}

#[derive(Serialize)]
pub(super) struct Schemas {
    schemas: Vec<Schema>,
}

#[derive(Serialize)]
struct Schema {
    tablename: &'static str,
    columns: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    indices: Vec<Vec<&'static str>>,
}

impl Schema {
    fn of(table: &Table) -> Self {
        let column = |(name, kind)| json!({ "name": name, "type": kind });
        let indexed = Some(table.indexed.clone()).filter(|names| !names.is_empty());
        Self {
            tablename: table.name,
            columns: table.all_columns().map(column).collect(),
            indices: indexed.into_iter().collect(),
        }
    }
}

impl Method for ListSqlSchemas {
    const NAME: &'static str = "listsqlschemas";
    const USAGE: &'static str = "[table]";
    type Answer = Schemas;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let Some(name) = args.optional::<String>("table")? else { return Ok(Self { table: None }) };
        let unknown = || {
            let token = quoted(&name);
            RpcError::params(format!("table: Unknown table: invalid token '{token}'"))
        };
        Ok(Self { table: Some(schema::find(&name).ok_or_else(unknown)?) })
    }

    async fn run(self, _: Call) -> Result<Schemas, RpcError> {
        let schemas = match self.table {
            Some(table) => vec![Schema::of(table)],
            None => schema::tables().iter().map(Schema::of).collect(),
        };
        Ok(Schemas { schemas })
    }
}
