//! Who may call: whoever knows one of the two passwords, or holds a rune.

use std::sync::Arc;

use ldk_node::bitcoin::hashes::{Hash as _, cmp, sha256};
use ldk_server_grpc::rune::{Restriction, RuneError};

use crate::access::Grant;
use crate::caller::{Caller, Identity};
use crate::permissions::{Genuine, Refusal, Runes};
use crate::secrets::PhoenixConf;

/// The name of the password that allows all that phoenixd's interface has.
const FULL: &str = "phoenixd";
/// The name of the one that does not allow to pay.
const LIMITED: &str = "phoenixd-limited";

const FULL_ACCESS: &str =
    "group=info|group=read|group=invoice|group=pay|group=onchain|group=events";
/// What an LNURL pays out is asked before it is withdrawn.
const LIMITED_ACCESS: &str = "group=info|group=read|group=invoice|group=events|method=ResolveLnurl";

/// A password, of which only a digest is kept, so that a comparison takes the same time for every length.
#[derive(Clone)]
struct Login {
    digest: sha256::Hash,
    name: &'static str,
    grant: Grant,
}

/// The passwords, and the runes. Clones are the same.
#[derive(Clone)]
pub(crate) struct Logins {
    passwords: Arc<[Login; 2]>,
    runes: Runes,
}

impl Logins {
    /// Those of this file, and these runes.
    pub(crate) fn new(conf: &PhoenixConf, runes: Runes) -> Result<Self, RuneError> {
        let full = Login::new(&conf.full_password, FULL, FULL_ACCESS)?;
        let limited = Login::new(&conf.limited_password, LIMITED, LIMITED_ACCESS)?;
        Ok(Self { passwords: Arc::new([full, limited]), runes })
    }

    /// Whoever knows this password, if it is one. A rune is as good as a password, and may be restricted as
    /// others are.
    pub(crate) fn caller(&self, password: &str) -> Option<Caller> {
        let digest = sha256::Hash::hash(password.as_bytes());
        let is_given = |login: &&Login| {
            cmp::fixed_time_eq(digest.as_byte_array(), login.digest.as_byte_array())
        };
        if let Some(Login { name, grant, .. }) = self.passwords.iter().find(is_given) {
            return Some(Caller::known(Identity::Password { name }, grant.clone()));
        }
        match self.runes.verify(password) {
            Ok(Genuine { rune, id, label }) => {
                let identity = Identity::Rune { id, label: Arc::from(label) };
                Some(Caller::known(identity, Grant::of_rune(rune)))
            },
            Err(Refusal::Forged | Refusal::Revoked(_) | Refusal::Starting) => None,
        }
    }
}

impl Login {
    fn new(password: &str, name: &'static str, access: &str) -> Result<Self, RuneError> {
        let digest = sha256::Hash::hash(password.as_bytes());
        let grant = Grant::named(format!("password {name}"), Restriction::parse_list(access)?);
        Ok(Self { digest, name, grant })
    }
}

/// Whether this is whoever knows only the password that does not allow to pay.
pub(super) fn is_limited(caller: &Caller) -> bool {
    *caller.identity() == Identity::Password { name: LIMITED }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::api::GetNodeInfoRequest;

    use super::*;
    use crate::access::Access;
    use crate::permissions::Permissions;

    fn logins() -> Logins {
        let password = |text: &str| zeroize::Zeroizing::new(text.to_owned());
        let conf = PhoenixConf {
            full_password: password("full"),
            limited_password: password("limited"),
            webhook_secret: password("secret"),
        };
        Logins::new(&conf, Runes::new(&[7; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_password_tells_who_calls() {
        let logins = logins();
        assert!(!is_limited(&logins.caller("full").unwrap()));
        assert!(is_limited(&logins.caller("limited").unwrap()));
        for wrong in ["", "ful", "full ", "FULL", "secret", "PDNTM9QUf0L35r_IjR4aEny7fMYWPF8="] {
            assert!(logins.caller(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_limited_password_allows_no_payment() {
        let (logins, permissions) = (logins(), Permissions::with_api_key("aa"));
        let allows = |password: &str, call: (&'static str, Access)| {
            let caller = logins.caller(password).unwrap();
            permissions.refusal(&caller, call, &GetNodeInfoRequest {}).is_none()
        };
        for (call, is_limited, is_full) in [
            (("GetNodeInfo", Access::Info), true, true),
            (("Bolt11Receive", Access::Invoice), true, true),
            (("ListPayments", Access::Read), true, true),
            (("SubscribeEvents", Access::Events), true, true),
            (("ResolveLnurl", Access::Pay), true, true),
            (("Bolt11Send", Access::Pay), false, true),
            (("OnchainSend", Access::Onchain), false, true),
            (("CreateRune", Access::Admin), false, false),
            (("SignMessage", Access::Sign), false, false),
        ] {
            assert_eq!(allows("limited", call), is_limited, "{call:?}");
            assert_eq!(allows("full", call), is_full, "{call:?}");
        }
    }
}
