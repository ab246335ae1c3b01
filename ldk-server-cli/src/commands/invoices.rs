//! Invoices, offers and receipts as objects.

use clap::{Args, ValueEnum};
use ldk_server_client::Client;
use ldk_server_grpc::api::{
    CancelInvoiceRequest, DeleteExpiredInvoicesRequest, DeleteInvoiceRequest, GetInvoiceRequest,
    ListInvoicesRequest, ListInvoicesResponse, WaitAnyInvoiceRequest, WaitInvoiceRequest,
};
use ldk_server_grpc::types::{InvoiceKind, InvoiceState};

use crate::args::Timeout;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::pages::{self, Page, PageArgs};

unary_commands!(Commands {
    GetInvoice => get_invoice,
    CancelInvoice => cancel_invoice,
    DeleteInvoice => delete_invoice,
    DeleteExpiredInvoices => delete_expired_invoices,
});

/// Show one invoice or offer, by one of its names
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct GetInvoice {
    /// Its label
    label: Option<String>,

    /// Its payment hash, as hex
    #[arg(long, value_name = "HEX")]
    payment_hash: Option<String>,

    /// The invoice or offer itself
    #[arg(long, value_name = "INVOICE")]
    invoice: Option<String>,

    /// Its external id; of several, the newest
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
}

impl From<GetInvoice> for GetInvoiceRequest {
    fn from(command: GetInvoice) -> Self {
        let GetInvoice { label, payment_hash, invoice, external_id } = command;
        Self {
            label: label.unwrap_or_default(),
            payment_hash: payment_hash.unwrap_or_default(),
            invoice: invoice.unwrap_or_default(),
            external_id: external_id.unwrap_or_default(),
        }
    }
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Name {
    /// Its label
    label: Option<String>,

    /// Its payment hash, as hex
    #[arg(long, value_name = "HEX")]
    payment_hash: Option<String>,
}

/// See to it that nobody can pay an invoice any more
///
/// This works for invoices of bolt11-receive-for-hash and for those made with --preimage. A payment that
/// is held goes back to its payer.
#[derive(Debug, Args)]
pub(crate) struct CancelInvoice {
    #[command(flatten)]
    name: Name,
}

impl From<CancelInvoice> for CancelInvoiceRequest {
    fn from(CancelInvoice { name: Name { label, payment_hash } }: CancelInvoice) -> Self {
        Self { label: label.unwrap_or_default(), payment_hash: payment_hash.unwrap_or_default() }
    }
}

/// Delete an invoice, offer or receipt, if it is in the given state
#[derive(Debug, Args)]
pub(crate) struct DeleteInvoice {
    #[command(flatten)]
    name: Name,

    /// State that it is in
    #[arg(long, value_enum)]
    state: FinalState,
}

impl From<DeleteInvoice> for DeleteInvoiceRequest {
    fn from(command: DeleteInvoice) -> Self {
        let DeleteInvoice { name: Name { label, payment_hash }, state } = command;
        let state = match state {
            FinalState::Paid => InvoiceState::Paid,
            FinalState::Expired => InvoiceState::Expired,
            FinalState::Cancelled => InvoiceState::Cancelled,
        };
        Self {
            label: label.unwrap_or_default(),
            payment_hash: payment_hash.unwrap_or_default(),
            state: state.into(),
        }
    }
}

/// Delete the invoices and offers that have expired
#[derive(Debug, Args)]
pub(crate) struct DeleteExpiredInvoices {
    /// Only those that had expired by this time, in seconds since 1970 (Unix time, see `date +%s`)
    /// [default: now]
    #[arg(long, value_name = "SECONDS")]
    max_expiry: Option<u64>,
}

impl From<DeleteExpiredInvoices> for DeleteExpiredInvoicesRequest {
    fn from(DeleteExpiredInvoices { max_expiry }: DeleteExpiredInvoices) -> Self {
        Self { max_expiry }
    }
}

/// List invoices, offers and receipts, newest first
///
/// An invoice is listed if it matches all of the given filters.
#[derive(Debug, Args)]
pub(crate) struct ListInvoices {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    pages: PageArgs,
}

impl ListInvoices {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let first = ListInvoicesRequest { page_size: self.pages.page_size, ..self.filters.into() };
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListInvoicesRequest { page_token, ..first.clone() };
            let ListInvoicesResponse { invoices, next_page_token, .. } =
                client.list_invoices(request).await?;
            Ok(Page { items: invoices, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
struct Filters {
    /// Only those in this state; can be given several times
    #[arg(long, value_enum)]
    state: Vec<State>,

    /// Only those of this kind; can be given several times
    #[arg(long, value_enum)]
    kind: Vec<Kind>,

    /// Only those with this external id
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,

    /// Only those made at this time or later, in seconds since 1970 (Unix time, see `date +%s`)
    #[arg(long, value_name = "SECONDS")]
    created_from: Option<u64>,

    /// Only those made before this time, in seconds since 1970 (Unix time)
    #[arg(long, value_name = "SECONDS")]
    created_before: Option<u64>,
}

impl From<Filters> for ListInvoicesRequest {
    fn from(filters: Filters) -> Self {
        let Filters { state, kind, external_id, created_from, created_before } = filters;
        Self {
            page_token: None,
            page_size: None,
            states: state.into_iter().map(|state| InvoiceState::from(state).into()).collect(),
            kinds: kind.into_iter().map(|kind| InvoiceKind::from(kind).into()).collect(),
            external_id: external_id.unwrap_or_default(),
            created_from,
            created_before,
        }
    }
}

/// A state in which an invoice can be deleted.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FinalState {
    /// Paid
    Paid,
    /// Its time is over
    Expired,
    /// Nobody can pay it any more
    Cancelled,
}

/// Declares the words for the values of an enum of the proto files.
macro_rules! words {
    ($words:ident for $proto:ident { $($(#[$doc:meta])+ $word:ident,)+ }) => {
        #[derive(Clone, Copy, Debug, ValueEnum)]
        enum $words {
            $($(#[$doc])+ $word,)+
        }

        impl From<$words> for $proto {
            fn from(word: $words) -> Self {
                match word {
                    $($words::$word => Self::$word,)+
                }
            }
        }
    };
}

words!(State for InvoiceState {
    /// Can be paid
    Open,
    /// A payment waits to be claimed
    Held,
    /// Paid
    Paid,
    /// Its time is over
    Expired,
    /// Nobody can pay it any more
    Cancelled,
});

words!(Kind for InvoiceKind {
    /// BOLT 11 invoice
    Bolt11,
    /// BOLT 11 invoice with a preimage of the caller
    Bolt11WithPreimage,
    /// BOLT 11 invoice for a hash
    Bolt11ForHash,
    /// BOLT 11 invoice with a just-in-time channel
    Bolt11Jit,
    /// BOLT 12 offer
    Bolt12Offer,
    /// Payment to an offer
    OfferReceipt,
    /// Refund
    RefundReceipt,
    /// Payment without invoice
    KeysendReceipt,
});

/// Wait until an invoice is paid, expired or cancelled, and print it
#[derive(Debug, Args)]
pub(crate) struct WaitInvoice {
    #[command(flatten)]
    name: Name,

    #[command(flatten)]
    timeout: Timeout,
}

impl WaitInvoice {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let Name { label, payment_hash } = self.name;
        let first = WaitInvoiceRequest {
            label: label.unwrap_or_default(),
            payment_hash: payment_hash.unwrap_or_default(),
            timeout_secs: None,
        };
        let answer = self.timeout.wait(async |timeout_secs| {
            let request = WaitInvoiceRequest { timeout_secs, ..first.clone() };
            let answer = client.wait_invoice(request).await?;
            let timed_out = answer.timed_out;
            Ok((answer, timed_out))
        });
        output::print(&answer.await?, format)
    }
}

/// Wait for the next payment that arrives, and print its invoice
///
/// last_pay_index in the answer is the number of the last payment that has arrived; pay_index is that of
/// the invoice. Give it to the next command.
#[derive(Debug, Args)]
pub(crate) struct WaitAnyInvoice {
    /// Number (pay_index) of the last payment you have dealt with; 0 for none
    #[arg(default_value_t = 0)]
    last_pay_index: u64,

    #[command(flatten)]
    timeout: Timeout,
}

impl WaitAnyInvoice {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let mut last_pay_index = self.last_pay_index;
        let answer = self.timeout.wait(async |timeout_secs| {
            let request = WaitAnyInvoiceRequest { last_pay_index, timeout_secs };
            let answer = client.wait_any_invoice(request).await?;
            // One beyond the last waits for the next.
            last_pay_index = last_pay_index.min(answer.last_pay_index);
            let timed_out = answer.timed_out;
            Ok((answer, timed_out))
        });
        output::print(&answer.await?, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn an_invoice_is_named_in_one_way() {
        let request = request::<GetInvoice, GetInvoiceRequest>;
        let named = GetInvoiceRequest { label: "order 1".replace(' ', "-"), ..Default::default() };
        assert_eq!(request("order-1"), Ok(named));
        let named = GetInvoiceRequest { payment_hash: "00ff".to_owned(), ..Default::default() };
        assert_eq!(request("--payment-hash 00ff"), Ok(named));
        let named = GetInvoiceRequest { invoice: "lnbc1".to_owned(), ..Default::default() };
        assert_eq!(request("--invoice lnbc1"), Ok(named));
        let named = GetInvoiceRequest { external_id: "7".to_owned(), ..Default::default() };
        assert_eq!(request("--external-id 7"), Ok(named));
        for line in ["", "order-1 --payment-hash 00ff"] {
            assert!(!usage_error::<GetInvoice>(line).is_empty());
            assert!(!usage_error::<CancelInvoice>(line).is_empty());
        }
    }

    #[test]
    fn every_filter_reaches_its_field() {
        let line = "--state open --state paid --kind keysend-receipt --external-id 7 \
                    --created-from 5 --created-before 9";
        let expected = ListInvoicesRequest {
            states: vec![InvoiceState::Open.into(), InvoiceState::Paid.into()],
            kinds: vec![InvoiceKind::KeysendReceipt.into()],
            external_id: "7".to_owned(),
            created_from: Some(5),
            created_before: Some(9),
            ..ListInvoicesRequest::default()
        };
        assert_eq!(request::<Filters, _>(line), Ok(expected));
        assert_eq!(request::<Filters, _>(""), Ok(ListInvoicesRequest::default()));
    }

    #[test]
    fn an_invoice_is_deleted_in_the_state_that_is_given() {
        let expected = DeleteInvoiceRequest {
            label: "order-1".to_owned(),
            payment_hash: String::new(),
            state: InvoiceState::Paid.into(),
        };
        assert_eq!(request::<DeleteInvoice, _>("order-1 --state paid"), Ok(expected));
        assert!(usage_error::<DeleteInvoice>("order-1 --state open").contains("--state"));
        let expected = DeleteExpiredInvoicesRequest { max_expiry: Some(5) };
        assert_eq!(request::<DeleteExpiredInvoices, _>("--max-expiry 5"), Ok(expected));
    }
}
