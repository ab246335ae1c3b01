//! API keys with names.

use clap::Args;
use ldk_server_grpc::api::{
    CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest, RotateApiKeyRequest,
};

unary_commands!(Commands {
    CreateApiKey => create_api_key,
    ListApiKeys => list_api_keys,
    RotateApiKey => rotate_api_key,
    RevokeApiKey => revoke_api_key,
});

/// Create an API key with a name, which can be restricted
#[derive(Debug, Args)]
pub(crate) struct CreateApiKey {
    /// Name: 1 to 32 letters, digits, underscores or hyphens
    name: String,
    /// Restriction in the syntax of runes, such as "group=read"; may be repeated
    #[arg(value_name = "RESTRICTION")]
    restrictions: Vec<String>,
    /// Allow a set of calls: read, invoice, pay or admin
    #[arg(long, default_value_t)]
    preset: String,
}

impl From<CreateApiKey> for CreateApiKeyRequest {
    fn from(CreateApiKey { name, restrictions, preset }: CreateApiKey) -> Self {
        Self { name, restrictions, preset }
    }
}

/// List the API keys, without the keys themselves
#[derive(Debug, Args)]
pub(crate) struct ListApiKeys;

impl From<ListApiKeys> for ListApiKeysRequest {
    fn from(_: ListApiKeys) -> Self {
        Self {}
    }
}

/// Replace an API key by a new one of the same name
#[derive(Debug, Args)]
pub(crate) struct RotateApiKey {
    /// Name; api_key for the first key
    name: String,
}

impl From<RotateApiKey> for RotateApiKeyRequest {
    fn from(RotateApiKey { name }: RotateApiKey) -> Self {
        Self { name }
    }
}

/// Remove an API key
#[derive(Debug, Args)]
pub(crate) struct RevokeApiKey {
    /// Name
    name: String,
}

impl From<RevokeApiKey> for RevokeApiKeyRequest {
    fn from(RevokeApiKey { name }: RevokeApiKey) -> Self {
        Self { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn a_key_has_a_name_and_may_have_restrictions() {
        assert_eq!(
            request::<CreateApiKey, CreateApiKeyRequest>("books group=read rate=60 --preset read"),
            Ok(CreateApiKeyRequest {
                name: "books".to_owned(),
                restrictions: vec!["group=read".to_owned(), "rate=60".to_owned()],
                preset: "read".to_owned(),
            })
        );
        assert_eq!(
            request::<RotateApiKey, RotateApiKeyRequest>("api_key"),
            Ok(RotateApiKeyRequest { name: "api_key".to_owned() })
        );
        assert!(usage_error::<RevokeApiKey>("").contains("NAME"));
    }
}
