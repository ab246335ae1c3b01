use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

pub(super) fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_node_gets_a_mnemonic_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys_mnemonic");
    assert!(matches!(entropy(dir.path()).unwrap(), Entropy::Mnemonic(_)));
    let words = fs::read_to_string(&path).unwrap();
    assert_eq!(words.split_whitespace().count(), 24);
    assert_eq!(mode_of(&path), 0o600);
    entropy(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), words);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn an_existing_seed_is_honoured() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("keys_seed"), [7; 64]).unwrap();
    let Entropy::Seed(seed) = entropy(dir.path()).unwrap() else { panic!("not the seed") };
    assert_eq!(*seed, [7; 64]);
    assert!(!dir.path().join("keys_mnemonic").exists());
}

#[test]
fn unusable_entropy_is_refused_without_being_quoted() {
    let secret = "abandon ability able about above absent";
    for (name, content, expected) in [
        ("keys_mnemonic", secret.as_bytes(), "not a valid BIP 39 mnemonic"),
        ("keys_mnemonic", b"", "not a valid BIP 39 mnemonic"),
        (
            "keys_mnemonic",
            b"legal winner thank year wave sausage worth useful legal winner thank yellow",
            "has 12 words; expected 24",
        ),
        ("keys_seed", &[7; 63], "has 63 bytes; expected 64"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), content).unwrap();
        let message = entropy(dir.path()).err().unwrap().to_string();
        assert!(message.contains(expected) && message.contains(name), "{message}");
        assert!(!message.contains("abandon") && !message.contains("legal"), "{message}");
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), content, "left as it was");
    }
}

#[test]
fn mnemonic_and_seed_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    entropy(dir.path()).unwrap();
    fs::write(dir.path().join("keys_seed"), [7; 64]).unwrap();
    assert!(entropy(dir.path()).err().unwrap().to_string().contains("only one of the two"));
}

#[test]
fn the_api_key_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("regtest")).unwrap();
    let key = api_key(dir.path(), "regtest").unwrap();
    assert_eq!(key.len(), 64);
    assert_eq!(api_key(dir.path(), "regtest").unwrap(), key);
    assert_eq!(mode_of(&places::api_key_file(dir.path(), "regtest")), 0o400);
}

#[test]
fn a_short_api_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("regtest")).unwrap();
    fs::write(places::api_key_file(dir.path(), "regtest"), [1; 31]).unwrap();
    let message = api_key(dir.path(), "regtest").err().unwrap().to_string();
    assert!(message.contains("has 31 bytes; expected 32"), "{message}");
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api_key");
    fs::write(&path, "first").unwrap();
    assert!(create_once(&path, b"second", 0o400).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_is_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tls.crt");
    fs::write(&path, "first").unwrap();
    files::replace(&path, b"second", 0o644).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    assert_eq!(mode_of(&path), 0o644);
    assert!(files::replace(&dir.path().join("missing/tls.crt"), b"", 0o644).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
