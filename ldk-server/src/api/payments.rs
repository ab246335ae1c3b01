//! The history of payments.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::api::{
    GetPaymentDetailsRequest, GetPaymentDetailsResponse, ListForwardedPaymentsRequest,
    ListForwardedPaymentsResponse, ListPaymentsRequest, ListPaymentsResponse, UpdatePaymentRequest,
    UpdatePaymentResponse, WaitPaymentRequest, WaitPaymentResponse,
};
use ldk_server_grpc::types::PageToken;

use super::dispatcher::Call;
use super::pages::{self, PAGE_TOKEN, as_index, check_times, creation_time, parse_page_size};
use super::{fields, notes};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::waits::{self, Waited};
use crate::store::{
    Forward, ForwardFilter, ForwardPlace, NotesChange, Page, PaymentFilter, PaymentPlace,
};
use crate::wire;

pub(super) fn get(
    app: &App,
    _: &Caller,
    GetPaymentDetailsRequest { payment_id }: GetPaymentDetailsRequest,
) -> Result<GetPaymentDetailsResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &payment_id)?);
    Ok(GetPaymentDetailsResponse { payment: ops::payments::get(app, id)? })
}

pub(super) async fn wait(
    call: Call,
    WaitPaymentRequest { payment_id, timeout_secs }: WaitPaymentRequest,
) -> Result<WaitPaymentResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &payment_id)?);
    let until = waits::until(&call.caller, fields::timeout(timeout_secs)?);
    let waited = waits::payments::payment(&call.app()?, id, until, call.stopping()).await?;
    let Some(Waited { latest: payment, timed_out }) = waited else {
        return Err(not_found(&payment_id));
    };
    let outcome = Some(wire::payment::outcome(&payment, timed_out));
    Ok(WaitPaymentResponse { payment: Some(payment), outcome })
}

fn not_found(payment_id: &str) -> Error {
    Error::NotFound(format!("payment_id: there is no payment {payment_id}"))
}

pub(super) fn update(
    app: &App,
    _: &Caller,
    request: UpdatePaymentRequest,
) -> Result<UpdatePaymentResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &request.payment_id)?);
    let payment_id = request.payment_id.clone();
    match ops::payments::update(app, id, changed_notes(request)?)? {
        Some(payment) => Ok(UpdatePaymentResponse { payment: Some(payment) }),
        None => Err(not_found(&payment_id)),
    }
}

fn changed_notes(request: UpdatePaymentRequest) -> Result<NotesChange, Error> {
    let UpdatePaymentRequest { payment_id: _, label, metadata, clear_metadata } = request;
    if clear_metadata && !metadata.is_empty() {
        return Err(Error::invalid("clear_metadata", "must not be set together with metadata"));
    }
    let changes_label = label.is_some();
    let notes = notes::of_payment(label.unwrap_or_default(), metadata)?;
    let changes_metadata = clear_metadata || !notes.metadata.is_empty();
    let change = NotesChange {
        label: changes_label.then_some(notes.label),
        metadata: changes_metadata.then_some(notes.metadata),
    };
    if change.is_empty() {
        return Err(Error::invalid("label", "must be set, or else metadata or clear_metadata"));
    }
    Ok(change)
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    request: ListPaymentsRequest,
) -> Result<ListPaymentsResponse, Error> {
    let after = request.page_token.as_ref().map(payment_place).transpose()?;
    let page_size = parse_page_size(request.page_size)?;
    let page = ops::payments::list(app, &filter(&request)?, after, page_size)?;
    let Page { rows: payments, has_more } = page.ok_or_else(unknown_token)?;
    let next_page_token = payments
        .last()
        .filter(|_| has_more)
        .map(|last| PageToken { token: last.id.clone(), index: as_index(last.created_at) });
    Ok(ListPaymentsResponse { payments, next_page_token })
}

fn filter(request: &ListPaymentsRequest) -> Result<PaymentFilter, Error> {
    let ListPaymentsRequest {
        page_token: _,
        page_size: _,
        status,
        direction,
        method,
        created_from,
        created_before,
        payment_hash,
    } = request;
    check_times(*created_from, *created_before)?;
    Ok(PaymentFilter {
        status: status.map(|status| fields::enumeration("status", status)).transpose()?,
        direction: direction
            .map(|direction| fields::enumeration("direction", direction))
            .transpose()?,
        method: fields::enumeration("method", *method)?,
        created_from: *created_from,
        created_before: *created_before,
        payment_hash: match payment_hash.as_str() {
            "" => None,
            hash => Some(PaymentHash(fields::hex("payment_hash", hash)?)),
        },
    })
}

pub(super) fn list_forwarded(
    app: &App,
    _: &Caller,
    request: ListForwardedPaymentsRequest,
) -> Result<ListForwardedPaymentsResponse, Error> {
    let ListForwardedPaymentsRequest { page_token, page_size, created_from, created_before } =
        request;
    let after = page_token.as_ref().map(forward_place).transpose()?;
    let page_size = parse_page_size(page_size)?;
    check_times(created_from, created_before)?;
    let filter = ForwardFilter { created_from, created_before };
    let page = ops::payments::list_forwarded(app, &filter, after, page_size)?;
    let Page { rows, has_more } = page.ok_or_else(unknown_token)?;
    let next_page_token = rows
        .last()
        .filter(|_| has_more)
        .map(|Forward { place, .. }| pages::token_of(place.created_at, place.number));
    let forwarded_payments = rows.into_iter().map(|row| row.payment).collect();
    Ok(ListForwardedPaymentsResponse { forwarded_payments, next_page_token })
}

fn payment_place(token: &PageToken) -> Result<PaymentPlace, Error> {
    let PageToken { token, index } = token;
    let id = PaymentId(fields::hex(PAGE_TOKEN, token)?);
    Ok(PaymentPlace { created_at: creation_time(*index)?, id })
}

fn forward_place(token: &PageToken) -> Result<ForwardPlace, Error> {
    let (created_at, number) = pages::numbered(token)?;
    Ok(ForwardPlace { created_at, number })
}

/// For each list that accepts the token: how many bytes it has read from it.
pub(crate) fn page_token_bytes(token: &PageToken) -> Vec<usize> {
    let payment = payment_place(token).ok().map(|place| place.id.0.len());
    let forward = forward_place(token).ok().map(|place| place.number.to_be_bytes().len());
    payment.into_iter().chain(forward).collect()
}

fn unknown_token() -> Error {
    Error::invalid(PAGE_TOKEN, "was not given out by this node for this list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_an_update_stays() {
        let changed = |label: Option<&str>, entries: usize, clear_metadata| {
            let entry = |n: usize| (n.to_string(), String::new());
            let label = label.map(str::to_owned);
            let metadata = (0..entries).map(entry).collect();
            changed_notes(UpdatePaymentRequest {
                label,
                metadata,
                clear_metadata,
                ..Default::default()
            })
            .map(|NotesChange { label, metadata }| (label, metadata.map(|all| all.len())))
            .map_err(|error| error.to_string())
        };
        assert_eq!(changed(Some("a"), 0, false), Ok((Some(Some("a".to_owned())), None)));
        assert_eq!(changed(Some(""), 2, false), Ok((Some(None), Some(2))));
        assert_eq!(changed(None, 0, true), Ok((None, Some(0))));
        for (refused, field) in [
            (changed(None, 0, false), "label: must be set"),
            (changed(None, 1, true), "clear_metadata: "),
            (changed(None, 17, false), "metadata: has 17 entries"),
            (changed(Some(&"x".repeat(257)), 0, true), "label: has 257 bytes"),
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.starts_with(field), "{refused}");
        }
    }

    fn token(token: &str, index: i64) -> PageToken {
        PageToken { token: token.to_owned(), index }
    }

    #[test]
    fn tokens_are_places() {
        let place = payment_place(&token(&"ab".repeat(32), 7)).unwrap();
        assert_eq!(place, PaymentPlace { created_at: 7, id: PaymentId([0xab; 32]) });
        let place = forward_place(&token("00000000000000ff", 7)).unwrap();
        assert_eq!(place, ForwardPlace { created_at: 7, number: 255 });
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_by_name() {
        let id = "ab".repeat(32);
        for (text, index) in
            [("", 0), ("ab", 0), (&*"zz".repeat(32), 0), (&id, -1), (&id, i64::MIN)]
        {
            for error in [
                payment_place(&token(text, index)).map(|_| ()).unwrap_err(),
                forward_place(&token(text, index)).map(|_| ()).unwrap_err(),
            ] {
                assert!(error.to_string().starts_with("page_token: "), "{error}");
            }
        }
    }
}
