//! The history of payments.

use clap::Args;
use ldk_server_client::Client;
use ldk_server_grpc::api::{
    GetPaymentDetailsRequest, ListForwardedPaymentsRequest, ListForwardedPaymentsResponse,
    ListPaymentsRequest, ListPaymentsResponse,
};

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::pages::{self, Page, PageArgs};

/// Show one payment; null if there is none with this id
#[derive(Debug, Args)]
pub(crate) struct GetPaymentDetails {
    /// The payment's id, as hex
    payment_id: String,
}

impl From<GetPaymentDetails> for GetPaymentDetailsRequest {
    fn from(command: GetPaymentDetails) -> Self {
        Self { payment_id: command.payment_id }
    }
}

/// List the payments, the newest first
#[derive(Debug, Args)]
pub(crate) struct ListPayments {
    #[command(flatten)]
    pages: PageArgs,
}

impl ListPayments {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListPaymentsRequest { page_token, ..Default::default() };
            let ListPaymentsResponse { payments, next_page_token } =
                client.list_payments(request).await?;
            Ok(Page { items: payments, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}

/// List the payments forwarded for others, the newest first
#[derive(Debug, Args)]
pub(crate) struct ListForwardedPayments {
    #[command(flatten)]
    pages: PageArgs,
}

impl ListForwardedPayments {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        let list = pages::collect(self.pages, async |page_token| {
            let request = ListForwardedPaymentsRequest { page_token, ..Default::default() };
            let ListForwardedPaymentsResponse { forwarded_payments, next_page_token } =
                client.list_forwarded_payments(request).await?;
            Ok(Page { items: forwarded_payments, next: next_page_token })
        });
        output::print(&list.await?, format)
    }
}
