//! The task that deletes invoices which expired or were cancelled long ago.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio_util::sync::CancellationToken;

use super::{SECS_PER_DAY, all, repeat, report_count};
use crate::clock::unix_secs;
use crate::store::Store;

/// From one look at the invoices to the next.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks at once and then at intervals, until `stop` is cancelled. Invoices are kept for `keep_days`, or
/// for ever if that is 0.
pub(crate) async fn run(store: Arc<Store>, keep_days: u64, stop: CancellationToken) {
    const INVOICES: &str = "old invoices";
    if keep_days == 0 {
        return;
    }
    let remove = move |stop: &CancellationToken| look(&store, keep_days, stop);
    repeat(INTERVAL, INVOICES, stop, remove, report_count(INVOICES)).await;
}

/// Returns how many were deleted.
fn look(store: &Store, keep_days: u64, stop: &CancellationToken) -> io::Result<u64> {
    let until = unix_secs().saturating_sub(keep_days.saturating_mul(SECS_PER_DAY));
    let expired = all(|| store.delete_expired_invoices(until), stop)?;
    let cancelled = all(|| store.delete_cancelled_invoices(until), stop)?;
    Ok(expired + cancelled)
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::types::InvoiceKind;

    use super::*;
    use crate::store::{InvoiceName, InvoiceNotes, NewInvoice, testing};

    fn made(label: &str, created_at: u64, expires_at: Option<u64>) -> NewInvoice {
        NewInvoice {
            created_at,
            expires_at,
            kind: InvoiceKind::Bolt11ForHash,
            payment_hash: None,
            offer_id: None,
            notes: InvoiceNotes { label: Some(label.to_owned()), ..InvoiceNotes::default() },
            request_digest: [0; 32],
            text: "lnbcrt1".to_owned(),
            description: String::new(),
            amount_msat: None,
            preimage: None,
        }
    }

    #[test]
    fn what_expired_or_was_cancelled_long_ago_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let (store, now) = (testing::open(dir.path()), unix_secs());
        let (long_ago, lately) = (now - 3 * SECS_PER_DAY, now - SECS_PER_DAY);
        let add = |label, created_at, expires_at| {
            store.add_invoice(made(label, created_at, expires_at)).unwrap().unwrap()
        };
        add("expired long ago", long_ago, Some(long_ago + 1));
        add("expired lately", long_ago, Some(lately));
        add("open", long_ago, None);
        for (label, at) in [("cancelled long ago", long_ago), ("cancelled lately", lately)] {
            let number = add(label, at, Some(long_ago));
            assert!(store.cancel_invoice(number).unwrap());
        }
        let stop = CancellationToken::new();
        assert_eq!(look(&store, 2, &stop).unwrap(), 2);
        assert_eq!(look(&store, 2, &stop).unwrap(), 0);
        for (label, is_there) in [
            ("expired long ago", false),
            ("expired lately", true),
            ("open", true),
            ("cancelled long ago", false),
            ("cancelled lately", true),
        ] {
            let found = store.invoice(&InvoiceName::Label(label.to_owned())).unwrap();
            assert_eq!(found.is_some(), is_there, "{label}");
        }
    }
}
