//! The file format of a backup.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, Entry, EntryType, Header};
use zeroize::Zeroizing;

use super::{FORMAT, Manifest, Protection, Unlock};
use crate::secrets::{KEY_FILES, Keys};

/// The name of the database, in a backup and on disk.
pub const DATABASE: &str = ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
const MANIFEST: &str = "manifest.json";
const MAX_MANIFEST_BYTES: u64 = 64 * 1024;
const MAX_KEYS_BYTES: u64 = 64 * 1024;

/// Writes a backup of a database file.
pub(super) fn write(
    manifest: &Manifest,
    database: &Path,
    keys: Option<&Keys>,
    protection: &Protection,
    out: impl io::Write,
) -> io::Result<()> {
    let sealed = protection.encryptor()?.wrap_output(out)?;
    let mut archive = Builder::new(sealed);
    let json = serde_json::to_vec_pretty(manifest)?;
    let mut add = |name: &str, bytes: u64, contents: &mut dyn io::Read| {
        let mut header = Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(manifest.created_at);
        archive.append_data(&mut header, name, contents)
    };
    add(MANIFEST, json.len() as u64, &mut json.as_slice())?;
    let mut file = File::open(database)?;
    add(DATABASE, file.metadata()?.len(), &mut file)?;
    if let Some(Keys { name, bytes }) = keys {
        add(name, bytes.len() as u64, &mut bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.flush()
}

/// Decrypts a backup, and writes its database to a file that must not exist.
pub fn unpack(
    sealed: impl io::Read,
    unlock: &Unlock,
    database: &Path,
) -> io::Result<(Manifest, Option<Keys>)> {
    let mut archive = Archive::new(unlock.open(sealed)?);
    let mut manifest: Option<Manifest> = None;
    let (mut has_database, mut keys) = (false, None);
    // Raw: extensions of the format, such as long names and sparse files, are not interpreted.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        check_kind(&name, entry.header().entry_type())?;
        if name == MANIFEST {
            let mut json = Vec::new();
            entry.take(MAX_MANIFEST_BYTES).read_to_end(&mut json)?;
            manifest = Some(serde_json::from_slice(&json)?);
            check_format(manifest.as_ref())?;
        } else if name == DATABASE && !has_database {
            write_database(&mut entry, database)?;
            has_database = true;
        } else if let Some(name) = KEY_FILES.into_iter().find(|known| *known == name) {
            let mut bytes = Zeroizing::new(Vec::new());
            entry.take(MAX_KEYS_BYTES).read_to_end(&mut bytes)?;
            keys = Some(Keys { name, bytes });
        } else {
            return Err(io::Error::other(format!("\"{name}\" is not part of a backup")));
        }
    }
    let manifest = manifest.filter(|_| has_database);
    let manifest = manifest.ok_or_else(|| io::Error::other("it is not a backup of a node"))?;
    if sha256(database)? != manifest.database_sha256 {
        return Err(io::Error::other("the checksum of its database is wrong"));
    }
    Ok((manifest, keys))
}

/// Accepts regular files only. The backup may come from an attacker; a regular file takes no more
/// disk space than the backup.
fn check_kind(name: &str, kind: EntryType) -> io::Result<()> {
    match kind {
        EntryType::Regular => Ok(()),
        other => {
            let text = format!("\"{name}\" is no regular file, but of the kind {other:?}");
            Err(io::Error::other(text))
        },
    }
}

fn write_database(entry: &mut Entry<'_, impl io::Read>, database: &Path) -> io::Result<()> {
    let mut file = File::create_new(database)?;
    let (expected, written) = (entry.size(), io::copy(entry, &mut file)?);
    if written != expected {
        let text = format!("the database should have {expected} bytes, and has {written}");
        return Err(io::Error::other(text));
    }
    file.sync_all()
}

fn check_format(manifest: Option<&Manifest>) -> io::Result<()> {
    match manifest {
        Some(Manifest { format, server_version, .. }) if *format != FORMAT => {
            Err(io::Error::other(format!(
                "it is in format {format}, made by ldk-server {server_version}, and this one knows \
                 {FORMAT}: restore it with the server that made it, or a later one"
            )))
        },
        _ => Ok(()),
    }
}

/// The SHA-256 of a file, as hex.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (fs::File::open(path)?, Sha256::new());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(hash.finalize())),
            bytes => hash.update(chunk.get(..bytes).unwrap_or_default()),
        }
    }
}
