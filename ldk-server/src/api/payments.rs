//! The history of payments.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::api::{
    GetPaymentDetailsRequest, GetPaymentDetailsResponse, ListForwardedPaymentsRequest,
    ListForwardedPaymentsResponse, ListPaymentsRequest, ListPaymentsResponse,
};
use ldk_server_grpc::types::PageToken;

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::store::{Forward, ForwardFilter, ForwardPlace, Page, PaymentFilter, PaymentPlace};

const PAGE_TOKEN: &str = "page_token";
const DEFAULT_PAGE_SIZE: u32 = 100;
const MAX_PAGE_SIZE: u32 = 1_000;

pub(super) fn get(
    app: &App,
    _: &Caller,
    GetPaymentDetailsRequest { payment_id }: GetPaymentDetailsRequest,
) -> Result<GetPaymentDetailsResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &payment_id)?);
    Ok(GetPaymentDetailsResponse { payment: ops::payments::get(app, id)? })
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
    let next_page_token = rows.last().filter(|_| has_more).map(|Forward { place, .. }| PageToken {
        token: hex::encode(place.number.to_be_bytes()),
        index: as_index(place.created_at),
    });
    let forwarded_payments = rows.into_iter().map(|row| row.payment).collect();
    Ok(ListForwardedPaymentsResponse { forwarded_payments, next_page_token })
}

fn payment_place(token: &PageToken) -> Result<PaymentPlace, Error> {
    let PageToken { token, index } = token;
    let id = PaymentId(fields::hex(PAGE_TOKEN, token)?);
    Ok(PaymentPlace { created_at: creation_time(*index)?, id })
}

fn forward_place(token: &PageToken) -> Result<ForwardPlace, Error> {
    let PageToken { token, index } = token;
    let number = u64::from_be_bytes(fields::hex(PAGE_TOKEN, token)?);
    Ok(ForwardPlace { created_at: creation_time(*index)?, number })
}

/// For each list that accepts the token: how many bytes it has read from it.
pub(crate) fn page_token_bytes(token: &PageToken) -> Vec<usize> {
    let payment = payment_place(token).ok().map(|place| place.id.0.len());
    let forward = forward_place(token).ok().map(|place| place.number.to_be_bytes().len());
    payment.into_iter().chain(forward).collect()
}

fn creation_time(index: i64) -> Result<u64, Error> {
    u64::try_from(index)
        .map_err(|_| Error::invalid(PAGE_TOKEN, format!("the index {index} must not be negative")))
}

fn as_index(created_at: u64) -> i64 {
    i64::try_from(created_at).unwrap_or(i64::MAX)
}

fn unknown_token() -> Error {
    Error::invalid(PAGE_TOKEN, "was not given out by this node for this list")
}

fn parse_page_size(page_size: Option<u32>) -> Result<usize, Error> {
    match page_size.unwrap_or(DEFAULT_PAGE_SIZE) {
        size @ 1..=MAX_PAGE_SIZE => Ok(size as usize),
        other => Err(Error::invalid("page_size", format!("{other} must be 1 to {MAX_PAGE_SIZE}"))),
    }
}

fn check_times(created_from: Option<u64>, created_before: Option<u64>) -> Result<(), Error> {
    match (created_from, created_before) {
        (Some(from), Some(before)) if before <= from => Err(Error::invalid(
            "created_before",
            format!("{before} must be later than created_from, which is {from}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_page_has_at_least_one_row_and_at_most_a_thousand() {
        assert_eq!(parse_page_size(None).unwrap(), 100);
        assert_eq!(parse_page_size(Some(1)).unwrap(), 1);
        assert_eq!(parse_page_size(Some(1_000)).unwrap(), 1_000);
        for size in [0, 1_001, u32::MAX] {
            let error = parse_page_size(Some(size)).unwrap_err().to_string();
            assert!(error.starts_with("page_size: ") && error.contains("1 to 1000"), "{error}");
        }
    }

    #[test]
    fn a_span_of_time_is_not_empty() {
        check_times(Some(1), Some(2)).unwrap();
        check_times(Some(2), None).unwrap();
        for before in [0, 1] {
            let error = check_times(Some(1), Some(before)).unwrap_err().to_string();
            assert!(error.starts_with("created_before: "), "{error}");
        }
    }
}
