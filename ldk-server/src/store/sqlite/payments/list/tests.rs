use tempfile::TempDir;

use super::*;
use crate::store::conformance::payments::list::pairs;
use crate::store::{sqlite, testing};

/// What SQLite does for a query, a line each.
fn plan(database: &Connection, sql: &str, parameters: usize) -> Vec<String> {
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = rusqlite::params_from_iter(vec![0; parameters]);
    statement.query_map(parameters, |row| row.get(3)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn no_page_is_read_by_scanning_the_table_or_by_sorting() {
    let dir = TempDir::new().unwrap();
    drop(testing::open(dir.path()));
    let database = Connection::open(sqlite::path_in(dir.path())).unwrap();
    let place = PaymentPlace { created_at: 110, id: PaymentId([1; 32]) };
    for filter in pairs() {
        for after in [None, Some(place)] {
            let (sql, values) = query(&filter, after, 100);
            let plan = plan(&database, &sql, values.len());
            let is_bounded = filter.status.is_some()
                || filter.method != PaymentMethod::Unspecified
                || filter.payment_hash.is_some()
                || filter.created_from.is_some()
                || filter.created_before.is_some()
                || after.is_some();
            for step in &plan {
                assert!(!step.contains("TEMP B-TREE"), "{filter:?} {after:?}: {plan:?}");
                let is_scan = step.starts_with("SCAN");
                // From its beginning, which is where the page is.
                let is_in_order =
                    step == "SCAN ldk_server_payments USING INDEX ldk_server_payments_all";
                assert!(!is_scan || is_in_order && !is_bounded, "{filter:?} {after:?}: {plan:?}");
            }
        }
    }
    let settled = plan(&database, SETTLED, 7);
    assert!(settled[0].contains("USING INDEX ldk_server_payments_status (status=?"), "{settled:?}");
    assert!(!settled.iter().any(|step| step.contains("SCAN ")), "{settled:?}");
    let expired = plan(&database, EXPIRED, 4);
    assert_eq!(expired.len(), 1, "{expired:?}");
    assert!(
        expired[0].contains("USING INDEX ldk_server_payments_unpaid (expires_at"),
        "{expired:?}"
    );
}
