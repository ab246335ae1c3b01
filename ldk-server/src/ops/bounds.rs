//! Checks the bounds of amounts.

use ldk_node::bitcoin::Address;

use crate::error::Error;

/// Checks that an amount is not zero.
pub fn positive(field: &'static str, amount: u64) -> Result<u64, Error> {
    if amount > 0 { Ok(amount) } else { Err(Error::invalid(field, "must be greater than 0")) }
}

/// The maximum supply: 21 million bitcoin.
pub const MAX_MONEY_SAT: u64 = 2_100_000_000_000_000;

/// Checks an amount in millisatoshis: greater than 0, and within the maximum supply.
pub fn amount_msat(field: &'static str, amount: u64) -> Result<u64, Error> {
    at_most(field, positive(field, amount)?, MAX_MONEY_SAT * 1000)
}

/// Checks an amount in satoshis: greater than 0, and within the maximum supply.
pub fn amount_sat(field: &'static str, amount: u64) -> Result<u64, Error> {
    at_most(field, positive(field, amount)?, MAX_MONEY_SAT)
}

/// Checks an amount in satoshis to pay to `address`: as [`amount_sat`], and not dust.
pub fn output_sat(field: &'static str, amount: u64, address: &Address) -> Result<u64, Error> {
    let dust_sats = address.script_pubkey().minimal_non_dust().to_sat();
    if amount_sat(field, amount)? >= dust_sats {
        Ok(amount)
    } else {
        let reason = format!("{amount} is dust; this address takes at least {dust_sats}");
        Err(Error::invalid(field, reason))
    }
}

/// Checks that an amount is at most `limit`.
pub fn at_most(field: &'static str, amount: u64, limit: u64) -> Result<u64, Error> {
    if amount <= limit {
        Ok(amount)
    } else {
        Err(Error::invalid(field, format!("{amount} is more than the {limit} there can be")))
    }
}
