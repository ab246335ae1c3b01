use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn tls_in(dir: &Path) -> TlsConfig {
    TlsConfig {
        cert_path: dir.join("tls.crt"),
        key_path: dir.join("tls.key"),
        hosts: vec!["node.example".to_owned(), "10.0.0.1".to_owned()],
    }
}

fn mode_of(path: &Path) -> u32 {
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
fn certificate_and_key_are_made_together_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    let made = identity(&tls).unwrap();
    assert_eq!(mode_of(&tls.key_path), 0o400);
    let kept = identity(&tls).unwrap();
    assert_eq!(made.cert, kept.cert);
    assert_eq!(mode_of(&tls.cert_path), 0o644);
}

#[test]
fn a_start_cut_short_after_the_key_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    identity(&tls).unwrap();
    let key = fs::read(&tls.key_path).unwrap();
    fs::remove_file(&tls.cert_path).unwrap();
    identity(&tls).unwrap();
    assert_eq!(fs::read(&tls.key_path).unwrap(), key);
}

#[test]
fn unusable_certificates_are_refused_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    identity(&tls).unwrap();
    for (path, name) in [(&tls.cert_path, "tls.crt"), (&tls.key_path, "tls.key")] {
        let kept = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, "garbage").unwrap();
        let message = identity(&tls).err().unwrap().to_string();
        assert!(message.contains(name) && message.contains("holds no PEM"), "{message}");
        fs::remove_file(path).unwrap();
        fs::write(path, kept).unwrap();
    }
    fs::remove_file(&tls.key_path).unwrap();
    assert!(identity(&tls).err().unwrap().to_string().contains("is missing"));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tls = tls_in(dir.path());
    identity(&tls).unwrap();
    identity(&tls_in(other.path())).unwrap();
    fs::rename(other.path().join("tls.key"), &tls.key_path).unwrap();
    let message = identity(&tls).err().unwrap().to_string();
    assert!(message.contains("tls.key: does not belong to the certificate"), "{message}");
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
