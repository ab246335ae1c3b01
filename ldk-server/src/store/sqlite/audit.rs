//! The table of the audit.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::{as_i64, as_u64};
use crate::store::model::{
    AuditChange, AuditEntry, AuditFilter, AuditPlace, AuditResult, MAX_REMOVED_AT_ONCE,
    NewAuditEntry,
};

/// The result of a call whose outcome nobody knows. Those of others are numbers of gRPC, from 0.
const UNKNOWN: i64 = -1;

/// Makes a change; returns how many entries were removed by their age.
pub(super) fn make(database: &Connection, change: AuditChange) -> rusqlite::Result<u64> {
    match change {
        AuditChange::Add(entry) => add(database, &entry)?,
        AuditChange::End { number, result, amount_msat } => {
            database
                .prepare_cached(
                    "UPDATE ldk_server_audit
                     SET result = ?2, amount_msat = coalesce(?3, amount_msat) WHERE number = ?1",
                )?
                .execute(params![as_i64(number), stored(result), amount_msat.map(as_i64)])?;
        },
        AuditChange::Drop { number } => {
            database
                .prepare_cached("DELETE FROM ldk_server_audit WHERE number = ?1")?
                .execute([as_i64(number)])?;
        },
        AuditChange::RemoveOld { recorded_before } => return remove_old(database, recorded_before),
        AuditChange::Nothing => {},
    }
    Ok(0)
}

fn add(database: &Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    let AuditEntry { number, call, result } = entry;
    let NewAuditEntry {
        created_at,
        caller,
        method,
        request_id,
        amount_msat,
        amount_sats,
        not_recorded,
    } = call;
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_audit (number, created_at, caller, method, request_id, amount_msat,
             amount_sats, result, not_recorded)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        as_i64(*number),
        as_i64(*created_at),
        caller,
        method,
        request_id,
        amount_msat.map(as_i64),
        amount_sats.map(as_i64),
        stored(*result),
        as_i64(*not_recorded)
    ])?;
    Ok(())
}

fn remove_old(database: &Connection, recorded_before: u64) -> rusqlite::Result<u64> {
    let mut statement = database.prepare_cached(
        "DELETE FROM ldk_server_audit WHERE number IN (
             SELECT number FROM ldk_server_audit WHERE created_at < ?1
             ORDER BY created_at, number LIMIT ?2
         )",
    )?;
    let removed = statement.execute([as_i64(recorded_before), as_i64(MAX_REMOVED_AT_ONCE)])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

/// The number of the last entry; 0 if there is none.
pub(super) fn last_number(database: &Connection) -> rusqlite::Result<u64> {
    database
        .prepare_cached("SELECT coalesce(max(number), 0) FROM ldk_server_audit")?
        .query_row([], |row| row.get(0).map(as_u64))
}

/// The entries after this place. Of those up to `last_of_before`, which are of earlier runs, none is under
/// way.
pub(super) fn page(
    database: &Connection,
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    limit: usize,
    last_of_before: u64,
) -> rusqlite::Result<Vec<AuditEntry>> {
    let (sql, values) = query(filter, after, limit, last_of_before);
    let mut statement = database.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| entry(row, last_of_before))?;
    rows.collect()
}

fn query(
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    limit: usize,
    last_of_before: u64,
) -> (String, Vec<Value>) {
    let AuditFilter { method, caller, result, created_from, created_before } = filter;
    let mut sql = "SELECT number, created_at, caller, method, request_id, amount_msat, amount_sats,
                       result, not_recorded FROM ldk_server_audit WHERE TRUE"
        .to_owned();
    let mut values = Vec::new();
    let mut and = |condition: &str, with: Vec<Value>| {
        sql.push_str(condition);
        values.extend(with);
    };
    if let Some(from) = created_from {
        and(" AND created_at >= ?", vec![number(*from)]);
    }
    // A range has one end: of these two, the one further on implies the other.
    match (after, *created_before) {
        (Some(AuditPlace { created_at, number: last }), before)
            if before.is_none_or(|before| created_at < before) =>
        {
            and(" AND (created_at, number) < (?, ?)", vec![number(created_at), number(last)]);
        },
        (_, Some(before)) => and(" AND created_at < ?", vec![number(before)]),
        (_, None) => {},
    }
    if let Some(method) = method {
        and(" AND method = ?", vec![method.clone().into()]);
    }
    if let Some(caller) = caller {
        and(" AND caller = ?", vec![caller.clone().into()]);
    }
    if let Some(result) = *result {
        let (condition, with) = has_result(result, last_of_before);
        and(condition, with);
    }
    and(" ORDER BY created_at DESC, number DESC LIMIT ?", vec![number(limit as u64)]);
    (sql, values)
}

fn has_result(result: AuditResult, last_of_before: u64) -> (&'static str, Vec<Value>) {
    match result {
        AuditResult::UnderWay => {
            (" AND result IS NULL AND number > ?", vec![number(last_of_before)])
        },
        AuditResult::Unknown => (
            " AND (result = ? OR result IS NULL AND number <= ?)",
            vec![UNKNOWN.into(), number(last_of_before)],
        ),
        AuditResult::Answered(code) => (" AND result = ?", vec![code.into()]),
    }
}

fn number(number: u64) -> Value {
    as_i64(number).into()
}

fn entry(row: &Row<'_>, last_of_before: u64) -> rusqlite::Result<AuditEntry> {
    let number = as_u64(row.get(0)?);
    let amount = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(as_u64));
    let call = NewAuditEntry {
        created_at: as_u64(row.get(1)?),
        caller: row.get(2)?,
        method: row.get(3)?,
        request_id: row.get(4)?,
        amount_msat: amount(5)?,
        amount_sats: amount(6)?,
        not_recorded: as_u64(row.get(8)?),
    };
    let result = match row.get::<_, Option<i64>>(7)? {
        None if number > last_of_before => AuditResult::UnderWay,
        Some(code) => i32::try_from(code)
            .ok()
            .filter(|code| *code >= 0)
            .map_or(AuditResult::Unknown, AuditResult::Answered),
        None => AuditResult::Unknown,
    };
    Ok(AuditEntry { number, call, result })
}

fn stored(result: AuditResult) -> Option<i64> {
    match result {
        AuditResult::UnderWay => None,
        AuditResult::Unknown => Some(UNKNOWN),
        AuditResult::Answered(code) => Some(code.into()),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
    use tempfile::TempDir;

    use super::*;
    use crate::store::testing;

    #[test]
    fn no_page_is_read_by_scanning_the_table_or_by_sorting() {
        let dir = TempDir::new().unwrap();
        drop(testing::open(dir.path()));
        let database = Connection::open(dir.path().join(SQLITE_DB_FILE_NAME)).unwrap();
        let place = Some(AuditPlace { created_at: 5, number: 1 });
        for (after, created_before) in [(None, Some(9)), (place, None), (place, Some(2))] {
            let filter = AuditFilter {
                created_before,
                method: Some("Bolt11Send".to_owned()),
                result: Some(AuditResult::Unknown),
                ..AuditFilter::default()
            };
            let (sql, values) = query(&filter, after, 100, 7);
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
            let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
            let [step] = &steps[..] else { panic!("{steps:?}") };
            assert!(step.starts_with("SEARCH ldk_server_audit USING INDEX"), "{step}");
        }
    }
}
