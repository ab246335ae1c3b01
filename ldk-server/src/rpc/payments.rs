//! Payments that were made, received, forwarded or are under way.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::api::{
    GetPaymentDetailsRequest, GetPaymentDetailsResponse, ListForwardedPaymentsRequest,
    ListForwardedPaymentsResponse, ListPaymentsRequest, ListPaymentsResponse,
};
use ldk_server_grpc::types::PageToken;

use super::{App, fields};
use crate::error::Error;
use crate::store::{Forward, Page, PaymentPlace};
use crate::wire;

const PAGE_TOKEN: &str = "page_token";

pub(super) fn get(
    app: &App,
    GetPaymentDetailsRequest { payment_id }: GetPaymentDetailsRequest,
) -> Result<GetPaymentDetailsResponse, Error> {
    let id = PaymentId(fields::hex("payment_id", &payment_id)?);
    Ok(GetPaymentDetailsResponse { payment: app.node.payment(&id).map(wire::payment::payment) })
}

pub(super) fn list(
    app: &App,
    ListPaymentsRequest { page_token, .. }: ListPaymentsRequest,
) -> Result<ListPaymentsResponse, Error> {
    let after = page_token.as_ref().map(payment_place).transpose()?;
    let Page { rows, has_more } = app.payments.page(after);
    let last = rows.last().filter(|_| has_more);
    let next_page_token =
        last.map(|last| PageToken { token: hex::encode(last.id().0), index: last.created_at() });
    // One that was removed since the page was put together is left out.
    let payments = rows.iter().filter_map(|place| app.node.payment(&place.id()));
    let payments = payments.map(wire::payment::payment).collect();
    Ok(ListPaymentsResponse { payments, next_page_token })
}

pub(super) fn list_forwarded(
    app: &App,
    ListForwardedPaymentsRequest { page_token, .. }: ListForwardedPaymentsRequest,
) -> Result<ListForwardedPaymentsResponse, Error> {
    let before = page_token.as_ref().map(forward_number).transpose()?;
    let page = app.forwards.page(before).map_err(|error| Error::Internal(error.to_string()))?;
    let Page { rows, has_more } =
        page.ok_or_else(|| Error::invalid(PAGE_TOKEN, "names no forwarded payment of this node"))?;
    let last = rows.last().filter(|_| has_more);
    let next_page_token = last.map(|Forward { number, created_at, .. }| PageToken {
        token: hex::encode(number.to_be_bytes()),
        index: *created_at,
    });
    let forwarded_payments = rows.into_iter().map(|row| row.payment).collect();
    Ok(ListForwardedPaymentsResponse { forwarded_payments, next_page_token })
}

/// A place between payments: that of a payment that was removed meanwhile is one too.
fn payment_place(token: &PageToken) -> Result<PaymentPlace, Error> {
    let PageToken { token, index } = token;
    let id = PaymentId(fields::hex(PAGE_TOKEN, token)?);
    Ok(PaymentPlace::new(creation_time(*index)?, id))
}

fn forward_number(token: &PageToken) -> Result<u64, Error> {
    let PageToken { token, index } = token;
    let number = fields::hex(PAGE_TOKEN, token)?;
    creation_time(*index)?;
    Ok(u64::from_be_bytes(number))
}

fn creation_time(index: i64) -> Result<i64, Error> {
    if index >= 0 {
        Ok(index)
    } else {
        Err(Error::invalid(PAGE_TOKEN, format!("the index {index} must not be negative")))
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
        assert_eq!(place, PaymentPlace::new(7, PaymentId([0xab; 32])));
        assert_eq!(forward_number(&token("00000000000000ff", 0)).unwrap(), 255);
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_by_name() {
        let id = "ab".repeat(32);
        for (text, index) in
            [("", 0), ("ab", 0), (&*"zz".repeat(32), 0), (&id, -1), (&id, i64::MIN)]
        {
            for error in [
                payment_place(&token(text, index)).map(|_| ()).unwrap_err(),
                forward_number(&token(text, index)).map(|_| ()).unwrap_err(),
            ] {
                assert!(error.to_string().starts_with("page_token: "), "{error}");
            }
        }
    }
}
