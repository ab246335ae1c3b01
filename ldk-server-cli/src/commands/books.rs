//! The books.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::StreamExt as _;
use ldk_server_client::Client;
use ldk_server_grpc::api::{
    ExportPaymentsRequest, GetSummaryRequest, ListChannelAccountsRequest,
    ListChannelAccountsResponse,
};
use ldk_server_grpc::types::{BooksEntry, PaymentMethod};

use crate::date::Time;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::pages::{self, Page, PageArgs};

unary_commands!(Commands {
    GetSummary => get_summary,
});

// A doc comment here would become the description of the command.
#[derive(Clone, Copy, Debug, Args)]
struct Span {
    /// Only from this time on: a day, such as 2026-11-27 (UTC), or seconds since 1970
    #[arg(long, value_name = "TIME")]
    from: Option<Time>,

    /// Only before this time: a day, which is not part of it, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    to: Option<Time>,
}

impl Span {
    fn secs(self) -> (Option<u64>, Option<u64>) {
        (self.from.map(|Time(secs)| secs), self.to.map(|Time(secs)| secs))
    }
}

/// Export what was received, paid and earned, as lines of JSON, or of CSV for a spreadsheet
///
/// Each line is a change of one account: the wallet, the channels, or what closed channels still owe.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    span: Span,

    /// Print comma-separated values, with the names of the columns in the first line
    #[arg(long)]
    csv: bool,
}

impl Export {
    pub(crate) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (from, before) = self.span.secs();
        let request = ExportPaymentsRequest { from, before };
        let mut entries = client.export_payments(request).await?;
        if self.csv {
            output::write(format!("{HEADER}\n").as_bytes())?;
        }
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if self.csv {
                output::write(format!("{}\n", line(&entry)).as_bytes())?;
            } else {
                output::print_line(&entry)?;
            }
        }
        Ok(())
    }
}

const HEADER: &str = "time,date,account,kind,credit_msat,debit_msat,fee_msat,channel_id,\
     counterparty_node_id,prev_channel_id,prev_node_id,txid,block_height,payment_id,payment_hash,\
     method,forwarded_msat,label,metadata";

/// The columns of [`HEADER`]. Only the last two, which are what callers have noted, may need quotes.
fn line(entry: &BooksEntry) -> String {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let method = match entry.method() {
        PaymentMethod::Unspecified => String::new(),
        method => short(method.as_str_name(), "PAYMENT_METHOD_"),
    };
    [
        entry.time.to_string(),
        Time(entry.time).to_string(),
        short(entry.account().as_str_name(), "BOOKS_ACCOUNT_"),
        short(entry.kind().as_str_name(), "BOOKS_ENTRY_KIND_"),
        entry.credit_msat.to_string(),
        entry.debit_msat.to_string(),
        number(entry.fee_msat),
        word(&entry.channel_id),
        word(&entry.counterparty_node_id),
        word(&entry.prev_channel_id),
        word(&entry.prev_node_id),
        word(&entry.txid),
        number(entry.block_height.map(u64::from)),
        word(&entry.payment_id),
        word(&entry.payment_hash),
        method,
        number(entry.forwarded_msat),
        quoted(&entry.label),
        metadata(&entry.metadata),
    ]
    .join(",")
}

/// Metadata as an object in JSON.
fn metadata(entries: &BTreeMap<String, String>) -> String {
    if entries.is_empty() {
        return String::new();
    }
    serde_json::to_string(entries).map(|json| quoted(&json)).unwrap_or_default()
}

/// A text as a value in CSV (RFC 4180), in one line.
fn quoted(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The name of an enum value, without what all of them begin with.
fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// What a server must not break out of its column with.
fn word(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Show what was received, paid and earned in a span of time, and the accounts before and after
#[derive(Debug, Args)]
pub(crate) struct GetSummary {
    #[command(flatten)]
    span: Span,
}

impl From<GetSummary> for GetSummaryRequest {
    fn from(command: GetSummary) -> Self {
        let (from, before) = command.span.secs();
        Self { from, before }
    }
}

/// List what channels, open and closed, have cost and earned, newest first
#[derive(Debug, Args)]
pub(crate) struct ListChannelAccounts {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    pages: PageArgs,
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
struct Filters {
    /// Only closed channels
    #[arg(long)]
    closed_only: bool,

    /// Only count forwards from this time on: a day, such as 2026-11-27 (UTC), or seconds since 1970
    #[arg(long, value_name = "TIME")]
    from: Option<Time>,

    /// Only count forwards before this time: a day, which is not part of it, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    to: Option<Time>,
}

impl From<Filters> for ListChannelAccountsRequest {
    fn from(Filters { closed_only, from, to }: Filters) -> Self {
        let (from, before) = Span { from, to }.secs();
        Self { page_token: None, page_size: None, closed_only, from, before }
    }
}

impl ListChannelAccounts {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let page_size = self.pages.page_size;
        let first = ListChannelAccountsRequest { page_size, ..self.filters.into() };
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListChannelAccountsRequest { page_token, ..first.clone() };
            let ListChannelAccountsResponse { channels, next_page_token } =
                client.list_channel_accounts(request).await?;
            Ok(Page { items: channels, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::{BooksAccount, BooksEntryKind};

    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn a_span_is_days_or_seconds() {
        for (arguments, from, before) in [
            ("", None, None),
            ("--from 1970-01-02", Some(86_400), None),
            ("--from 7 --to 1970-01-02", Some(7), Some(86_400)),
        ] {
            let expected = Ok(GetSummaryRequest { from, before });
            assert_eq!(request::<GetSummary, _>(arguments), expected, "{arguments}");
        }
        assert!(usage_error::<GetSummary>("--from yesterday").contains("2026-11-27"));
    }

    #[test]
    fn filters_are_those_of_the_arguments() {
        let filters = request::<Filters, _>("--closed-only --to 5");
        let expected =
            ListChannelAccountsRequest { closed_only: true, before: Some(5), ..Default::default() };
        assert_eq!(filters, Ok(expected));
    }

    #[test]
    fn a_line_has_a_value_for_each_column() {
        let mut entry = BooksEntry {
            time: 86_400,
            credit_msat: 1_001,
            fee_msat: Some(1),
            txid: "ab,\"\ncd".to_owned(),
            ..Default::default()
        };
        entry.set_account(BooksAccount::Channels);
        entry.set_kind(BooksEntryKind::Forward);
        assert_eq!(
            line(&entry),
            "86400,1970-01-02T00:00:00Z,channels,forward,1001,0,1,,,,,abcd,,,,,,,"
        );
        assert_eq!(line(&entry).split(',').count(), HEADER.split(',').count());
        entry.label = "tea, \"black\"\n".to_owned();
        entry.metadata = [("order".to_owned(), "17".to_owned())].into();
        let noted = line(&entry);
        let expected = r#","tea, ""black"" ","{""order"":""17""}""#;
        assert!(noted.ends_with(&expected), "{noted}");
    }
}
