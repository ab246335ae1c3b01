//! Making backups.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use ldk_server_client::{BackupStream, Client};
use ldk_server_grpc::api::CreateBackupRequest;
use ldk_server_grpc::types::BackupSummary;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::output::{self, Format};

/// Create an encrypted backup of the node's state, and print a summary of it
///
/// Restore it with `ldk-server restore`, on this or another machine, and only if the node is lost:
/// running with outdated channel state loses money. The command asks for the passphrase unless a
/// passphrase file or a recipient is given.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("protection"))]
pub(crate) struct Backup {
    /// File to write; must not exist
    file: PathBuf,

    /// File whose first line is the passphrase to encrypt with, at least 12 characters
    #[arg(long, value_name = "FILE", group = "protection")]
    passphrase_file: Option<PathBuf>,

    /// age public key (age1…) to encrypt to; can be repeated. Its secret key decrypts the backup
    #[arg(long, value_name = "AGE1…", group = "protection")]
    recipient: Vec<String>,

    /// Include the node's keys. The server must allow it (backup.allow_keys)
    #[arg(long)]
    include_keys: bool,
}

impl Backup {
    pub(crate) async fn run(self, client: &Client, format: Format) -> Result<(), Failure> {
        if self.file.exists() {
            return Err(local(&self.file, "exists already"));
        }
        let dir = match self.file.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        // Only this user can read it, and it is gone if anything fails.
        let mut partial = NamedTempFile::new_in(dir).map_err(|error| local(dir, error))?;
        let request = CreateBackupRequest {
            passphrase: self.passphrase()?,
            recipients: self.recipient,
            include_keys: self.include_keys,
        };
        let mut backup = client.create_backup(request).await?;
        while let Some(chunk) = backup.next_chunk().await? {
            partial.write_all(&chunk).map_err(|error| local(&self.file, error))?;
        }
        let summary = whole(&backup, &partial).map_err(|error| local(&self.file, error))?;
        keep(partial, &self.file, dir).map_err(|error| local(&self.file, error))?;
        output::print(&summary, format)
    }

    /// The passphrase; empty if there are recipients.
    fn passphrase(&self) -> Result<String, Failure> {
        if !self.recipient.is_empty() {
            return Ok(String::new());
        }
        if let Some(path) = &self.passphrase_file {
            let text = fs::read_to_string(path).map_err(|error| local(path, error))?;
            return Ok(text.lines().next().unwrap_or_default().to_owned());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::InvalidRequest(
                "name a --passphrase-file or a --recipient: there is no terminal to ask at"
                    .to_owned(),
            ));
        }
        let ask = |prompt| {
            rpassword::prompt_password(prompt)
                .map_err(|error| Failure::Local(format!("cannot ask for the passphrase: {error}")))
        };
        let passphrase = ask("Passphrase of the backup: ")?;
        if ask("The same again: ")? != passphrase {
            return Err(Failure::InvalidRequest("the two passphrases differ".to_owned()));
        }
        Ok(passphrase)
    }
}

/// What the backup is, if the file has all of it.
fn whole(backup: &BackupStream, file: &NamedTempFile) -> io::Result<BackupSummary> {
    let summary = backup.summary().cloned().ok_or_else(|| io::Error::other("there is no end"))?;
    let written = file.as_file().metadata()?.len();
    if written != summary.total_bytes {
        let reason = format!("{written} bytes were written of {}", summary.total_bytes);
        return Err(io::Error::other(reason));
    }
    Ok(summary)
}

/// Gives the file its name, durably.
fn keep(partial: NamedTempFile, path: &Path, dir: &Path) -> io::Result<()> {
    partial.as_file().sync_all()?;
    partial.persist_noclobber(path)?;
    fs::File::open(dir)?.sync_all()
}

fn local(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::Local(format!("{}: {reason}", path.display()))
}
