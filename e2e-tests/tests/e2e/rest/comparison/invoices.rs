//! Invoices as objects, and waiting for what comes of them.

use anyhow::{Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::faces::{Faces, text_of};

const INVOICE: (&str, &str) = ("invoice", "is another each time");

/// Cancels three invoices and deletes them, and reads them and others on the way.
pub(super) async fn compare(faces: &mut Faces<'_>) -> Result<()> {
    let hashes = (0..3u8).map(|face| hex::encode(Sha256::digest([90 + face; 32])));
    let hashes: Vec<_> = hashes.collect();
    let label = |face: usize| format!("order-{face}");
    let request = |face: usize| json!({ "payment_hash": hashes[face], "label": label(face), "expiry_secs": 3_600 });
    let made = faces.each("Bolt11ReceiveForHash", request, &[INVOICE]).await?;
    for name in [
        json!({ "label": label(0) }),
        json!({ "payment_hash": hashes[1] }),
        json!({ "invoice": text_of(&made[2], "invoice")? }),
    ] {
        let got = faces.read("GetInvoice", name, &[]).await?;
        ensure!(got["invoice"]["state"] == "INVOICE_STATE_OPEN", "{got}");
    }
    faces.read("ListInvoices", json!({ "page_size": 5 }), &[]).await?;
    faces.read("WaitInvoice", json!({ "label": label(0), "timeout_secs": 0 }), &[]).await?;
    faces.read("WaitAnyInvoice", json!({ "timeout_secs": 0 }), &[]).await?;
    const CANCELLED: &str = "INVOICE_STATE_CANCELLED";
    let request = |face: usize| json!({ "label": label(face) });
    let cancelled = faces.each("CancelInvoice", request, &[INVOICE]).await?;
    let request = |face: usize| json!({ "payment_hash": hashes[face], "state": CANCELLED });
    let deleted = faces.each("DeleteInvoice", request, &[INVOICE]).await?;
    ensure!(cancelled == deleted, "{cancelled:?} {deleted:?}");
    for (face, answer) in deleted.iter().enumerate() {
        let invoice = &answer["invoice"];
        ensure!(invoice["state"] == CANCELLED && invoice["label"] == label(face), "{answer}");
        ensure!(invoice["payment_hash"] == hashes[face], "{answer}");
    }
    faces.refused("GetInvoice", json!({ "label": label(0) })).await?;
    faces.each("DeleteExpiredInvoices", |_| json!({ "max_expiry": 1 }), &[]).await?;
    Ok(())
}
