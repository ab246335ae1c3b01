use rustls_pki_types::SubjectPublicKeyInfoDer;

use super::*;
use crate::secrets::tests::mode_of;

/// The year 2126.
const VECTORS_EXPIRE_AT_SECS: u64 = 4_948_886_338;

fn tls_in(dir: &Path) -> TlsConfig {
    TlsConfig {
        cert_path: dir.join("tls.crt"),
        key_path: dir.join("tls.key"),
        hosts: vec!["node.example".to_owned(), "10.0.0.1".to_owned()],
        listening: None,
        client_auth: None,
    }
}

#[test]
fn certificate_and_key_are_made_together_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    let made = identity(&tls).unwrap();
    assert_eq!(mode_of(&tls.key_path), 0o400);
    let kept = identity(&tls).unwrap();
    assert_eq!(made.key.cert, kept.key.cert);
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

/// A chain and its key, as text, in the places of `tls`.
fn install(tls: &TlsConfig, chain: &str, key: &str) {
    fs::write(&tls.cert_path, chain).unwrap();
    fs::write(&tls.key_path, key).unwrap();
}

fn public_key(identity: &Identity) -> SubjectPublicKeyInfoDer<'static> {
    identity.key.key.public_key().unwrap().into_owned()
}

#[test]
fn a_chain_is_presented_with_a_key_of_each_format() {
    let (ec, rsa) = (include_str!("vectors/sec1.crt"), include_str!("vectors/pkcs1.crt"));
    for (format, chain, key) in [
        ("EC PRIVATE KEY", ec, include_str!("vectors/sec1.key")),
        ("PRIVATE KEY", ec, include_str!("vectors/pkcs8.key")),
        ("RSA PRIVATE KEY", rsa, include_str!("vectors/pkcs1.key")),
    ] {
        assert!(key.contains(&format!("-----BEGIN {format}-----")));
        let dir = tempfile::tempdir().unwrap();
        let tls = tls_in(dir.path());
        install(&tls, chain, key);
        let identity = identity(&tls).unwrap();
        assert_eq!(identity.key.cert.len(), 2, "{format}");
        let expires_at_secs = identity.expires_at_secs;
        let expected = VECTORS_EXPIRE_AT_SECS..VECTORS_EXPIRE_AT_SECS + 60;
        assert!(expected.contains(&expires_at_secs), "{format}: {expires_at_secs}");
    }
}

#[test]
fn keys_and_certificates_that_do_not_belong_together_are_told_apart_in_each_format() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    let (ec, rsa) = (include_str!("vectors/sec1.crt"), include_str!("vectors/pkcs1.crt"));
    for (chain, key) in [
        (rsa, include_str!("vectors/sec1.key")),
        (rsa, include_str!("vectors/pkcs8.key")),
        (ec, include_str!("vectors/pkcs1.key")),
    ] {
        install(&tls, chain, key);
        let message = identity(&tls).err().unwrap().to_string();
        assert!(message.contains("tls.key: does not belong to"), "{message}");
    }
    install(&tls, ec, &include_str!("vectors/sec1.key").replace("MHcC", "MHcD"));
    let message = identity(&tls).err().unwrap().to_string();
    assert!(message.contains("tls.key: cannot be used"), "{message}");
    assert!(!message.contains("MHcD"), "{message}");
}

#[test]
fn a_certificate_is_renewed_for_the_same_key_and_the_hosts_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    let old = identity(&tls).unwrap();
    let hosts = vec!["other.example".to_owned(), "localhost".to_owned()];
    let tls = TlsConfig { hosts, ..tls };
    let renewed = renew_certificate(&tls).unwrap().to_string();
    let new = identity(&tls).unwrap();
    assert_ne!(new.key.cert, old.key.cert);
    assert_eq!(public_key(&new), public_key(&old));
    assert_eq!(mode_of(&tls.cert_path), 0o644);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    for (leaf, host, is_named) in [
        (&new.key.cert[0], &b"other.example"[..], true),
        (&new.key.cert[0], b"node.example", false),
        (&old.key.cert[0], b"node.example", true),
    ] {
        assert_eq!(leaf.windows(host.len()).any(|part| part == host), is_named);
    }

    let digest = sha256::Hash::hash(&new.key.cert[0]).to_string().to_uppercase();
    let lines: Vec<&str> = renewed.lines().collect();
    assert_eq!(
        lines[0],
        format!("certificate: {}", fs::canonicalize(&tls.cert_path).unwrap().display())
    );
    assert_eq!(lines[1].replace(':', ""), format!("SHA-256 fingerprint {digest}"));
    assert_eq!(
        lines[2..],
        [
            "valid from: 2026-01-01T00:00:00Z",
            "valid until: 2049-12-31T00:00:00Z",
            "valid for: localhost, 127.0.0.1, other.example",
        ]
    );
}

#[test]
fn a_new_certificate_is_valid_where_the_service_listens() {
    let dir = tempfile::tempdir().unwrap();
    let tls = TlsConfig { listening: Some([192, 168, 7, 7].into()), ..tls_in(dir.path()) };
    assert_eq!(identity(&tls).unwrap().missing_hosts, [""; 0]);
    assert!(renew_certificate(&tls).unwrap().to_string().contains("192.168.7.7"));
    // It stays as it is when the configuration changes.
    let hosts = vec!["other.example".to_owned(), "node.example".to_owned()];
    let moved = TlsConfig { listening: Some([192, 168, 7, 8].into()), hosts, ..tls };
    assert_eq!(identity(&moved).unwrap().missing_hosts, ["other.example", "192.168.7.8"]);
    let local = TlsConfig { listening: Some([127, 0, 0, 1].into()), ..moved };
    assert_eq!(identity(&local).unwrap().missing_hosts, ["other.example"]);
}

#[test]
fn what_an_authority_has_issued_is_not_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    assert!(renew_certificate(&tls).err().unwrap().to_string().contains("cannot be read"));
    let chain = include_str!("vectors/sec1.crt");
    let leaf = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    for certificates in [chain, leaf] {
        install(&tls, certificates, include_str!("vectors/pkcs8.key"));
        let message = renew_certificate(&tls).err().unwrap().to_string();
        assert!(message.contains("issued by an authority"), "{message}");
        assert_eq!(fs::read_to_string(&tls.cert_path).unwrap(), certificates);
    }
}

#[test]
fn a_link_to_the_certificate_stays_one() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tls = tls_in(dir.path());
    identity(&tls).unwrap();
    let target = other.path().join("elsewhere.crt");
    fs::rename(&tls.cert_path, &target).unwrap();
    std::os::unix::fs::symlink(&target, &tls.cert_path).unwrap();
    let before = fs::read(&target).unwrap();
    renew_certificate(&tls).unwrap();
    assert!(fs::symlink_metadata(&tls.cert_path).unwrap().is_symlink());
    assert_ne!(fs::read(&target).unwrap(), before);
}
