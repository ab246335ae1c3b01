//! Signatures with the node's key.

use ldk_server_grpc::api::{
    SignMessageRequest, SignMessageResponse, VerifySignatureRequest, VerifySignatureResponse,
};

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;

pub(super) fn sign_message(
    app: &App,
    _: &Caller,
    request: SignMessageRequest,
) -> Result<SignMessageResponse, Error> {
    let SignMessageRequest { message } = request;
    Ok(SignMessageResponse { signature: ops::crypto::sign_message(app, &message) })
}

pub(super) fn verify_signature(
    app: &App,
    _: &Caller,
    request: VerifySignatureRequest,
) -> Result<VerifySignatureResponse, Error> {
    let VerifySignatureRequest { message, signature, public_key } = request;
    let public_key = fields::public_key("public_key", &public_key)?;
    let valid = ops::crypto::verify_signature(app, &message, &signature, &public_key);
    Ok(VerifySignatureResponse { valid })
}
