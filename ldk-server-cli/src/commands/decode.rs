//! Reading invoices and offers.

use clap::Args;
use ldk_server_grpc::api::{DecodeInvoiceRequest, DecodeOfferRequest};

unary_commands!(Commands {
    DecodeInvoice => decode_invoice,
    DecodeOffer => decode_offer,
});

/// Show what an invoice says, without paying it
#[derive(Debug, Args)]
pub(crate) struct DecodeInvoice {
    /// Invoice of any network
    invoice: String,
}

impl From<DecodeInvoice> for DecodeInvoiceRequest {
    fn from(command: DecodeInvoice) -> Self {
        Self { invoice: command.invoice }
    }
}

/// Show what an offer says, without paying it
#[derive(Debug, Args)]
pub(crate) struct DecodeOffer {
    /// Offer of any network
    offer: String,
}

impl From<DecodeOffer> for DecodeOfferRequest {
    fn from(command: DecodeOffer) -> Self {
        Self { offer: command.offer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn texts_are_passed_on_as_they_are() {
        assert_eq!(
            request::<DecodeInvoice, _>("LNBC1"),
            Ok(DecodeInvoiceRequest { invoice: "LNBC1".to_owned() })
        );
        assert_eq!(
            request::<DecodeOffer, _>("lno1"),
            Ok(DecodeOfferRequest { offer: "lno1".to_owned() })
        );
    }
}
