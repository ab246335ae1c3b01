//! BOLT 12 refunds.

use ldk_server_grpc::api::{
    ClaimRefundRequest, ClaimRefundResponse, CreateRefundRequest, CreateRefundResponse,
};

use super::bolt12::{MAX_PAYER_NOTE_BYTES, at_most_bytes};
use super::canonical::DEFAULT_EXPIRY_SECS;
use super::{fields, notes, route};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::refunds::Terms;
use crate::store::with_notes;

pub(super) fn create(
    app: &App,
    caller: &Caller,
    request: CreateRefundRequest,
) -> Result<CreateRefundResponse, Error> {
    let CreateRefundRequest {
        amount_msat,
        expiry_secs,
        quantity,
        payer_note,
        route_parameters,
        idempotency_key: _,
        label,
        metadata,
    } = request;
    let notes = notes::of_payment(label, metadata)?;
    let amount_msat = fields::amount_msat("amount_msat", amount_msat)?;
    let limits = route::limits(app.route_defaults, route_parameters)?;
    let terms = terms(amount_msat, expiry_secs, quantity, payer_note)?;
    let create = || ops::refunds::create(app, caller, terms, limits);
    let (refund, id) = with_notes(&notes, create)?;
    Ok(CreateRefundResponse {
        refund: refund.to_string(),
        payment_id: hex::encode(id.0),
        repeated: false,
    })
}

fn terms(
    amount_msat: u64,
    expiry_secs: Option<u32>,
    quantity: Option<u64>,
    payer_note: Option<String>,
) -> Result<Terms, Error> {
    if expiry_secs == Some(0) {
        return Err(Error::invalid("expiry_secs", "must be greater than 0, or absent"));
    }
    if let Some(quantity) = quantity {
        fields::positive("quantity", quantity)?;
    }
    if let Some(note) = &payer_note {
        at_most_bytes("payer_note", note, MAX_PAYER_NOTE_BYTES)?;
    }
    let expiry_secs = expiry_secs.unwrap_or(DEFAULT_EXPIRY_SECS);
    Ok(Terms { amount_msat, expiry_secs, quantity, payer_note })
}

pub(super) fn claim(
    app: &App,
    _: &Caller,
    ClaimRefundRequest { refund }: ClaimRefundRequest,
) -> Result<ClaimRefundResponse, Error> {
    let refund = fields::refund("refund", &refund, app.network)?;
    let id = ops::refunds::claim(app, &refund)?;
    let amount_msat = refund.amount_msats();
    Ok(ClaimRefundResponse { payment_id: hex::encode(id.0), amount_msat })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(expiry_secs: Option<u32>, quantity: Option<u64>, note: Option<String>) -> String {
        let terms = terms(1, expiry_secs, quantity, note);
        terms.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_refund_has_terms() {
        assert_eq!(terms(1, None, None, None).unwrap().expiry_secs, DEFAULT_EXPIRY_SECS);
        let full = terms(1, Some(u32::MAX), Some(u64::MAX), Some("é".repeat(256)));
        assert_eq!(full.unwrap().expiry_secs, u32::MAX);
        assert!(refused(Some(0), None, None).starts_with("expiry_secs: "));
        assert!(refused(None, Some(0), None).starts_with("quantity: "));
        let long = refused(None, None, Some("a".repeat(513)));
        assert!(long.contains("payer_note: has 513 bytes; at most 512"), "{long}");
    }
}
