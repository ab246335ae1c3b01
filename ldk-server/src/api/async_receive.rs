//! Being paid while this node is offline, and keeping static invoices of others.

use ldk_node::lightning::blinded_path::message::BlindedMessagePath;
use ldk_node::lightning::util::ser::{Readable, Writeable as _};
use ldk_server_grpc::api::{
    Bolt12ReceiveAsyncRequest, Bolt12ReceiveAsyncResponse, CreateAsyncRecipientPathsRequest,
    CreateAsyncRecipientPathsResponse, SetStaticInvoiceServerRequest,
    SetStaticInvoiceServerResponse,
};

use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;

/// Some paths with some hops each need far less.
const MAX_PATHS_BYTES: usize = 16 * 1024;
/// It is in every path, and has to fit a message with all else.
const MAX_RECIPIENT_ID_BYTES: usize = 64;

pub(super) fn receive(
    app: &App,
    _: &Caller,
    Bolt12ReceiveAsyncRequest {}: Bolt12ReceiveAsyncRequest,
) -> Result<Bolt12ReceiveAsyncResponse, Error> {
    let offer = ops::async_receive::receive(app)?;
    let offer_id = hex::encode(offer.id().0);
    Ok(Bolt12ReceiveAsyncResponse { offer: offer.to_string(), offer_id })
}

pub(super) fn set_server(
    app: &App,
    _: &Caller,
    SetStaticInvoiceServerRequest { paths }: SetStaticInvoiceServerRequest,
) -> Result<SetStaticInvoiceServerResponse, Error> {
    ops::async_receive::set_server(app, parse_paths(&paths)?)?;
    Ok(SetStaticInvoiceServerResponse {})
}

fn parse_paths(text: &str) -> Result<Vec<BlindedMessagePath>, Error> {
    let unreadable =
        || Error::invalid("paths", "must be what CreateAsyncRecipientPaths of the server told");
    if text.len() > 2 * MAX_PATHS_BYTES {
        return Err(unreadable());
    }
    let bytes = hex::decode(text).map_err(|_| unreadable())?;
    let mut rest = &bytes[..];
    let paths: Vec<BlindedMessagePath> = Readable::read(&mut rest).map_err(|_| unreadable())?;
    if paths.is_empty() || !rest.is_empty() {
        return Err(unreadable());
    }
    Ok(paths)
}

pub(super) fn create_paths(
    app: &App,
    _: &Caller,
    CreateAsyncRecipientPathsRequest { recipient_id }: CreateAsyncRecipientPathsRequest,
) -> Result<CreateAsyncRecipientPathsResponse, Error> {
    let bytes = recipient_id.len();
    if !(1..=MAX_RECIPIENT_ID_BYTES).contains(&bytes) {
        let reason = format!("has {bytes} bytes; accepted are 1 to {MAX_RECIPIENT_ID_BYTES}");
        return Err(Error::invalid("recipient_id", reason));
    }
    let paths = ops::async_receive::create_paths(app, &recipient_id)?;
    Ok(CreateAsyncRecipientPathsResponse { paths: hex::encode(paths.encode()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_are_no_paths_is_refused() {
        let long = "00".repeat(MAX_PATHS_BYTES + 1);
        for text in ["", "0", "zz", "0000", "0001", "000000", &long] {
            let error = parse_paths(text).unwrap_err().to_string();
            assert!(error.starts_with("paths: "), "{error}");
        }
    }
}
