//! Invoices, offers and receipts as objects.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_server_grpc::api::{
    CancelInvoiceRequest, CancelInvoiceResponse, DeleteExpiredInvoicesRequest,
    DeleteExpiredInvoicesResponse, DeleteInvoiceRequest, DeleteInvoiceResponse, GetInvoiceRequest,
    GetInvoiceResponse, ListInvoicesRequest, ListInvoicesResponse, WaitAnyInvoiceRequest,
    WaitAnyInvoiceResponse, WaitInvoiceRequest, WaitInvoiceResponse,
};
use ldk_server_grpc::types::{self, InvoiceKind, InvoiceState, PageToken};

use super::dispatcher::Call;
use super::{fields, notes, pages};
use crate::app::App;
use crate::caller::Caller;
use crate::clock::unix_secs;
use crate::error::Error;
use crate::ops::{self, waits};
use crate::store::{
    InvoiceFilter, InvoiceName, InvoicePlace, InvoiceRow, InvoiceStatus, ListedState, Page,
};

pub(super) fn list(
    app: &App,
    _: &Caller,
    request: ListInvoicesRequest,
) -> Result<ListInvoicesResponse, Error> {
    let after = request.page_token.as_ref().map(place).transpose()?;
    let page_size = pages::parse_page_size(request.page_size)?;
    let page = ops::invoices::list(app, &filter(request)?, after, page_size)?;
    let Page { rows, has_more } = page;
    let last = rows.last().filter(|_| has_more);
    let next_page_token = last.map(|last| pages::token_of(last.created_at, last.number));
    Ok(ListInvoicesResponse {
        invoices: rows.into_iter().map(|invoice| message(&invoice)).collect(),
        next_page_token,
        last_pay_index: app.store.invoice_log().last_pay_index(),
    })
}

fn place(token: &PageToken) -> Result<InvoicePlace, Error> {
    let (created_at, number) = pages::numbered(token)?;
    Ok(InvoicePlace { created_at, number })
}

fn filter(request: ListInvoicesRequest) -> Result<InvoiceFilter, Error> {
    let ListInvoicesRequest {
        page_token: _,
        page_size: _,
        states,
        kinds,
        external_id,
        created_from,
        created_before,
    } = request;
    pages::check_times(created_from, created_before)?;
    let states = states.into_iter().map(|state| listed(fields::enumeration("states", state)?));
    let kinds = kinds.into_iter().map(|kind| known_kind(fields::enumeration("kinds", kind)?));
    Ok(InvoiceFilter {
        states: once_each(states)?,
        kinds: once_each(kinds)?,
        external_id: notes::name("external_id", external_id)?,
        created_from,
        created_before,
        now: unix_secs(),
    })
}

/// Leaves out what is there already: a query has no room for any number of them.
fn once_each<T: PartialEq>(
    values: impl Iterator<Item = Result<T, Error>>,
) -> Result<Vec<T>, Error> {
    let mut once = Vec::new();
    for value in values {
        let value = value?;
        if !once.contains(&value) {
            once.push(value);
        }
    }
    Ok(once)
}

fn known_kind(kind: InvoiceKind) -> Result<InvoiceKind, Error> {
    match kind {
        InvoiceKind::Unspecified => Err(Error::invalid("kinds", "must name kinds, or be empty")),
        kind => Ok(kind),
    }
}

fn listed(state: InvoiceState) -> Result<ListedState, Error> {
    match state {
        InvoiceState::Unspecified => Err(Error::invalid("states", "must name states, or be empty")),
        InvoiceState::Open => Ok(ListedState::Stored(InvoiceStatus::Open)),
        InvoiceState::Held => Ok(ListedState::Stored(InvoiceStatus::Held)),
        InvoiceState::Paid => Ok(ListedState::Stored(InvoiceStatus::Paid)),
        InvoiceState::Cancelled => Ok(ListedState::Stored(InvoiceStatus::Cancelled)),
        InvoiceState::Expired => Ok(ListedState::Expired),
    }
}

pub(super) fn get(
    app: &App,
    _: &Caller,
    request: GetInvoiceRequest,
) -> Result<GetInvoiceResponse, Error> {
    let GetInvoiceRequest { label, payment_hash, invoice, external_id } = request;
    let names = [
        label_name(label)?,
        hash_name(&payment_hash)?,
        text_name(app, &invoice)?,
        notes::name("external_id", external_id)?.map(InvoiceName::ExternalId),
    ];
    let name = one_of("label, payment_hash, invoice or external_id", names)?;
    let invoice = ops::invoices::get(app, &name)?;
    Ok(GetInvoiceResponse {
        invoice: Some(message(&invoice)),
        last_pay_index: app.store.invoice_log().last_pay_index(),
    })
}

fn label_name(label: String) -> Result<Option<InvoiceName>, Error> {
    Ok(notes::name("label", label)?.map(InvoiceName::Label))
}

fn hash_name(payment_hash: &str) -> Result<Option<InvoiceName>, Error> {
    match payment_hash {
        "" => Ok(None),
        hash => Ok(Some(InvoiceName::PaymentHash(fields::hex("payment_hash", hash)?))),
    }
}

fn text_name(app: &App, text: &str) -> Result<Option<InvoiceName>, Error> {
    const FIELD: &str = "invoice";
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(offer) = fields::offer(FIELD, text, app.network) {
        return Ok(Some(InvoiceName::OfferId(offer.id().0)));
    }
    let invoice = fields::invoice(FIELD, text, app.network)?;
    Ok(Some(InvoiceName::PaymentHash(invoice.payment_hash().to_byte_array())))
}

fn by_label_or_hash(label: String, payment_hash: &str) -> Result<InvoiceName, Error> {
    one_of("label or payment_hash", [label_name(label)?, hash_name(payment_hash)?])
}

/// The one name that is given, in one of these fields.
fn one_of<const N: usize>(
    fields: &'static str,
    names: [Option<InvoiceName>; N],
) -> Result<InvoiceName, Error> {
    let mut given = names.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(name), None) => Ok(name),
        (Some(_), Some(_)) => Err(Error::invalid(fields, "only one must be set")),
        (None, _) => Err(Error::invalid(fields, "one must be set")),
    }
}

pub(super) fn cancel(
    app: &App,
    _: &Caller,
    CancelInvoiceRequest { label, payment_hash }: CancelInvoiceRequest,
) -> Result<CancelInvoiceResponse, Error> {
    let name = by_label_or_hash(label, &payment_hash)?;
    let invoice = ops::invoices::cancel(app, &name)?;
    Ok(CancelInvoiceResponse { invoice: Some(message(&invoice)) })
}

pub(super) fn delete(
    app: &App,
    _: &Caller,
    DeleteInvoiceRequest { label, payment_hash, state }: DeleteInvoiceRequest,
) -> Result<DeleteInvoiceResponse, Error> {
    let name = by_label_or_hash(label, &payment_hash)?;
    let state = deletable(fields::enumeration("state", state)?)?;
    let invoice = ops::invoices::delete(app, &name, state)?;
    Ok(DeleteInvoiceResponse { invoice: Some(message(&invoice)) })
}

fn deletable(state: InvoiceState) -> Result<ListedState, Error> {
    match state {
        InvoiceState::Paid | InvoiceState::Expired | InvoiceState::Cancelled => listed(state),
        InvoiceState::Unspecified | InvoiceState::Open | InvoiceState::Held => Err(Error::invalid(
            "state",
            "must be INVOICE_STATE_PAID, INVOICE_STATE_EXPIRED or INVOICE_STATE_CANCELLED",
        )),
    }
}

pub(super) fn delete_expired(
    app: &App,
    _: &Caller,
    DeleteExpiredInvoicesRequest { max_expiry }: DeleteExpiredInvoicesRequest,
) -> Result<DeleteExpiredInvoicesResponse, Error> {
    let now = unix_secs();
    let until = max_expiry.unwrap_or(now);
    if until > now {
        let reason = format!("{until} is yet to come: it is {now}");
        return Err(Error::invalid("max_expiry", reason));
    }
    Ok(DeleteExpiredInvoicesResponse { deleted: ops::invoices::delete_expired(app, until)? })
}

pub(super) async fn wait(
    call: Call,
    WaitInvoiceRequest { label, payment_hash, timeout_secs }: WaitInvoiceRequest,
) -> Result<WaitInvoiceResponse, Error> {
    let name = by_label_or_hash(label, &payment_hash)?;
    let (app, timeout) = (call.app()?, fields::timeout(timeout_secs)?);
    let waiting = waits::invoices::invoice(&app, &call.caller, name, timeout);
    let waited = call.unless_stopping(waiting).await?;
    Ok(WaitInvoiceResponse {
        invoice: Some(message(&waited.latest)),
        timed_out: waited.timed_out,
        last_pay_index: app.store.invoice_log().last_pay_index(),
    })
}

pub(super) async fn wait_any(
    call: Call,
    WaitAnyInvoiceRequest { last_pay_index, timeout_secs }: WaitAnyInvoiceRequest,
) -> Result<WaitAnyInvoiceResponse, Error> {
    let (app, timeout) = (call.app()?, fields::timeout(timeout_secs)?);
    let waiting = waits::invoices::any_invoice(&app, &call.caller, last_pay_index, timeout);
    let waited = call.unless_stopping(waiting).await?;
    Ok(WaitAnyInvoiceResponse {
        invoice: waited.latest.map(|invoice| message(&invoice)),
        timed_out: waited.timed_out,
        last_pay_index: app.store.invoice_log().last_pay_index(),
    })
}

fn message(invoice: &InvoiceRow) -> types::Invoice {
    let InvoiceRow {
        number,
        created_at,
        expires_at,
        kind,
        payment_hash,
        offer_id,
        notes,
        offer_label,
        request_digest: _,
        text,
        description,
        amount_msat,
        status: _,
        amount_received_msat,
        paid_at,
        pay_index,
        payment_id,
    } = invoice.clone();
    types::Invoice {
        number,
        kind: kind.into(),
        state: ops::invoices::state_of(invoice, unix_secs()).into(),
        label: notes.label,
        external_id: notes.external_id,
        metadata: notes.metadata,
        invoice: text,
        description,
        amount_msat,
        created_at,
        expires_at,
        payment_hash: payment_hash.map(hex::encode),
        offer_id: offer_id.map(hex::encode),
        offer_label,
        amount_received_msat,
        paid_at,
        pay_index,
        payment_id: payment_id.map(hex::encode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_has_exactly_one_name() {
        let (label, hash) = (|| Some(InvoiceName::Number(1)), || Some(InvoiceName::Number(2)));
        assert!(matches!(one_of("a or b", [None, hash()]), Ok(InvoiceName::Number(2))));
        for (names, words) in
            [([None, None], "a or b: one must be"), ([label(), hash()], "a or b: only one")]
        {
            let error = one_of("a or b", names).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn what_can_be_paid_is_not_deleted() {
        for state in [InvoiceState::Paid, InvoiceState::Expired, InvoiceState::Cancelled] {
            assert!(deletable(state).is_ok());
        }
        for state in [InvoiceState::Unspecified, InvoiceState::Open, InvoiceState::Held] {
            assert!(deletable(state).unwrap_err().to_string().starts_with("state: "));
        }
    }

    #[test]
    fn filters_name_what_there_is() {
        let request = |states: Vec<i32>, kinds: Vec<i32>| ListInvoicesRequest {
            states,
            kinds,
            ..Default::default()
        };
        assert!(filter(request(vec![1, 4], vec![8])).is_ok());
        let many = filter(request(vec![1; 1_000], [7, 8].repeat(500))).unwrap();
        assert_eq!((many.states.len(), many.kinds.len()), (1, 2), "each once");
        for (states, kinds, field) in [
            (vec![0], vec![], "states: "),
            (vec![9], vec![], "states: "),
            (vec![], vec![0], "kinds: "),
        ] {
            let error = filter(request(states, kinds)).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
