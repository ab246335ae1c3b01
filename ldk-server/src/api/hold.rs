//! Invoices whose preimage only the caller knows: payments to them are held until the caller claims
//! them or fails them.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_server_grpc::api::{
    Bolt11ClaimForHashRequest, Bolt11ClaimForHashResponse, Bolt11FailForHashRequest,
    Bolt11FailForHashResponse, Bolt11ReceiveForHashRequest, Bolt11ReceiveForHashResponse,
};

use super::{bolt11, fields, notes};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;

pub(super) fn receive(
    app: &App,
    _: &Caller,
    mut request: Bolt11ReceiveForHashRequest,
) -> Result<Bolt11ReceiveForHashResponse, Error> {
    let noted = notes::take(&mut request)?;
    let Bolt11ReceiveForHashRequest { amount_msat, description, expiry_secs, payment_hash, .. } =
        request;
    let terms = bolt11::parse_terms(amount_msat, description, expiry_secs)?;
    let hash = PaymentHash(fields::hex("payment_hash", &payment_hash)?);
    let invoice = ops::hold::receive(app, &terms, noted, hash)?;
    Ok(Bolt11ReceiveForHashResponse { invoice })
}

pub(super) fn claim(
    app: &App,
    _: &Caller,
    request: Bolt11ClaimForHashRequest,
) -> Result<Bolt11ClaimForHashResponse, Error> {
    let Bolt11ClaimForHashRequest { payment_hash, claimable_amount_msat, preimage } = request;
    let (hash, preimage) = parse_preimage(payment_hash.as_deref(), &preimage)?;
    ops::hold::claim(app, hash, preimage, claimable_amount_msat)?;
    Ok(Bolt11ClaimForHashResponse {})
}

pub(super) fn fail(
    app: &App,
    _: &Caller,
    Bolt11FailForHashRequest { payment_hash }: Bolt11FailForHashRequest,
) -> Result<Bolt11FailForHashResponse, Error> {
    ops::hold::fail(app, PaymentHash(fields::hex("payment_hash", &payment_hash)?))?;
    Ok(Bolt11FailForHashResponse {})
}

/// Never quotes the preimage.
fn parse_preimage(
    payment_hash: Option<&str>,
    preimage: &str,
) -> Result<(PaymentHash, PaymentPreimage), Error> {
    let bytes = fields::secret::<32>("preimage", preimage)?;
    let hash = sha256::Hash::hash(&bytes).to_byte_array();
    if let Some(text) = payment_hash
        && fields::hex("payment_hash", text)? != hash
    {
        return Err(Error::invalid("preimage", format!("does not belong to payment_hash {text}")));
    }
    Ok((PaymentHash(hash), PaymentPreimage(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preimage_is_never_quoted() {
        let (good, bad) = ("0f".repeat(32), "0g".repeat(32));
        let hash = hex::encode([1; 32]);
        for (hash, preimage) in [(None, &bad), (None, &good[2..].to_owned()), (Some(&hash), &good)]
        {
            let error = parse_preimage(hash.map(String::as_str), preimage).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { field: "preimage", .. }));
            assert!(!error.to_string().contains("0f0f0f"), "{error}");
            assert!(!error.to_string().contains("0g0g0g"), "{error}");
        }
        assert!(parse_preimage(None, &good).is_ok());
    }
}
