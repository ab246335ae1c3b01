use std::path::PathBuf;

use futures_util::FutureExt as _;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// The last day of 2049.
const MADE_HERE_SECS: u64 = 2_524_521_600;
/// The beginning of 2050, and of 2060, when the other form of dates is used.
const OTHERS_SECS: [u64; 2] = [2_524_608_000, 2_840_140_800];

fn opened() -> (TempDir, TlsConfig, Certificate, CertificateReloader) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let tls = TlsConfig {
        cert_path: path("tls.crt"),
        key_path: path("tls.key"),
        hosts: Vec::new(),
        listening: None,
        client_auth: None,
    };
    let (certificate, reloader) = Certificate::open(tls.clone()).unwrap();
    (dir, tls, certificate, reloader)
}

/// Makes another certificate for the key, which is valid until the beginning of this day.
fn replace(tls: &TlsConfig, (year, month, day): (i32, u8, u8)) {
    let key = KeyPair::from_pem(&fs::read_to_string(&tls.key_path).unwrap()).unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, month, day);
    fs::write(&tls.cert_path, params.self_signed(&key).unwrap().pem()).unwrap();
}

#[test]
fn the_certificate_is_reloaded_when_its_files_change() {
    let (_dir, tls, certificate, mut reloader) = opened();
    assert_eq!(certificate.expires_at_secs(), MADE_HERE_SECS);
    reloader.reload(false);
    assert_eq!(certificate.expires_at_secs(), MADE_HERE_SECS);
    for (year, expected) in [(2050, OTHERS_SECS[0]), (2060, OTHERS_SECS[1])] {
        replace(&tls, (year, 1, 1));
        reloader.reload(true);
        assert_eq!(certificate.expires_at_secs(), expected);
    }
}

#[test]
fn an_unusable_certificate_does_not_replace_the_one_in_use() {
    let (_dir, tls, certificate, mut reloader) = opened();
    replace(&tls, (2050, 1, 1));
    let whole = fs::read(&tls.cert_path).unwrap();
    let (_other_dir, other, ..) = opened();
    for broken in [&whole[..whole.len() / 2], &[], &fs::read(other.cert_path).unwrap()] {
        fs::write(&tls.cert_path, broken).unwrap();
        reloader.reload(false);
        assert_eq!(certificate.expires_at_secs(), MADE_HERE_SECS);
    }
    fs::remove_file(&tls.cert_path).unwrap();
    reloader.reload(false);
    assert_eq!(certificate.expires_at_secs(), MADE_HERE_SECS);
    fs::write(&tls.cert_path, whole).unwrap();
    reloader.reload(false);
    assert_eq!(certificate.expires_at_secs(), OTHERS_SECS[0]);
}

#[test]
fn a_warning_of_the_expiry_is_logged_once_a_day() {
    let (_dir, tls, certificate, mut reloader) = opened();
    reloader.warn();
    assert_eq!(reloader.warned_at_secs, None);
    replace(&tls, (2020, 1, 1));
    reloader.reload(true);
    assert!(certificate.expires_at_secs() < unix_secs());
    reloader.warn();
    let warned = reloader.warned_at_secs.unwrap();
    let an_hour_ago = warned - 60 * 60;
    reloader.warned_at_secs = Some(an_hour_ago);
    reloader.warn();
    assert_eq!(reloader.warned_at_secs, Some(an_hour_ago));
    reloader.warned_at_secs = Some(warned - DAY_SECS);
    reloader.warn();
    assert!(reloader.warned_at_secs >= Some(warned));
    // For another certificate there was no warning yet.
    replace(&tls, (2020, 1, 2));
    reloader.reload(true);
    assert_eq!(reloader.warned_at_secs, None);
}

#[tokio::test]
async fn who_is_revoked_is_withdrawn_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = AuthorityFiles::in_dir(dir.path());
    let tls = TlsConfig {
        cert_path: files.server_cert,
        key_path: files.server_key,
        hosts: Vec::new(),
        listening: None,
        client_auth: Some(ClientAuthConfig { is_required: true, dir: dir.path().to_owned() }),
    };
    let (certificate, mut reloader) = Certificate::open(tls).unwrap();
    let clients = ClientCertificates::of(&certificate).unwrap();
    let issue = |name| clients.issue(name, None, 1).unwrap().certificate;
    let (shop, other, third) = (issue("shop"), issue("other"), issue("third"));
    let mut withdrawn = Box::pin(certificate.withdrawn(&shop));
    assert!(withdrawn.as_mut().now_or_never().is_none());
    assert_eq!(clients.revoke("shop").unwrap(), std::slice::from_ref(&shop.serial));
    assert!(withdrawn.await.contains("was revoked"));
    assert!(certificate.withdrawn(&other).now_or_never().is_none());

    // A list that another program has written, as a copy from a backup.
    let kept = fs::read(&files.revoked).unwrap();
    clients.revoke("other").unwrap();
    let newer = fs::read(&files.revoked).unwrap();
    fs::write(&files.revoked, kept).unwrap();
    reloader.reload(true);
    assert!(certificate.withdrawn(&other).now_or_never().is_none());
    fs::write(&files.revoked, newer).unwrap();
    reloader.reload(true);
    assert!(certificate.withdrawn(&other).await.contains("was revoked"));

    let expired = ClientCertificate { expires_at_secs: unix_secs() - 1, ..third };
    assert!(certificate.withdrawn(&expired).await.contains("has expired"));
    assert!(ClientCertificates::of(&opened().2).is_none());
}
