//! What every invoice and offer is kept with, and that one is made only once for its label.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef};
use ldk_node::lightning_types::payment::PaymentPreimage;
use ldk_server_grpc::types::InvoiceKind;

use crate::app::App;
use crate::clock::unix_secs;
use crate::error::{Error, quoted};
use crate::store::{Digest, InvoiceName, InvoiceNotes, NewInvoice};

/// A request for an invoice: what the caller notes with it, and by what it is known again.
pub struct Noted {
    /// What the caller notes.
    pub notes: InvoiceNotes,
    /// A digest of the whole request.
    pub request_digest: Digest,
}

/// An invoice or an offer that was made.
pub(super) struct Made {
    text: String,
    kind: InvoiceKind,
    payment_hash: Option<[u8; 32]>,
    offer_id: Option<[u8; 32]>,
    description: String,
    amount_msat: Option<u64>,
    expires_at: Option<u64>,
    preimage: Option<[u8; 32]>,
}

impl Made {
    /// An invoice.
    pub(super) fn invoice(invoice: &Bolt11Invoice, kind: InvoiceKind) -> Self {
        let description = match invoice.description() {
            Bolt11InvoiceDescriptionRef::Direct(text) => text.to_string(),
            Bolt11InvoiceDescriptionRef::Hash(_) => String::new(),
        };
        Self {
            text: invoice.to_string(),
            kind,
            payment_hash: Some(invoice.payment_hash().to_byte_array()),
            offer_id: None,
            description,
            amount_msat: invoice.amount_milli_satoshis(),
            expires_at: invoice.expires_at().map(|at| at.as_secs()),
            preimage: None,
        }
    }

    /// An offer.
    pub(super) fn offer(offer: &Offer, description: &str, amount_msat: Option<u64>) -> Self {
        Self {
            text: offer.to_string(),
            kind: InvoiceKind::Bolt12Offer,
            payment_hash: None,
            offer_id: Some(offer.id().0),
            description: description.to_owned(),
            amount_msat,
            expires_at: offer.absolute_expiry().map(|at| at.as_secs()),
            preimage: None,
        }
    }

    /// The same, which the server claims with this preimage.
    pub(super) fn claimed_with(self, PaymentPreimage(preimage): PaymentPreimage) -> Self {
        Self { preimage: Some(preimage), ..self }
    }

    fn noted(self, Noted { notes, request_digest }: Noted) -> NewInvoice {
        let Self {
            text,
            kind,
            payment_hash,
            offer_id,
            description,
            amount_msat,
            expires_at,
            preimage,
        } = self;
        NewInvoice {
            created_at: unix_secs(),
            expires_at,
            kind,
            payment_hash,
            offer_id,
            notes,
            request_digest,
            text,
            description,
            amount_msat,
            preimage,
        }
    }
}

/// Makes an invoice or an offer, unless the same request has made one with its label. Returns it when it
/// is on disk.
pub(super) fn make_once(
    app: &App,
    noted: Noted,
    make: impl FnOnce() -> Result<Made, Error>,
) -> Result<String, Error> {
    // Of two requests with one label, made at once, the second has to see what the first has made.
    let _alone = noted.notes.label.clone().map(|label| app.labels.lock(label));
    if let Some(text) = made_before(app, &noted)? {
        return Ok(text);
    }
    let made = make()?;
    let text = made.text.clone();
    match app.store.add_invoice(made.noted(noted)).map_err(Error::internal)? {
        Some(_) => Ok(text),
        None => Err(Error::internal("another invoice has the label, in spite of the lock")),
    }
}

/// The invoice that the same request has made before. ALREADY_EXISTS if another has its label.
pub(super) fn made_before(app: &App, noted: &Noted) -> Result<Option<String>, Error> {
    let Some(label) = &noted.notes.label else { return Ok(None) };
    let name = InvoiceName::Label(label.clone());
    let Some(invoice) = app.store.invoice(&name).map_err(Error::internal)? else {
        return Ok(None);
    };
    if invoice.request_digest == Some(noted.request_digest) {
        return Ok(Some(invoice.text));
    }
    Err(Error::AlreadyExists(format!(
        "label: there is an invoice with the label {} already, made by another request; use another \
         label, or repeat that request unchanged",
        quoted(label)
    )))
}
