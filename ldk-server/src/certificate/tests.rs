use std::path::PathBuf;

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
