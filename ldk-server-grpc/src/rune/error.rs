//! Why a text is no rune or no restriction.

use super::{MAX_ALTERNATIVES, MAX_RESTRICTIONS, MAX_RUNE_BYTES};

/// Why a text is no rune or no restriction. Nothing of a rune's code is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuneError {
    /// Longer than [`MAX_RUNE_BYTES`].
    #[error("the rune is longer than {MAX_RUNE_BYTES} bytes")]
    TooLong,
    /// Not base64url with padding.
    #[error("the rune is not base64url text with padding")]
    Base64,
    /// The code of the hexadecimal form is not 64 hex digits.
    #[error("the rune does not begin with 64 hex digits and a colon")]
    Hex,
    /// There is no complete code.
    #[error("the rune is shorter than its code of 32 bytes")]
    TooShort,
    /// The restrictions are not UTF-8.
    #[error("the restrictions of the rune are not UTF-8")]
    Utf8,
    /// The restrictions can be written in a shorter or more usual form.
    #[error("the rune is not written in the one form that is accepted")]
    NotCanonical,
    /// More than [`MAX_RESTRICTIONS`].
    #[error("there are more than {MAX_RESTRICTIONS} restrictions")]
    TooManyRestrictions,
    /// More than [`MAX_ALTERNATIVES`].
    #[error("there are more than {MAX_ALTERNATIVES} alternatives in a restriction")]
    TooManyAlternatives,
    /// An alternative without an operator.
    #[error("{0:?} has no operator; one of = / ^ $ ~ < > {{ }} ! # must follow the field")]
    NoOperator(String),
    /// Punctuation that is no operator.
    #[error("{0:?} is no operator; one of = / ^ $ ~ < > {{ }} ! # must follow the field")]
    UnknownOperator(char),
    /// An alternative without a field.
    #[error("an empty field names the rune, in its first restriction, alone and with =")]
    MisplacedId,
    /// A backslash at the end of a value.
    #[error("a backslash must be followed by the character that it escapes")]
    UnfinishedEscape,
    /// `&` or `|` where it would end a restriction or an alternative.
    #[error("{0:?} must be escaped with a backslash here")]
    Unescaped(char),
    /// A NUL character, which Core Lightning takes for an end.
    #[error("a restriction must not contain NUL")]
    Nul,
    /// The master secret is too short to be one, or does not fit into a block of the hash.
    #[error("a master secret has 16 to 55 bytes")]
    SecretLength,
}
