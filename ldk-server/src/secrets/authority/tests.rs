use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;
use rustls_pki_types::UnixTime;
use tempfile::TempDir;

use super::*;

const DAYS: u32 = 30;

fn tls_in(dir: &Path) -> TlsConfig {
    let files = AuthorityFiles::in_dir(dir);
    TlsConfig {
        cert_path: files.server_cert,
        key_path: files.server_key,
        hosts: vec!["node.example".to_owned()],
        listening: Some([192, 168, 7, 7].into()),
        client_auth: Some(ClientAuthConfig { is_required: true, dir: dir.to_owned() }),
    }
}

fn prepared() -> (TempDir, TlsConfig, AuthorityFiles) {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls_in(dir.path());
    prepare_authority(&tls).unwrap();
    let files = AuthorityFiles::in_dir(dir.path());
    (dir, tls, files)
}

fn all(files: &AuthorityFiles) -> [&Path; 7] {
    let AuthorityFiles { ca_cert, ca_key, revoked, server_cert, server_key, .. } = files;
    let AuthorityFiles { client_cert, client_key, .. } = files;
    [ca_cert, ca_key, revoked, server_cert, server_key, client_cert, client_key].map(|it| &**it)
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Whether somebody who shows this certificate passes.
fn passes(tls: &TlsConfig, pem: &str) -> bool {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client_auth = tls.client_auth.as_ref().unwrap();
    let (verifier, _) = client_verifier(client_auth, &provider).unwrap();
    verifier.verify_client_cert(&der(pem), &[], UnixTime::now()).is_ok()
}

fn names(files: &AuthorityFiles) -> Vec<(String, bool)> {
    let listed = list(files).unwrap().into_iter();
    listed.map(|one| (one.certificate.name, one.is_revoked)).collect()
}

#[test]
fn everything_is_made_once_and_keys_are_private() {
    let (_dir, tls, files) = prepared();
    let before = all(&files).map(|path| fs::read(path).unwrap());
    for path in all(&files) {
        let is_key = path.to_str().unwrap().ends_with("-key.pem");
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if is_key { 0o600 } else { 0o644 }, "{}", path.display());
    }
    prepare_authority(&tls).unwrap();
    assert_eq!(all(&files).map(|path| fs::read(path).unwrap()), before);
    assert_eq!(names(&files), [("client".to_owned(), false)]);
}

#[test]
fn the_server_has_the_names_of_the_configuration_and_the_one_that_all_have() {
    let (_dir, _, files) = prepared();
    let server = der(&fs::read_to_string(&files.server_cert).unwrap());
    let server = rustls::server::ParsedCertificate::try_from(&server).unwrap();
    for name in ["cln", "localhost", "127.0.0.1", "node.example", "192.168.7.7"] {
        let name = rustls_pki_types::ServerName::try_from(name).unwrap();
        rustls::client::verify_server_name(&server, &name).unwrap();
    }
}

#[test]
fn a_start_cut_short_is_completed_for_the_same_authority() {
    let (_dir, tls, files) = prepared();
    let client = fs::read_to_string(&files.client_cert).unwrap();
    for removed in [&[&files.ca_cert][..], &[&files.ca_cert, &files.client_cert]] {
        for path in removed {
            fs::remove_file(path).unwrap();
        }
        prepare_authority(&tls).unwrap();
        assert!(passes(&tls, &client));
        assert!(passes(&tls, &fs::read_to_string(&files.client_cert).unwrap()));
    }
    fs::remove_file(&files.server_cert).unwrap();
    let key = fs::read(&files.server_key).unwrap();
    prepare_authority(&tls).unwrap();
    assert_eq!(fs::read(&files.server_key).unwrap(), key);
}

#[test]
fn only_clients_of_this_authority_pass() {
    let (_dir, tls, files) = prepared();
    let Issued { certificate, cert_pem, key_pem } =
        issue(&files, "shop", Some("method=GetNodeInfo&time<1"), DAYS).unwrap();
    assert_eq!(certificate.name, "shop");
    assert_eq!(certificate.restrictions.as_deref(), Some("method=GetNodeInfo&time<1"));
    assert_eq!(certificate, ClientCertificate::of(&der(&cert_pem)).unwrap());
    let secs = certificate.expires_at_secs - certificate.valid_from_secs;
    assert_eq!(secs, u64::from(DAYS) * 86_400 + 300);
    assert!(KeyPair::from_pem(&key_pem).is_ok());
    assert!(
        passes(&tls, &cert_pem) && passes(&tls, &fs::read_to_string(&files.client_cert).unwrap())
    );

    let (_other_dir, _, other) = prepared();
    let foreign = issue(&other, "shop", None, DAYS).unwrap().cert_pem;
    // Of the right authority, and not meant for a client.
    let server = fs::read_to_string(&files.server_cert).unwrap();
    let key = new_key(&files.ca_key).unwrap();
    let mut params = common_params("shop");
    params.not_after = rcgen::date_time_ymd(2026, 2, 1);
    let expired = params.signed_by(&key, &issuer(&files).unwrap()).unwrap().pem();
    let self_signed = common_params("shop").self_signed(&key).unwrap().pem();
    for refused in [foreign, server, expired, self_signed] {
        assert!(!passes(&tls, &refused));
    }
}

#[test]
fn what_was_revoked_stays_so() {
    let (_dir, tls, files) = prepared();
    let shop = [(); 2].map(|()| issue(&files, "shop", None, DAYS).unwrap());
    let other = issue(&files, "other", None, DAYS).unwrap();
    let (serials, revoked) = revoke(&files, &other.certificate.serial.to_uppercase()).unwrap();
    assert_eq!(serials, std::slice::from_ref(&other.certificate.serial));
    assert!(revoked.has(&other.certificate.serial) && !revoked.has(&shop[0].certificate.serial));
    assert!(!passes(&tls, &other.cert_pem) && passes(&tls, &shop[0].cert_pem));

    assert_eq!(revoke(&files, "shop").unwrap().0.len(), 2);
    // Once more it changes nothing.
    revoke(&files, "shop").unwrap();
    for issued in shop.iter().chain([&other]) {
        assert!(!passes(&tls, &issued.cert_pem));
    }
    let expected = [("client", false), ("other", true), ("shop", true), ("shop", true)];
    assert_eq!(names(&files), expected.map(|(name, is_revoked)| (name.to_owned(), is_revoked)));
    let unknown = revoke(&files, "nobody").unwrap_err().to_string();
    assert!(unknown.contains("\"nobody\" is neither"), "{unknown}");
}

#[test]
fn what_cannot_be_issued_is_refused_by_its_field() {
    let (_dir, _, files) = prepared();
    let long = "a".repeat(49);
    for name in ["", ".", ".hidden", "a/b", "../a", "a b", "shöp", "a\n", &long] {
        let refused = issue(&files, name, None, DAYS).unwrap_err().to_string();
        assert!(refused.starts_with("name: "), "{refused}");
    }
    let refused = issue(&files, "shop", Some("nonsense"), DAYS).unwrap_err().to_string();
    assert!(refused.starts_with("restrictions: "), "{refused}");
    for days in [0, 3654, u32::MAX] {
        let refused = issue(&files, "shop", None, days).unwrap_err().to_string();
        assert!(refused.starts_with("days: "), "{refused}");
    }
    assert_eq!(names(&files), [("client".to_owned(), false)]);
}

#[test]
fn an_authority_without_its_key_or_list_is_not_made_anew() {
    let (_dir, tls, files) = prepared();
    let (_other_dir, _, other) = prepared();
    fs::copy(&other.revoked, &files.revoked).unwrap();
    let refused = list(&files).unwrap_err().to_string();
    assert!(refused.contains("is not a revocation list that ca.pem has signed"), "{refused}");
    fs::remove_file(&files.revoked).unwrap();
    prepare_authority(&tls).unwrap();
    assert!(list(&files).is_err() && !files.revoked.exists());

    fs::copy(&other.ca_key, &files.ca_key).unwrap();
    let refused = issue(&files, "shop", None, DAYS).unwrap_err().to_string();
    assert!(refused.contains("does not belong to the certificate"), "{refused}");
    fs::remove_file(&files.ca_key).unwrap();
    prepare_authority(&tls).unwrap();
    let refused = issue(&files, "shop", None, DAYS).unwrap_err().to_string();
    assert!(refused.contains("ca-key.pem: is missing"), "{refused}");
}

#[test]
fn a_client_has_one_name_of_printable_characters() {
    let key = new_key(Path::new("key")).unwrap();
    let named = |names: &[&str]| {
        let mut params = common_params("");
        params.distinguished_name = DistinguishedName::new();
        for (number, name) in names.iter().enumerate() {
            let kind = if number == 0 { DnType::CommonName } else { DnType::OrganizationName };
            params.distinguished_name.push(kind, *name);
        }
        ClientCertificate::of(params.self_signed(&key).unwrap().der()).map(|read| read.name).ok()
    };
    assert_eq!(named(&["the shop", "Shops & Co"]).as_deref(), Some("the shop"));
    assert_eq!(named(&[&"a".repeat(64)]).unwrap().len(), 64);
    for refused in [&[][..], &[""], &["shöp"], &["a\nb"], &["a\u{1b}[0m"], &[&"a".repeat(65)]] {
        assert_eq!(named(refused), None, "{refused:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_client_or_none(bytes: Vec<u8>) {
        let _ = ClientCertificate::of(&bytes);
    }

    #[test]
    fn restrictions_come_back_as_they_were(text: String) {
        let key = new_key(Path::new("key")).unwrap();
        let mut params = common_params("shop");
        params.custom_extensions.push(client::restrictions_extension(&text).unwrap());
        let read = ClientCertificate::of(params.self_signed(&key).unwrap().der()).unwrap();
        prop_assert_eq!(read.restrictions, Some(text));
    }
}
