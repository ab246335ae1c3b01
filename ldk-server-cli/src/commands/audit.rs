//! The record of the calls that changed something.

use clap::Args;
use ldk_server_client::Client;
use ldk_server_grpc::api::{ListAuditEntriesRequest, ListAuditEntriesResponse};

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::pages::{self, Page, PageArgs};

/// List who has called what and with which result, newest first
///
/// Listed are calls that change something or spend, and calls that were refused. An entry is listed if
/// it matches all of the given filters.
#[derive(Debug, Args)]
pub(crate) struct ListAuditEntries {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    pages: PageArgs,
}

impl ListAuditEntries {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let page_size = self.pages.page_size;
        let first = ListAuditEntriesRequest { page_size, ..self.filters.into() };
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListAuditEntriesRequest { page_token, ..first.clone() };
            let ListAuditEntriesResponse { entries, next_page_token } =
                client.list_audit_entries(request).await?;
            Ok(Page { items: entries, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
struct Filters {
    /// Only this call, such as Bolt11Send
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,

    /// Only calls of this caller, as it is listed, such as "rune 3" or "API key shop"
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,

    /// Only calls with this result, such as OK, PERMISSION_DENIED, UNKNOWN or IN_PROGRESS
    #[arg(long, value_name = "RESULT")]
    result: Option<String>,

    /// Only those made at this time or later, in seconds since 1970 (Unix time, see `date +%s`)
    #[arg(long, value_name = "SECONDS")]
    created_from: Option<u64>,

    /// Only those made before this time, in seconds since 1970 (Unix time)
    #[arg(long, value_name = "SECONDS")]
    created_before: Option<u64>,
}

impl From<Filters> for ListAuditEntriesRequest {
    fn from(filters: Filters) -> Self {
        let Filters { method, caller, result, created_from, created_before } = filters;
        Self {
            page_token: None,
            page_size: None,
            method: method.unwrap_or_default(),
            caller: caller.unwrap_or_default(),
            result: result.unwrap_or_default(),
            created_from,
            created_before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn every_filter_reaches_its_field() {
        let line = "--method Bolt11Send --caller rune-3 --result OK --created-from 5 \
                    --created-before 9";
        let expected = ListAuditEntriesRequest {
            page_token: None,
            page_size: None,
            method: "Bolt11Send".to_owned(),
            caller: "rune-3".to_owned(),
            result: "OK".to_owned(),
            created_from: Some(5),
            created_before: Some(9),
        };
        assert_eq!(request::<Filters, _>(line), Ok(expected));
        assert_eq!(request::<Filters, _>(""), Ok(ListAuditEntriesRequest::default()));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let told = usage_error::<ListAuditEntries>("--created-from yesterday");
        assert!(told.contains("--created-from"), "{told}");
    }
}
