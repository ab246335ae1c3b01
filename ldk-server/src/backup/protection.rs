//! The encryption of backups.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use age::{Decryptor, Encryptor, Identity, IdentityFile, Recipient};
use secrecy::SecretString;

/// How many characters a passphrase may have.
const PASSPHRASE_CHARS: RangeInclusive<usize> = 12..=1024;
/// The work factor of scrypt: 2 to the power of this in blocks of 1 KiB, all of them in memory. This
/// takes 64 MiB for half a second on a small machine. By default, the library takes as much as fits
/// into a second, which is a gigabyte on a fast machine.
const SCRYPT_LOG_N: u8 = 16;
/// The highest work factor that is opened: backups of earlier versions may have more.
const MAX_SCRYPT_LOG_N: u8 = 22;
/// The most recipients of a backup.
const MAX_RECIPIENTS: usize = 32;

/// How a backup is encrypted.
pub enum Protection {
    /// With a passphrase.
    Passphrase(SecretString),
    /// To the public keys of these recipients.
    Recipients(Vec<age::x25519::Recipient>),
}

/// Why a backup cannot be encrypted with what the caller named.
#[derive(Debug, thiserror::Error)]
pub enum ProtectionError {
    /// The passphrase is too short or too long.
    #[error(
        "is too short or too long; accepted are {} to {} characters",
        PASSPHRASE_CHARS.start(),
        PASSPHRASE_CHARS.end()
    )]
    PassphraseLength,
    /// There are too many recipients.
    #[error("{0} are too many; accepted are 1 to {MAX_RECIPIENTS}")]
    TooManyRecipients(usize),
    /// A recipient cannot be parsed.
    #[error("\"{0}\" is no age recipient; accepted is age1…")]
    Recipient(String),
}

/// How a backup is decrypted.
pub enum Unlock {
    /// The passphrase it was encrypted with.
    Passphrase(SecretString),
    /// The secret keys of one of its recipients.
    Identities(Vec<Box<dyn Identity>>),
}

impl Protection {
    /// Encrypts with this passphrase.
    pub fn by_passphrase(passphrase: String) -> Result<Self, ProtectionError> {
        if !PASSPHRASE_CHARS.contains(&passphrase.chars().count()) {
            return Err(ProtectionError::PassphraseLength);
        }
        Ok(Self::Passphrase(passphrase.into()))
    }

    /// Encrypts to these recipients.
    pub fn for_recipients(recipients: &[String]) -> Result<Self, ProtectionError> {
        if recipients.len() > MAX_RECIPIENTS {
            return Err(ProtectionError::TooManyRecipients(recipients.len()));
        }
        let parse =
            |text: &String| text.parse().map_err(|_| ProtectionError::Recipient(text.clone()));
        Ok(Self::Recipients(recipients.iter().map(parse).collect::<Result<_, _>>()?))
    }

    pub(super) fn encryptor(&self) -> io::Result<Encryptor> {
        match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(SCRYPT_LOG_N);
                let recipients = std::iter::once(&recipient as &dyn Recipient);
                Encryptor::with_recipients(recipients).map_err(io::Error::other)
            },
            Self::Recipients(recipients) => {
                let recipients = recipients.iter().map(|recipient| recipient as &dyn Recipient);
                Encryptor::with_recipients(recipients).map_err(io::Error::other)
            },
        }
    }
}

impl Unlock {
    /// Decrypts with the secret keys in a file of `age-keygen`.
    pub fn by_identity_file(path: &Path) -> io::Result<Self> {
        let file = IdentityFile::from_file(path.display().to_string())?;
        let identities = file.into_identities().map_err(io::Error::other)?;
        let identities = identities.into_iter().map(|identity| identity as Box<dyn Identity>);
        Ok(Self::Identities(identities.collect()))
    }

    /// Decrypts a file.
    pub(super) fn open<R: io::Read>(&self, sealed: R) -> io::Result<impl io::Read + use<R>> {
        let decryptor = Decryptor::new(sealed).map_err(io::Error::other)?;
        match (self, decryptor.is_scrypt()) {
            (Self::Passphrase(passphrase), true) => {
                let mut identity = age::scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MAX_SCRYPT_LOG_N);
                decryptor.decrypt(std::iter::once(&identity as &dyn Identity))
            },
            (Self::Identities(identities), false) => {
                decryptor.decrypt(identities.iter().map(|identity| &**identity))
            },
            (Self::Passphrase(_), false) => {
                return Err(io::Error::other("it is encrypted to a key: name the file of the key"));
            },
            (Self::Identities(_), true) => {
                return Err(io::Error::other("it is encrypted with a passphrase"));
            },
        }
        .map_err(io::Error::other)
    }
}
