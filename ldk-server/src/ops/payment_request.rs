//! Payment requests with one or more payment methods.

use ldk_node::bitcoin::Address;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::offers::offer::{Amount as OfferAmount, Offer};
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::lightning_types::payment::PaymentHash;

use super::amount::{self, Amount};
use super::route::RouteLimits;
use crate::error::Error;

/// The argument that names what to pay.
pub const URI: &str = "uri";

/// A payment method.
#[derive(Clone, Debug)]
pub enum PaymentMethod {
    /// A BOLT 12 offer.
    Offer(Box<Offer>),
    /// A BOLT 11 invoice.
    Invoice(Box<Bolt11Invoice>),
    /// An on-chain address.
    Address(Address),
}

impl PaymentMethod {
    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer(_) => BY_OFFER,
            Self::Invoice(_) => BY_INVOICE,
            Self::Address(_) => ON_CHAIN,
        }
    }

    /// The amount that it names itself, in millisatoshis.
    pub fn asked_msat(&self) -> Option<u64> {
        match self {
            Self::Offer(offer) => match offer.amount() {
                Some(OfferAmount::Bitcoin { amount_msats }) if amount_msats > 0 => {
                    Some(amount_msats)
                },
                _ => None,
            },
            Self::Invoice(invoice) => invoice.amount_milli_satoshis(),
            Self::Address(_) => None,
        }
    }

    /// Identifies the payment: equal in two URIs that ask for the same one.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Offer(offer) => offer.id().0.to_vec(),
            Self::Invoice(invoice) => invoice.payment_hash().to_byte_array().to_vec(),
            Self::Address(address) => address.script_pubkey().into_bytes(),
        }
    }

    /// The order in which methods are tried, lowest first.
    pub fn preference(&self) -> u8 {
        match self {
            Self::Offer(_) => 0,
            Self::Invoice(_) => 1,
            Self::Address(_) => 2,
        }
    }
}

/// The name of offers in messages.
pub const BY_OFFER: &str = "by offer";

/// The name of invoices in messages.
pub const BY_INVOICE: &str = "by invoice";

/// The name of addresses in messages.
pub const ON_CHAIN: &str = "on chain";

/// A part that is not used, and the reason.
pub type LeftOut = (&'static str, Error);

/// What a payer is asked to pay.
#[derive(Debug, Default)]
pub struct Instructions {
    /// In the order of preference: offers, invoices, an address. None if each was left out.
    pub methods: Vec<PaymentMethod>,
    /// The amount asked for, in millisatoshis. Where both are named it is that of the URI.
    pub asked_msat: Option<u64>,
    /// The hashes of all invoices, of expired ones too: one that was paid may have expired since.
    pub invoices: Vec<PaymentHash>,
    /// The parts that cannot be used.
    pub left_out: Vec<LeftOut>,
}

/// A payment request whose amount and methods were checked, as far as possible without the library.
#[derive(Debug)]
pub struct PaymentRequest {
    pub(super) instructions: Instructions,
    pub(super) amount: Amount,
    pub(super) limits: RouteLimits,
}

impl PaymentRequest {
    /// Fails if the amount does not match the request, or if no method can be used.
    pub fn new(
        instructions: Instructions,
        amount: Amount,
        limits: RouteLimits,
    ) -> Result<Self, Error> {
        match (amount.msat, instructions.asked_msat) {
            _ if instructions.methods.is_empty() => return Err(no_way(instructions.left_out)),
            (None, None) => {
                return Err(Error::invalid(amount::FIELD, "must be set: the uri names no amount"));
            },
            (Some(_), None) => {},
            (_, Some(asked_msat)) => drop(amount.to_pay(URI, asked_msat)?),
        }
        Ok(Self { instructions, amount, limits })
    }
}

/// One error for the errors of all methods.
pub fn no_way(mut left_out: Vec<LeftOut>) -> Error {
    let all_invalid =
        left_out.iter().all(|(_, error)| matches!(error, Error::InvalidArgument { .. }));
    if left_out.len() == 1 || all_invalid && !left_out.is_empty() {
        return of_the_uri(left_out.swap_remove(0).1);
    }
    let reasons = texts(&left_out).join("; ");
    Error::FailedPrecondition(format!("none of the ways to pay works; {reasons}"))
}

/// The parts left out, as texts.
pub fn texts(left_out: &[LeftOut]) -> Vec<String> {
    let text = |(name, error): &LeftOut| match error {
        Error::InvalidArgument { field: URI, reason } => format!("{name}: {reason}"),
        error => format!("{name}: {error}"),
    };
    left_out.iter().map(text).collect()
}

/// The error, with the argument of this operation in place of that of the operation behind it.
pub fn of_the_uri(error: Error) -> Error {
    match error {
        Error::InvalidArgument { field: "amount_sats", reason } => {
            Error::invalid(amount::FIELD, format!("on chain, in satoshis: {reason}"))
        },
        Error::InvalidArgument { field: "address" | "invoice" | "offer", reason } => {
            Error::invalid(URI, reason)
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusals_of_all_ways_are_told_in_one() {
        let precondition = |words: &str| Error::FailedPrecondition(words.to_owned());
        let one = no_way(vec![("on chain", Error::invalid("amount_sats", "1 is dust"))]);
        assert_eq!(one.to_string(), "amount_msat: on chain, in satoshis: 1 is dust");
        let both = no_way(vec![
            ("by offer", precondition("no peer")),
            ("on chain", Error::invalid("amount_sats", "1 is dust")),
        ]);
        assert!(matches!(both, Error::FailedPrecondition(_)), "{both:?}");
        assert!(both.to_string().contains("by offer: no peer; on chain: amount_sats: 1 is dust"));
        let invalid = no_way(vec![
            ("by offer", Error::invalid("amount_msat", "too little")),
            ("by invoice", Error::invalid("amount_msat", "too little")),
        ]);
        assert_eq!(invalid.to_string(), "amount_msat: too little");
    }
}
