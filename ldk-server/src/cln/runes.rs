//! Whoever holds a rune, and why somebody does not.

use std::sync::Arc;

use ldk_server_grpc::rune::Rune;
use serde_json::Value;

use super::error::{RpcError, code};
use crate::access::Grant;
use crate::caller::{Caller, Identity};
use crate::permissions::{Genuine, Refusal, Runes};

/// The rune with this text, which must be one of ours that is not revoked.
pub(super) fn genuine(runes: &Runes, text: &str) -> Result<Genuine, RpcError> {
    if Rune::parse(text).is_err() {
        let shown: String = text.chars().take(80).collect();
        let token = Value::String(shown);
        return Err(RpcError::params(format!(
            "rune: should be base64 string: invalid token '{token}'"
        )));
    }
    runes.verify(text).map_err(|refusal| match refusal {
        Refusal::Forged => {
            RpcError::new(code::RUNE_NOT_AUTHORIZED, "Not authorized: Not derived from master")
        },
        Refusal::Revoked(_) => {
            RpcError::new(code::RUNE_BLACKLISTED, "Not authorized: Blacklisted rune")
        },
        Refusal::Starting => RpcError::generic(refusal.to_string()),
    })
}

/// The caller who holds this rune.
pub(crate) fn holder(runes: &Runes, text: &str) -> Result<Caller, RpcError> {
    let Genuine { rune, id, label } = genuine(runes, text)?;
    Ok(Caller::known(Identity::Rune { id, label: Arc::from(label) }, Grant::of_rune(rune)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_rune_is_told_from_what_is_none_of_ours() {
        let runes = Runes::new(&[7; 32]).unwrap();
        let refused = |text| holder(&runes, text).unwrap_err();
        let garbage = refused("garbage");
        assert_eq!(garbage.code(), code::INVALID_PARAMS);
        let message = "rune: should be base64 string: invalid token '\"garbage\"'";
        assert_eq!(garbage.message(), message);
        let foreign = "PDNTM9QUf0L35r_IjR4aEny7fMYWPF8_pv7Vnze8r1A9MA==";
        assert_eq!(refused(foreign).code(), code::RUNE_NOT_AUTHORIZED);
    }
}
