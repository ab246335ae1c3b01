//! The record of the calls that changed something.

use crate::app::App;
use crate::error::Error;
use crate::store::{AuditEntry, AuditFilter, AuditPlace, Page};

/// Returns the entries that pass the filter and come after this place, the newest first.
pub fn list(
    app: &App,
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    page_size: usize,
) -> Result<Page<AuditEntry>, Error> {
    app.store.audit_entries(filter, after, page_size).map_err(Error::internal)
}
