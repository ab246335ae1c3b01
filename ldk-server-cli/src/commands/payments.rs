//! The history of payments.

use clap::Args;
use ldk_server_grpc::api::GetPaymentDetailsRequest;

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
