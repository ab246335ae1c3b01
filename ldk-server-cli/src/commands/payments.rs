//! The history of payments.

use clap::{Args, ValueEnum};
use ldk_server_client::Client;
use ldk_server_grpc::api::{
    GetPaymentDetailsRequest, ListForwardedPaymentsRequest, ListForwardedPaymentsResponse,
    ListPaymentsRequest, ListPaymentsResponse, UpdatePaymentRequest, WaitPaymentRequest,
};
use ldk_server_grpc::types::{PaymentDirection, PaymentMethod, PaymentStatus};

use crate::args::{PaymentNoteArgs, Timeout};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::pages::{self, Page, PageArgs};

unary_commands!(Commands {
    GetPaymentDetails => get_payment_details,
    UpdatePayment => update_payment,
});

/// Show one payment, or null if there is none with this id
#[derive(Debug, Args)]
pub(crate) struct GetPaymentDetails {
    /// The payment's id, or the txid of an on-chain payment, as hex
    payment_id: String,
}

impl From<GetPaymentDetails> for GetPaymentDetailsRequest {
    fn from(command: GetPaymentDetails) -> Self {
        Self { payment_id: command.payment_id }
    }
}

/// Change your notes of a payment: its label and its metadata
///
/// Nothing else of the payment changes. Prints the payment.
#[derive(Debug, Args)]
pub(crate) struct UpdatePayment {
    /// The payment's id, or the txid of an on-chain payment, as hex
    payment_id: String,

    #[command(flatten)]
    notes: PaymentNoteArgs,

    /// Remove all metadata; an empty label removes the label
    #[arg(long, conflicts_with = "metadata")]
    clear_metadata: bool,
}

impl From<UpdatePayment> for UpdatePaymentRequest {
    fn from(command: UpdatePayment) -> Self {
        let UpdatePayment { payment_id, notes, clear_metadata } = command;
        let (label, metadata) = notes.notes();
        Self { payment_id, label, metadata, clear_metadata }
    }
}

/// Wait until a payment has succeeded or failed
///
/// Prints the payment and its outcome. If the time is over first, `timed_out` is true, and the payment
/// goes on.
#[derive(Debug, Args)]
pub(crate) struct WaitPayment {
    /// The payment's id, or the txid of an on-chain payment, as hex
    payment_id: String,

    #[command(flatten)]
    timeout: Timeout,
}

impl WaitPayment {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let answer = self.timeout.wait(async |timeout_secs| {
            let payment_id = self.payment_id.clone();
            let answer =
                client.wait_payment(WaitPaymentRequest { payment_id, timeout_secs }).await?;
            let timed_out = answer.outcome.as_ref().is_some_and(|outcome| outcome.timed_out);
            Ok((answer, timed_out))
        });
        output::print(&answer.await?, format)
    }
}

/// List payments, newest first
///
/// A payment is listed if it matches all of the given filters.
#[derive(Debug, Args)]
pub(crate) struct ListPayments {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    pages: PageArgs,
}

impl ListPayments {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let first = ListPaymentsRequest { page_size: self.pages.page_size, ..self.filters.into() };
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListPaymentsRequest { page_token, ..first.clone() };
            let ListPaymentsResponse { payments, next_page_token } =
                client.list_payments(request).await?;
            Ok(Page { items: payments, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
struct Filters {
    /// Only payments with this status
    #[arg(long, value_enum)]
    status: Option<Status>,

    /// Only payments in this direction
    #[arg(long, value_enum)]
    direction: Option<Direction>,

    /// Only payments of this kind
    #[arg(long, value_enum)]
    method: Option<Method>,

    #[command(flatten)]
    period: Period,

    /// Only payments with this payment hash, as hex
    #[arg(long, value_name = "HEX")]
    payment_hash: Option<String>,
}

impl From<Filters> for ListPaymentsRequest {
    fn from(filters: Filters) -> Self {
        let method = filters.method.map_or(PaymentMethod::Unspecified, PaymentMethod::from);
        Self {
            status: filters.status.map(|status| PaymentStatus::from(status).into()),
            direction: filters.direction.map(|direction| PaymentDirection::from(direction).into()),
            method: method.into(),
            created_from: filters.period.created_from,
            created_before: filters.period.created_before,
            payment_hash: filters.payment_hash.unwrap_or_default(),
            ..Self::default()
        }
    }
}

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
struct Period {
    /// Only those created at this time or later, in seconds since 1970 (Unix time, see `date +%s`)
    #[arg(long, value_name = "SECONDS")]
    created_from: Option<u64>,

    /// Only those created before this time, in seconds since 1970 (Unix time)
    #[arg(long, value_name = "SECONDS")]
    created_before: Option<u64>,
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

words!(Status for PaymentStatus {
    /// Not completed yet; includes unpaid invoices
    Pending,
    /// Paid
    Succeeded,
    /// Not paid, and will not be
    Failed,
});

words!(Direction for PaymentDirection {
    /// To the node
    Inbound,
    /// From the node
    Outbound,
});

words!(Method for PaymentMethod {
    /// Transaction of the on-chain wallet
    Onchain,
    /// BOLT 11 invoice
    Bolt11,
    /// BOLT 11 invoice paid through a just-in-time channel of a liquidity provider
    Bolt11Jit,
    /// BOLT 12 offer
    Bolt12Offer,
    /// BOLT 12 refund
    Bolt12Refund,
    /// Spontaneous payment (keysend)
    Spontaneous,
});

/// List forwarded payments, newest first
#[derive(Debug, Args)]
pub(crate) struct ListForwardedPayments {
    #[command(flatten)]
    period: Period,

    #[command(flatten)]
    pages: PageArgs,
}

impl ListForwardedPayments {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let Period { created_from, created_before } = self.period;
        let page_size = self.pages.page_size;
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListForwardedPaymentsRequest {
                page_token,
                page_size,
                created_from,
                created_before,
            };
            let ListForwardedPaymentsResponse { forwarded_payments, next_page_token } =
                client.list_forwarded_payments(request).await?;
            Ok(Page { items: forwarded_payments, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    fn filtered(arguments: &str) -> ListPaymentsRequest {
        request::<Filters, _>(arguments).unwrap()
    }

    #[test]
    fn what_is_not_given_of_the_notes_stays() {
        let request = request::<UpdatePayment, UpdatePaymentRequest>;
        let plain = UpdatePaymentRequest { payment_id: "00ff".to_owned(), ..Default::default() };
        let cleared = UpdatePaymentRequest {
            label: Some(String::new()),
            clear_metadata: true,
            ..plain.clone()
        };
        assert_eq!(request("00ff --label= --clear-metadata"), Ok(cleared));
        let metadata = [("k".to_owned(), "v".to_owned())].into();
        assert_eq!(request("00ff --metadata k=v"), Ok(UpdatePaymentRequest { metadata, ..plain }));
        let both = usage_error::<UpdatePayment>("00ff --metadata k=v --clear-metadata");
        assert!(both.contains("--clear-metadata"), "{both}");
    }

    #[test]
    fn without_filters_nothing_is_left_out() {
        assert_eq!(filtered(""), ListPaymentsRequest::default());
    }

    #[test]
    fn every_filter_reaches_its_field() {
        let line = "--status failed --direction outbound --method bolt12-offer --created-from 5 \
                    --created-before 9 --payment-hash 00ff";
        let expected = ListPaymentsRequest {
            page_token: None,
            page_size: None,
            status: Some(PaymentStatus::Failed.into()),
            direction: Some(PaymentDirection::Outbound.into()),
            method: PaymentMethod::Bolt12Offer.into(),
            created_from: Some(5),
            created_before: Some(9),
            payment_hash: "00ff".to_owned(),
        };
        assert_eq!(filtered(line), expected);
    }

    #[test]
    fn what_is_zero_on_the_wire_is_a_filter_too() {
        let request = filtered("--status pending --direction inbound --created-from 0");
        assert_eq!(request.status, Some(PaymentStatus::Pending.into()));
        assert_eq!(request.direction, Some(PaymentDirection::Inbound.into()));
        assert_eq!(request.created_from, Some(0));
    }

    #[test]
    fn every_method_has_a_word() {
        let words =
            ["onchain", "bolt11", "bolt11-jit", "bolt12-offer", "bolt12-refund", "spontaneous"];
        for (number, word) in (1..).zip(words) {
            assert_eq!(filtered(&format!("--method {word}")).method, number, "{word}");
        }
        assert!(PaymentMethod::try_from(i32::try_from(words.len()).unwrap() + 1).is_err());
    }

    #[test]
    fn other_words_are_refused_with_those_there_are() {
        let told = usage_error::<ListPayments>("--status expired");
        assert!(told.contains("pending") && told.contains("succeeded"), "{told}");
        assert!(usage_error::<ListPayments>("--method BOLT11").contains("bolt11"));
        assert!(usage_error::<ListPayments>("--created-from yesterday").contains("--created-from"));
        assert!(usage_error::<ListForwardedPayments>("--status failed").contains("--status"));
    }
}
