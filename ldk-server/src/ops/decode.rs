//! Reading invoices and offers of any network. No node is needed for that.

use std::time::Duration;

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::offers::parse::Bolt12ParseError;
use ldk_node::lightning_invoice::{
    Bolt11Invoice, Bolt11ParseError, Bolt11SemanticError, DEFAULT_EXPIRY_TIME, ExpiryTime,
    SignedRawBolt11Invoice,
};
use ldk_node::lightning_types::payment::{PaymentHash, PaymentSecret};

use crate::wire::faults;

/// A BOLT 11 invoice that obeys the rules of BOLT 11, whether or not this node could pay it.
#[derive(Debug)]
pub struct DecodedInvoice {
    /// All its fields.
    pub invoice: SignedRawBolt11Invoice,
    /// The payee: as named, or else recovered from the signature.
    pub payee: PublicKey,
    /// The payment hash.
    pub payment_hash: PaymentHash,
    /// The payment secret.
    pub payment_secret: PaymentSecret,
    /// The amount, in millisatoshis, if it names one.
    pub amount_msat: Option<u64>,
}

/// Why a text is not a valid BOLT 11 invoice.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// It cannot be parsed.
    #[error("is not a BOLT 11 invoice: {}", faults::of_parsed_invoice(.0))]
    Unreadable(Bolt11ParseError),
    /// It breaks a rule of BOLT 11.
    #[error("is not a sound invoice: {}", faults::of_sense(.0))]
    Unsound(Bolt11SemanticError),
    /// Its amount overflows 64 bits.
    #[error("is not a sound invoice: its amount is too large")]
    AmountTooLarge,
}

/// Why a text is not a valid BOLT 12 offer.
#[derive(Debug, thiserror::Error)]
#[error("is not a BOLT 12 offer: {}", faults::of_offer(.0))]
pub struct OfferError(Bolt12ParseError);

/// Reads an offer.
pub fn offer(text: &str) -> Result<Offer, OfferError> {
    text.parse().map_err(OfferError)
}

/// Reads an invoice.
pub fn invoice(text: &str) -> Result<DecodedInvoice, InvoiceError> {
    let invoice: SignedRawBolt11Invoice = text.parse().map_err(InvoiceError::Unreadable)?;
    check(&invoice).map_err(InvoiceError::Unsound)?;
    let missing = InvoiceError::Unsound;
    let payment_hash = invoice.payment_hash().ok_or(missing(Bolt11SemanticError::NoPaymentHash))?;
    let payment_secret =
        *invoice.payment_secret().ok_or(missing(Bolt11SemanticError::NoPaymentSecret))?;
    Ok(DecodedInvoice {
        payee: payee(&invoice)?,
        payment_hash: PaymentHash(*payment_hash.0.as_ref()),
        payment_secret,
        amount_msat: amount_msat(&invoice)?,
        invoice,
    })
}

fn payee(invoice: &SignedRawBolt11Invoice) -> Result<PublicKey, InvoiceError> {
    if let Some(payee) = invoice.payee_pub_key() {
        return Ok(payee.0);
    }
    let recovered = invoice.recover_payee_pub_key();
    let unsound = InvoiceError::Unsound(Bolt11SemanticError::InvalidSignature);
    recovered.map(|payee| payee.0).map_err(|_| unsound)
}

/// Checks what the library checks before it pays an invoice, except the features: an invoice with
/// required features that the library does not know can be decoded all the same.
fn check(invoice: &SignedRawBolt11Invoice) -> Result<(), Bolt11SemanticError> {
    match Bolt11Invoice::from_signed(invoice.clone()) {
        // The library has not come to the checks that follow that of the features.
        Err(Bolt11SemanticError::InvalidFeatures) => {
            if !invoice.check_signature() {
                return Err(Bolt11SemanticError::InvalidSignature);
            }
            if invoice.amount_pico_btc().is_some_and(|pico| !pico.is_multiple_of(10)) {
                return Err(Bolt11SemanticError::ImpreciseAmount);
            }
            Ok(())
        },
        checked => checked.map(drop),
    }
}

/// The library takes an amount that overflows for none.
fn amount_msat(invoice: &SignedRawBolt11Invoice) -> Result<Option<u64>, InvoiceError> {
    match (invoice.raw_invoice().hrp.raw_amount, invoice.amount_pico_btc()) {
        (None, _) => Ok(None),
        (Some(_), Some(pico)) => Ok(Some(pico / 10)),
        (Some(_), None) => Err(InvoiceError::AmountTooLarge),
    }
}

impl DecodedInvoice {
    /// When it was made, in Unix seconds.
    pub fn timestamp(&self) -> u64 {
        self.invoice.raw_invoice().data.timestamp.as_unix_timestamp()
    }

    /// How long it can be paid from then on, in seconds.
    pub fn expiry_secs(&self) -> u64 {
        self.invoice.expiry_time().map_or(DEFAULT_EXPIRY_TIME, ExpiryTime::as_seconds)
    }

    /// Whether it can no longer be paid at this time since 1970.
    pub fn is_expired(&self, now: Duration) -> bool {
        now > Duration::from_secs(self.timestamp().saturating_add(self.expiry_secs()))
    }
}
