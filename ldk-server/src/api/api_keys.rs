//! The API keys: making, listing, rotating and revoking them.

use ldk_server_grpc::api::{
    CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse,
    RevokeApiKeyRequest, RevokeApiKeyResponse, RotateApiKeyRequest, RotateApiKeyResponse,
};

use super::runes::restrictions_of;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, quoted};
use crate::secrets::api_keys::{MAX_NAME_CHARS, is_name};

const NAME: &str = "name";

pub(super) fn create(
    app: &App,
    caller: &Caller,
    CreateApiKeyRequest { name, restrictions, preset }: CreateApiKeyRequest,
) -> Result<CreateApiKeyResponse, Error> {
    caller.must_be_unrestricted()?;
    let restrictions = restrictions_of(&preset, &restrictions)?;
    let key = app.permissions.api_keys.create(checked(name)?, &restrictions)?;
    Ok(CreateApiKeyResponse { api_key: key.to_string() })
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListApiKeysRequest {}: ListApiKeysRequest,
) -> Result<ListApiKeysResponse, Error> {
    Ok(ListApiKeysResponse { api_keys: app.permissions.api_keys.list() })
}

pub(super) fn rotate(
    app: &App,
    caller: &Caller,
    RotateApiKeyRequest { name }: RotateApiKeyRequest,
) -> Result<RotateApiKeyResponse, Error> {
    caller.must_be_unrestricted()?;
    let key = app.permissions.api_keys.rotate(&checked(name)?)?;
    Ok(RotateApiKeyResponse { api_key: key.to_string() })
}

pub(super) fn revoke(
    app: &App,
    caller: &Caller,
    RevokeApiKeyRequest { name }: RevokeApiKeyRequest,
) -> Result<RevokeApiKeyResponse, Error> {
    caller.must_be_unrestricted()?;
    app.permissions.api_keys.revoke(&checked(name)?)?;
    Ok(RevokeApiKeyResponse {})
}

/// A name that a key can have.
fn checked(name: String) -> Result<String, Error> {
    if is_name(&name) {
        return Ok(name);
    }
    let accepted = format!("1 to {MAX_NAME_CHARS} letters, digits, underscores or hyphens");
    Err(Error::invalid(NAME, format!("{} must be {accepted}", quoted(&name))))
}
