//! What the targets of `fuzz/` call, and nobody else.

use std::time::Duration;

use ldk_server_grpc::api::{DecodeInvoiceResponse, DecodeOfferResponse};
use ldk_server_grpc::types::PageToken;

use crate::error::Error;
use crate::secrets::{ClientCertificate, ClientCertificateError};
use crate::{api, http};

/// What is said of an invoice must not depend on when it is read.
const NOW: Duration = Duration::from_secs(1_700_000_000);

/// Whether the body of a call is one whole frame.
pub fn is_frame(body: &[u8]) -> bool {
    http::is_frame(body)
}

/// How many bytes each list that takes the token as one of its own has read from it.
pub fn page_token_bytes(token: &PageToken) -> Vec<usize> {
    api::page_token_bytes(token)
}

/// What an invoice says.
pub fn invoice(text: &str) -> Result<DecodeInvoiceResponse, Error> {
    api::decode::invoice_at(text, NOW)
}

/// What an offer says.
pub fn offer(text: &str) -> Result<DecodeOfferResponse, Error> {
    api::decode::offer_at(text, NOW)
}

/// What the certificate of a client says, in DER.
pub fn client_certificate(der: &[u8]) -> Result<ClientCertificate, ClientCertificateError> {
    ClientCertificate::of(der)
}
