//! Waiting for invoices to be paid. Who waits is answered from memory when a payment arrives.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use ldk_server_grpc::types::InvoiceKind;
use tokio::time::Instant;

use super::{Waited, read, until};
use crate::app::App;
use crate::caller::Caller;
use crate::clock::unix_secs;
use crate::error::Error;
use crate::ops::invoices::not_found;
use crate::store::{InvoiceName, InvoiceRow, InvoiceStatus, Remembered, Store};

/// Waits until an invoice is paid, expired or cancelled, or the time is over.
pub async fn invoice(
    app: &Arc<App>,
    caller: &Caller,
    name: InvoiceName,
    timeout: Duration,
) -> Result<Waited<Arc<InvoiceRow>>, Error> {
    let _place = app.waiting.try_enter()?;
    let deadline = until(caller, timeout);
    let found = find(app, move |store| store.invoice(&name)).await?.ok_or_else(not_found)?;
    if found.kind == InvoiceKind::Bolt12Offer {
        return Err(Error::FailedPrecondition(
            "an offer can be paid again and again; WaitAnyInvoice tells of each payment".to_owned(),
        ));
    }
    let (number, deadline) = (found.number, deadline.min(expiry(&found)));
    let ask = || async {
        let invoice = latest(app, number).await?;
        Ok::<_, Error>(Some(invoice).filter(|invoice| is_over(invoice)))
    };
    let over = app.store.invoice_log().until_invoice(number, deadline, ask).await?;
    if let Some(invoice) = over {
        return Ok(Waited { latest: invoice, timed_out: false });
    }
    let invoice = latest(app, number).await?;
    let timed_out = !is_over(&invoice);
    Ok(Waited { latest: invoice, timed_out })
}

/// Waits for the payment that arrives next after the one with this index.
pub async fn any_invoice(
    app: &Arc<App>,
    caller: &Caller,
    last_pay_index: u64,
    timeout: Duration,
) -> Result<Waited<Option<Arc<InvoiceRow>>>, Error> {
    let _place = app.waiting.try_enter()?;
    let (log, deadline) = (app.store.invoice_log(), until(caller, timeout));
    let after = last_pay_index.min(log.last_pay_index());
    let invoice = log.until_any_is_paid(deadline, || paid_after(app, after)).await?;
    let timed_out = invoice.is_none();
    Ok(Waited { latest: invoice, timed_out })
}

/// Waits until an invoice, offer or receipt has this number, or a higher one.
pub async fn made(
    app: &Arc<App>,
    caller: &Caller,
    number: u64,
    timeout: Duration,
) -> Result<Waited<u64>, Error> {
    let _place = app.waiting.try_enter()?;
    let log = app.store.invoice_log();
    let timed_out = !log.until_number(number, until(caller, timeout)).await;
    Ok(Waited { latest: log.last_number(), timed_out })
}

/// When the invoice expires, or so late that nobody waits as long.
fn expiry(invoice: &InvoiceRow) -> Instant {
    const LATE: Duration = Duration::from_secs(1 << 30);
    let left = invoice.expires_at.map(|at| Duration::from_secs(at.saturating_sub(unix_secs())));
    Instant::now() + left.unwrap_or(LATE).min(LATE)
}

/// Whether nothing more is expected of it.
fn is_over(invoice: &InvoiceRow) -> bool {
    matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::Cancelled)
        || invoice.has_expired(unix_secs())
}

async fn latest(app: &Arc<App>, number: u64) -> Result<Arc<InvoiceRow>, Error> {
    if let Remembered::Known(invoice) = app.store.invoice_log().invoice(number) {
        return Ok(invoice);
    }
    let found = find(app, move |store| store.invoice(&InvoiceName::Number(number))).await?;
    found.map(Arc::new).ok_or_else(not_found)
}

async fn paid_after(app: &Arc<App>, pay_index: u64) -> Result<Option<Arc<InvoiceRow>>, Error> {
    match app.store.invoice_log().paid_after(pay_index) {
        Remembered::Known(invoice) => Ok(invoice),
        Remembered::OnDisk => {
            Ok(find(app, move |store| store.paid_after(pay_index)).await?.map(Arc::new))
        },
    }
}

async fn find<T: Send + 'static>(
    app: &Arc<App>,
    find: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    read(app, move |app| find(&app.store).map_err(Error::internal)).await
}
