//! Runes: bearer tokens that restrict what their holder may call, and that the holder can restrict further
//! without asking the server. The format is that of Core Lightning.
//!
//! A rune is an authentication code of 32 bytes and a list of restrictions, the first of which names the
//! rune: `=3&group=info|group=read&time<1800000000`. All restrictions must hold (`&`), and of each at least
//! one alternative (`|`). An alternative is a field, an operator and a value:
//!
//! | operator | holds if the field |
//! |--|--|
//! | `=` `/` | is, is not the value |
//! | `^` `$` `~` | starts with, ends with, contains the value |
//! | `<` `>` | is an integer less than, greater than the value, compared as numbers |
//! | `{` `}` | sorts before, after the value, compared as bytes |
//! | `!` | is missing; every other operator fails then |
//! | `#` | always: a comment |
//!
//! In a value, `\`, `|` and `&` are written `\\`, `\|` and `\&`. [`evaluate`] lists the fields.
//!
//! The code is the SHA-256 state after the master secret and all restrictions, each padded as if the hash
//! ended with it. Whoever has a rune can therefore hash one more restriction, and nobody can take one away.
//!
//! Encoded, a rune is the base64url text, with padding, of the code and the restrictions. Only that text is
//! accepted that [`Rune::encode`] would make: of one rune, there is one text. It is a secret, and `Debug`
//! leaves the code out.

mod authcode;
mod budget;
mod error;
mod evaluate;
mod field;
mod limit;
mod master_secret;
mod presets;
mod restriction;
mod unique_id;
mod words;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use authcode::Authcode;
pub use budget::{Budget, Window};
pub use error::RuneError;
pub use evaluate::{Demand, Denial, Fact, Facts, evaluate};
pub use field::{Field, InvoicePart};
pub use limit::Limit;
pub use master_secret::MasterSecret;
pub use presets::{GROUPS, Preset};
pub use restriction::{Alternative, Operator, Restriction};
pub use unique_id::UniqueId;
pub use words::describe;

/// The name of the request header that a rune is presented in.
pub const HEADER: &str = "rune";

/// The longest text of a rune, in bytes.
pub const MAX_RUNE_BYTES: usize = 4096;

/// The most restrictions of a rune.
pub const MAX_RESTRICTIONS: usize = 64;

/// The most alternatives of a restriction.
pub const MAX_ALTERNATIVES: usize = 64;

/// What separates the code from the restrictions in the hexadecimal form.
const CODE_END: char = ':';

/// A token that allows calls as far as all its restrictions hold.
#[derive(Clone)]
pub struct Rune {
    authcode: Authcode,
    unique_id: Option<UniqueId>,
    restrictions: Vec<Restriction>,
}

impl Rune {
    /// Parses a rune, without asking who made it: that is for [`MasterSecret::is_issuer_of`].
    ///
    /// Takes the base64url text, or the hexadecimal form that tools print: the code as hex in lower case,
    /// `:`, and the restrictions.
    pub fn parse(text: &str) -> Result<Self, RuneError> {
        if text.len() > MAX_RUNE_BYTES {
            return Err(RuneError::TooLong);
        }
        match text.split_once(CODE_END) {
            Some((code, restrictions)) => Self::of_parts(&code_of_hex(code)?, restrictions),
            None => {
                let bytes = URL_SAFE.decode(text).map_err(|_| RuneError::Base64)?;
                let (code, restrictions) = bytes.split_first_chunk().ok_or(RuneError::TooShort)?;
                let restrictions = str::from_utf8(restrictions).map_err(|_| RuneError::Utf8)?;
                Self::of_parts(code, restrictions)
            },
        }
    }

    fn of_parts(code: &[u8; 32], text: &str) -> Result<Self, RuneError> {
        let (unique_id, rest) = match text.strip_prefix(UniqueId::OPERATOR) {
            Some(_) => {
                let (first, rest) = restriction::split_first(text);
                (Some(UniqueId::parse(first)?), rest)
            },
            None => (None, Some(text).filter(|text| !text.is_empty())),
        };
        let restrictions = rest.map(Restriction::parse_list).transpose()?.unwrap_or_default();
        let mut rune = Self { authcode: Authcode::of_code(code), unique_id, restrictions };
        let hashed: usize = rune.parts().map(|part| authcode::padded_bytes(part.len())).sum();
        rune.authcode.count(hashed);
        if rune.restrictions_text() == text { Ok(rune) } else { Err(RuneError::NotCanonical) }
    }

    /// The base64url text, which is the secret that a caller presents.
    pub fn encode(&self) -> String {
        let mut bytes = self.authcode.code().to_vec();
        bytes.extend(self.restrictions_text().into_bytes());
        URL_SAFE.encode(bytes)
    }

    /// The hexadecimal form, which is as secret.
    pub fn encode_hex(&self) -> String {
        let code = hex::encode(self.authcode.code());
        format!("{code}{CODE_END}{}", self.restrictions_text())
    }

    /// This rune with one more restriction. Needs no secret but the rune.
    pub fn restrict(&self, restriction: Restriction) -> Result<Self, RuneError> {
        let mut rune = self.clone();
        rune.authcode.extend(&restriction.to_string());
        rune.restrictions.push(restriction);
        rune.within_bounds()
    }

    fn within_bounds(self) -> Result<Self, RuneError> {
        if self.restrictions.len() > MAX_RESTRICTIONS {
            return Err(RuneError::TooManyRestrictions);
        }
        let bytes = self.authcode.code().len() + self.restrictions_text().len();
        if bytes.div_ceil(3) * 4 > MAX_RUNE_BYTES { Err(RuneError::TooLong) } else { Ok(self) }
    }

    /// What names the rune and all that are made of it by restricting.
    pub fn unique_id(&self) -> Option<&UniqueId> {
        self.unique_id.as_ref()
    }

    /// The restrictions, without the one that is the [`UniqueId`].
    pub fn restrictions(&self) -> &[Restriction] {
        &self.restrictions
    }

    /// Evaluates the restrictions as [`evaluate`] does. A rune of a version is denied: there is none yet.
    pub fn evaluate(&self, facts: &impl Facts) -> Result<Vec<Demand>, Denial> {
        if let Some(id) = self.unique_id.as_ref().filter(|id| id.version().is_some()) {
            return Err(Denial::of_version(id));
        }
        let mut demands = evaluate(&self.restrictions, facts)?;
        if let Some(id) = &self.unique_id {
            for demand in &mut demands {
                demand.scope.insert_str(0, &format!("{id}&"));
            }
        }
        Ok(demands)
    }

    /// The texts that are hashed, in order.
    fn parts(&self) -> impl Iterator<Item = String> {
        let id = self.unique_id.iter().map(ToString::to_string);
        id.chain(self.restrictions.iter().map(ToString::to_string))
    }

    /// All restrictions, as in `=3&group=read&rate=60`.
    fn restrictions_text(&self) -> String {
        self.parts().collect::<Vec<_>>().join("&")
    }
}

/// Without the code, which is secret.
impl fmt::Debug for Rune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rune").field(&self.restrictions_text()).finish()
    }
}

fn code_of_hex(text: &str) -> Result<[u8; 32], RuneError> {
    let mut code = [0; 32];
    hex::decode_to_slice(text, &mut code).map_err(|_| RuneError::Hex)?;
    if text.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return Err(RuneError::NotCanonical);
    }
    Ok(code)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
