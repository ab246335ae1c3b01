//! What keeps a backup from being read by others.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use age::{Decryptor, Encryptor, Identity, IdentityFile, Recipient};
use secrecy::SecretString;

/// How many characters a passphrase has.
const PASSPHRASE_CHARS: RangeInclusive<usize> = 12..=1024;
/// How much work it is to try a passphrase: 2 to the power of this in blocks of 1 KiB, all of them in
/// memory. 64 MiB are taken for half a second on a small machine. Left to itself, the library takes
/// what a second is enough for, which is a gigabyte on a fast one, beside the node.
const SCRYPT_LOG_N: u8 = 16;
/// What is opened all the same: backups of earlier versions, from machines of any speed.
const MAX_SCRYPT_LOG_N: u8 = 22;
/// No backup is for more.
const MAX_RECIPIENTS: usize = 32;

/// What a backup is encrypted with.
pub enum Protection {
    /// Who knows it can open the backup.
    Passphrase(SecretString),
    /// The owners of these keys can.
    Recipients(Vec<age::x25519::Recipient>),
}

/// What a backup is opened with.
pub enum Unlock {
    /// The passphrase it was encrypted with.
    Passphrase(SecretString),
    /// The secret keys of one of its recipients.
    Identities(Vec<Box<dyn Identity>>),
}

impl Protection {
    /// By this passphrase; or says what is wrong with it.
    pub fn by_passphrase(passphrase: String) -> Result<Self, String> {
        if !PASSPHRASE_CHARS.contains(&passphrase.chars().count()) {
            let (least, most) = PASSPHRASE_CHARS.into_inner();
            return Err(format!(
                "is too short or too long; accepted are {least} to {most} characters"
            ));
        }
        Ok(Self::Passphrase(passphrase.into()))
    }

    /// For these recipients; or says what is wrong with them.
    pub fn for_recipients(recipients: &[String]) -> Result<Self, String> {
        if recipients.len() > MAX_RECIPIENTS {
            return Err(format!(
                "{} are too many; accepted are 1 to {MAX_RECIPIENTS}",
                recipients.len()
            ));
        }
        let parse = |text: &String| {
            text.parse().map_err(|_| format!("\"{text}\" is no age recipient; accepted is age1…"))
        };
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
    /// With the secret keys in this file, as `age-keygen` makes them.
    pub fn by_identity_file(path: &Path) -> io::Result<Self> {
        let file = IdentityFile::from_file(path.display().to_string())?;
        let identities = file.into_identities().map_err(io::Error::other)?;
        let identities = identities.into_iter().map(|identity| identity as Box<dyn Identity>);
        Ok(Self::Identities(identities.collect()))
    }

    /// What is in an encrypted file.
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
