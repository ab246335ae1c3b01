use std::fs;
use std::io;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use ldk_node::bitcoin::Network;
use zeroize::Zeroizing;

use super::*;
use crate::secrets::Keys;
use crate::store::{OfflineDatabase, testing};

const PASSPHRASE: &str = "correct horse battery staple";

fn backups(dir: &Path) -> Backups {
    fs::write(dir.join("keys_mnemonic"), "abandon abandon").unwrap();
    let dirs = (dir.to_owned(), dir.to_owned());
    Backups {
        storage_dir: dirs.0,
        network_dir: dirs.1,
        network: Network::Regtest,
        allow_keys: true,
    }
}

fn passphrase() -> Protection {
    Protection::by_passphrase(PASSPHRASE.to_owned()).unwrap()
}

/// A backup of a store with one event.
fn backup(protection: &Protection, includes_keys: bool) -> (Manifest, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    testing::record(&store, 1);
    let mut file = Vec::new();
    let node_id = "02".repeat(33);
    let manifest =
        backups(dir.path()).write(&store, node_id, includes_keys, protection, &mut file).unwrap();
    let left = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with('.')));
    (manifest, file)
}

fn unpack(file: &[u8], unlock: &Unlock, dir: &Path) -> io::Result<(Manifest, Option<Keys>)> {
    archive::unpack(file, unlock, &dir.join(archive::DATABASE))
}

#[test]
fn a_backup_to_recipients_opens_with_the_key_of_any() {
    let keys = [age::x25519::Identity::generate(), age::x25519::Identity::generate()];
    let recipients = keys.each_ref().map(|key| key.to_public().to_string());
    let protection = Protection::for_recipients(&recipients).unwrap();
    let (manifest, file) = backup(&protection, false);
    for key in keys {
        let dir = tempfile::tempdir().unwrap();
        let identity = dir.path().join("key.txt");
        fs::write(&identity, key.to_string().expose_secret()).unwrap();
        let unlock = Unlock::by_identity_file(&identity).unwrap();
        let (found, keys) = unpack(&file, &unlock, dir.path()).unwrap();
        assert_eq!(found, manifest);
        assert!(keys.is_none());
        let (lineage, epoch) = OfflineDatabase::open(dir.path()).unwrap().epoch().unwrap();
        assert_eq!(manifest.lineage, lineage.to_string());
        assert_eq!(manifest.epoch, epoch.to_string());
    }
    let dir = tempfile::tempdir().unwrap();
    let passphrase = Unlock::Passphrase(PASSPHRASE.into());
    let error = unpack(&file, &passphrase, dir.path()).err().unwrap().to_string();
    assert!(error.contains("name the file of the key"), "{error}");
}

#[test]
fn a_backup_has_the_keys_if_they_are_asked_for() {
    let (_, file) = backup(&passphrase(), true);
    let dir = tempfile::tempdir().unwrap();
    let unlock = Unlock::Passphrase(PASSPHRASE.into());
    let (_, keys) = unpack(&file, &unlock, dir.path()).unwrap();
    let Keys { name, bytes } = keys.unwrap();
    assert_eq!((name, bytes.as_slice()), ("keys_mnemonic", &b"abandon abandon"[..]));
}

#[test]
fn what_is_not_a_whole_backup_is_refused() {
    let (manifest, file) = backup(&passphrase(), false);
    let unlock = Unlock::Passphrase(PASSPHRASE.into());
    for length in [0, 10, file.len() / 2, file.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        assert!(unpack(&file[..length], &unlock, dir.path()).is_err(), "{length} bytes");
    }
    let dir = tempfile::tempdir().unwrap();
    let wrong = Unlock::Passphrase("another passphrase".into());
    assert!(unpack(&file, &wrong, dir.path()).is_err());

    let later =
        Manifest { format: FORMAT + 1, server_version: "9.9".to_owned(), ..manifest.clone() };
    let other = Manifest { database_sha256: "00".repeat(32), ..manifest };
    for (manifest, reason) in [(later, "made by ldk-server 9.9"), (other, "checksum")] {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("source");
        fs::write(&database, "contents").unwrap();
        let mut file = Vec::new();
        archive::write(&manifest, &database, None, &passphrase(), &mut file).unwrap();
        let error = unpack(&file, &unlock, dir.path()).err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let keys = Keys { name: "evil", bytes: Zeroizing::default() };
    let (dir, mut file) = (tempfile::tempdir().unwrap(), Vec::new());
    let database = dir.path().join("source");
    fs::write(&database, "contents").unwrap();
    let (manifest, _) = backup(&passphrase(), false);
    archive::write(&manifest, &database, Some(&keys), &passphrase(), &mut file).unwrap();
    let error = unpack(&file, &unlock, dir.path()).err().unwrap().to_string();
    assert!(error.contains("\"evil\" is not part"), "{error}");
}

/// What the header of the file says of how the key is made of the passphrase.
fn scrypt_log_n(file: &[u8]) -> String {
    let header = String::from_utf8_lossy(file.get(..100).unwrap()).into_owned();
    let stanza = header.lines().find(|line| line.starts_with("-> scrypt ")).unwrap();
    stanza.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_passphrase_takes_the_same_memory_on_every_machine() {
    let (_, file) = backup(&passphrase(), false);
    // 2^16 blocks of 1 KiB.
    assert_eq!(scrypt_log_n(&file), "16");
}

#[test]
fn backups_of_earlier_versions_are_opened_whatever_their_machine_was() {
    let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.into());
    recipient.set_work_factor(18);
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient));
    let mut file = Vec::new();
    let mut sealed = encryptor.unwrap().wrap_output(&mut file).unwrap();
    io::Write::write_all(&mut sealed, b"contents").unwrap();
    sealed.finish().unwrap();
    let mut contents = String::new();
    let mut opened = Unlock::Passphrase(PASSPHRASE.into()).open(file.as_slice()).unwrap();
    io::Read::read_to_string(&mut opened, &mut contents).unwrap();
    assert_eq!((contents.as_str(), &*scrypt_log_n(&file)), ("contents", "18"));
}

/// An archive with this entry in the place of the database, and as large as the entry says.
fn archive_with(header: &tar::Header, contents: &[u8], to: &age::x25519::Identity) -> Vec<u8> {
    let mut file = Vec::new();
    let protection = Protection::for_recipients(&[to.to_public().to_string()]).unwrap();
    let sealed = protection.encryptor().unwrap().wrap_output(&mut file).unwrap();
    let mut archive = tar::Builder::new(sealed);
    archive.append(header, contents).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    file
}

#[test]
fn only_regular_files_are_unpacked_and_none_grows() {
    const HOLE_BYTES: u64 = 1 << 24;
    let key = age::x25519::Identity::generate();
    let unlock = Unlock::Identities(vec![Box::new(key.clone())]);
    let mut header = tar::Header::new_gnu();
    header.set_path(archive::DATABASE).unwrap();
    for kind in [
        tar::EntryType::GNUSparse,
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Fifo,
        tar::EntryType::Directory,
        tar::EntryType::GNULongName,
        tar::EntryType::XHeader,
    ] {
        header.set_entry_type(kind);
        header.set_size(0);
        if kind == tar::EntryType::GNUSparse {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.set_real_size(HOLE_BYTES);
            let octal = format!("{HOLE_BYTES:011o}\0");
            gnu.sparse[0].offset.copy_from_slice(octal.as_bytes());
            gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        }
        header.set_cksum();
        let dir = tempfile::tempdir().unwrap();
        let error = unpack(&archive_with(&header, &[], &key), &unlock, dir.path()).err().unwrap();
        assert!(error.to_string().contains("no regular file"), "{kind:?}: {error}");
        assert!(!dir.path().join(archive::DATABASE).exists(), "{kind:?}");
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(HOLE_BYTES);
    header.set_cksum();
    let dir = tempfile::tempdir().unwrap();
    let error = unpack(&archive_with(&header, b"short", &key), &unlock, dir.path()).err().unwrap();
    assert!(error.to_string().contains("should have 16777216 bytes"), "{error}");
}

#[test]
fn protections_that_do_not_protect_are_refused() {
    assert!(Protection::by_passphrase("eleven char".to_owned()).is_err());
    assert!(Protection::by_passphrase("twelve chars".to_owned()).is_ok());
    let error = Protection::for_recipients(&["age1nobody".to_owned()]).err().unwrap();
    assert!(error.to_string().contains("age1nobody"), "{error}");
    let many = vec!["age1nobody".to_owned(); 33];
    assert!(Protection::for_recipients(&many).err().unwrap().to_string().contains("33"));
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".backup-abc")).unwrap();
    fs::write(dir.path().join(".backup-abc").join(archive::DATABASE), "half").unwrap();
    fs::write(dir.path().join("backup-of-mine"), "kept").unwrap();
    remove_partial(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
