//! What a payer is asked to pay, and in which ways it can be paid.

use ldk_node::bitcoin::Address;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::offers::offer::{Amount as OfferAmount, Offer};
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::lightning_types::payment::PaymentHash;

use super::amount::{self, Amount};
use crate::error::Error;

/// The argument that names what to pay.
pub const URI: &str = "uri";

/// A way to pay.
#[derive(Clone, Debug)]
pub enum PaymentMethod {
    /// A BOLT 12 offer.
    Offer(Box<Offer>),
    /// A BOLT 11 invoice.
    Invoice(Box<Bolt11Invoice>),
    /// An address of the chain.
    Address(Address),
}

impl PaymentMethod {
    /// How it is called in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer(_) => BY_OFFER,
            Self::Invoice(_) => BY_INVOICE,
            Self::Address(_) => ON_CHAIN,
        }
    }

    /// What it asks for by itself.
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

    /// What two URIs have in common that ask for the same payment.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Offer(offer) => offer.id().0.to_vec(),
            Self::Invoice(invoice) => invoice.payment_hash().to_byte_array().to_vec(),
            Self::Address(address) => address.script_pubkey().into_bytes(),
        }
    }

    /// Lower ones are tried first.
    pub fn preference(&self) -> u8 {
        match self {
            Self::Offer(_) => 0,
            Self::Invoice(_) => 1,
            Self::Address(_) => 2,
        }
    }
}

/// How the methods are called in messages.
pub const BY_OFFER: &str = "by offer";

/// The same.
pub const BY_INVOICE: &str = "by invoice";

/// The same.
pub const ON_CHAIN: &str = "on chain";

/// A part that is not used, and why.
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

/// What to pay, and how, as far as it can be checked without asking the library.
#[derive(Debug)]
pub struct PaymentRequest {
    pub(super) instructions: Instructions,
    pub(super) amount: Amount,
    pub(super) limits: RouteParametersConfig,
}

impl PaymentRequest {
    /// Refuses an amount that the request does not take, and a request that cannot be paid in any way.
    pub fn new(
        instructions: Instructions,
        amount: Amount,
        limits: RouteParametersConfig,
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

/// One refusal for those of all ways.
pub fn no_way(mut left_out: Vec<LeftOut>) -> Error {
    let all_invalid =
        left_out.iter().all(|(_, error)| matches!(error, Error::InvalidArgument { .. }));
    if left_out.len() == 1 || all_invalid && !left_out.is_empty() {
        return of_the_uri(left_out.swap_remove(0).1);
    }
    let reasons = texts(&left_out).join("; ");
    Error::FailedPrecondition(format!("none of the ways to pay works; {reasons}"))
}

/// The same, in words.
pub fn texts(left_out: &[LeftOut]) -> Vec<String> {
    let text = |(name, error): &LeftOut| match error {
        Error::InvalidArgument { field: URI, reason } => format!("{name}: {reason}"),
        error => format!("{name}: {error}"),
    };
    left_out.iter().map(text).collect()
}

/// The error with the field of this request, where it names one of another call's.
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
