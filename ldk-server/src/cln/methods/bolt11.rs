//! BOLT 11 invoices, as the API decodes them: the one place that tells in Core Lightning's form why one
//! cannot be.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_server_grpc::api::{DecodeInvoiceRequest, DecodeInvoiceResponse};

use crate::api::rpc;
use crate::cln::Call;
use crate::cln::error::RpcError;
use crate::error::Error;

/// What an invoice says. If it cannot be read, `refusal` and the reason are told.
pub(super) async fn decode(
    call: &Call,
    invoice: &str,
    refusal: &str,
) -> Result<DecodeInvoiceResponse, RpcError> {
    let request = DecodeInvoiceRequest { invoice: invoice.to_owned() };
    let decoded = call.ask(rpc::DecodeInvoice, request).await;
    decoded.map_err(|error| match error {
        Error::InvalidArgument { reason, .. } => RpcError::params(format!("{refusal}: {reason}")),
        other => other.into(),
    })
}

/// Checks a description that the caller has told beside an invoice with the hash of one.
pub(super) fn check_description(
    invoice: &DecodeInvoiceResponse,
    description: Option<&str>,
) -> Result<(), RpcError> {
    let Some((hash, text)) = invoice.description_hash.as_ref().zip(description) else {
        return Ok(());
    };
    if sha256::Hash::hash(text.as_bytes()).to_string() == *hash {
        return Ok(());
    }
    let reason = "Invalid bolt11 invoice: h: does not match description";
    Err(RpcError::params(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_that_of_the_invoice() {
        let hash = Some(sha256::Hash::hash(b"tea").to_string());
        let with_hash = DecodeInvoiceResponse { description_hash: hash, ..Default::default() };
        assert!(check_description(&with_hash, Some("tea")).is_ok());
        assert!(check_description(&with_hash, None).is_ok());
        let refused = check_description(&with_hash, Some("coffee")).unwrap_err();
        assert!(refused.message.contains("does not match description"), "{refused:?}");
        // What an invoice has itself is not compared.
        assert!(check_description(&DecodeInvoiceResponse::default(), Some("coffee")).is_ok());
    }
}
