//! Being paid while this node is offline, by static invoices (BOLT 12) that another node keeps for it; and
//! keeping those of others.

use ldk_node::NodeError;
use ldk_node::lightning::blinded_path::message::BlindedMessagePath;
use ldk_node::lightning::offers::offer::Offer;

use super::own_offers;
use crate::app::App;
use crate::error::Error;

/// An offer that can be paid while this node is offline.
pub fn receive(app: &App) -> Result<Offer, Error> {
    let offer = app.node.bolt12_payment().receive_async().map_err(|error| match error {
        NodeError::OfferCreationFailed => Error::FailedPrecondition(
            "there is no static invoice with a server yet: set one with SetStaticInvoiceServer, stay \
             connected to it for some seconds, and try again"
                .to_owned(),
        ),
        other => other.into(),
    })?;
    own_offers::remember(&*app.store, &offer)?;
    Ok(offer)
}

/// Sets by which paths the server of this node's static invoices is reached.
pub fn set_server(app: &App, paths: Vec<BlindedMessagePath>) -> Result<(), Error> {
    let set = app.node.bolt12_payment().set_paths_to_static_invoice_server(paths);
    set.map_err(|error| match error {
        NodeError::InvalidBlindedPaths => Error::invalid("paths", "are none"),
        other => other.into(),
    })
}

/// The paths by which this recipient reaches this node as its server.
pub fn create_paths(app: &App, recipient_id: &str) -> Result<Vec<BlindedMessagePath>, Error> {
    let bolt12 = app.node.bolt12_payment();
    let paths = bolt12.blinded_paths_for_async_recipient(recipient_id.as_bytes().to_vec());
    paths.map_err(|error| match error {
        NodeError::AsyncPaymentServicesDisabled => Error::FailedPrecondition(
            "this node keeps no static invoices of others: node.async_payments_role is not server"
                .to_owned(),
        ),
        NodeError::InvalidBlindedPaths => Error::FailedPrecondition(
            "recipients could not reach this node: it needs a public channel".to_owned(),
        ),
        other => other.into(),
    })
}
