//! The amount of a payment, as requests have it.

use super::fields;
use crate::error::Error;
use crate::ops::amount::{Amount, FIELD};

/// The amount of a request, with its range checked.
pub(super) fn parse(msat: Option<u64>, allow_overpayment: bool) -> Result<Amount, Error> {
    let msat = msat.map(|msat| fields::amount_msat(FIELD, msat)).transpose()?;
    Ok(Amount { msat, allow_overpayment })
}
