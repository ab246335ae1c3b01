//! Bounds of amounts, whichever argument has them.

use ldk_node::bitcoin::Address;

use crate::error::Error;

/// An amount that must not be zero.
pub fn positive(field: &'static str, amount: u64) -> Result<u64, Error> {
    if amount > 0 { Ok(amount) } else { Err(Error::invalid(field, "must be greater than 0")) }
}

/// The largest amount there can be: 21 million bitcoin.
pub const MAX_MONEY_SAT: u64 = 2_100_000_000_000_000;

/// A positive amount in millisatoshis, no more than there can be.
pub fn amount_msat(field: &'static str, amount: u64) -> Result<u64, Error> {
    at_most(field, positive(field, amount)?, MAX_MONEY_SAT * 1000)
}

/// A positive amount in satoshis, no more than there can be.
pub fn amount_sat(field: &'static str, amount: u64) -> Result<u64, Error> {
    at_most(field, positive(field, amount)?, MAX_MONEY_SAT)
}

/// An amount in satoshis to pay to `address`, for which it is not too little to be relayed.
pub fn output_sat(field: &'static str, amount: u64, address: &Address) -> Result<u64, Error> {
    let dust_sats = address.script_pubkey().minimal_non_dust().to_sat();
    if amount_sat(field, amount)? >= dust_sats {
        Ok(amount)
    } else {
        let reason = format!("{amount} is dust; this address takes at least {dust_sats}");
        Err(Error::invalid(field, reason))
    }
}

/// An amount that is not over `limit`.
pub fn at_most(field: &'static str, amount: u64, limit: u64) -> Result<u64, Error> {
    if amount <= limit {
        Ok(amount)
    } else {
        Err(Error::invalid(field, format!("{amount} is more than the {limit} there can be")))
    }
}
