//! The secret that runes are issued with.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::authcode::Authcode;
use super::{Restriction, Rune, RuneError, UniqueId};

const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=55;

/// Issues runes, and knows its own.
#[derive(Clone)]
pub struct MasterSecret {
    /// All that is needed of the secret, and as secret.
    authcode: Authcode,
}

impl MasterSecret {
    /// Takes a secret of 16 to 55 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, RuneError> {
        if !SECRET_BYTES.contains(&secret.len()) {
            return Err(RuneError::SecretLength);
        }
        Ok(Self { authcode: Authcode::of_secret(secret) })
    }

    /// Makes a rune with this id, which no other rune may have.
    pub fn issue(&self, id: u64, restrictions: Vec<Restriction>) -> Result<Rune, RuneError> {
        let mut rune = Rune {
            authcode: self.authcode.clone(),
            unique_id: Some(UniqueId::new(id)),
            restrictions,
        };
        for part in rune.parts().collect::<Vec<_>>() {
            rune.authcode.extend(&part);
        }
        rune.within_bounds()
    }

    /// Whether a rune was issued with this secret, or made by restricting one that was. Takes as long for
    /// a code that is almost right as for one that is not.
    pub fn is_issuer_of(&self, rune: &Rune) -> bool {
        let mut expected = self.authcode.clone();
        rune.parts().for_each(|part| expected.extend(&part));
        expected.code().ct_eq(&rune.authcode.code()).into()
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret")
    }
}
