//! Servers that are reached by TLS.

use std::path::PathBuf;

use ::http::Response;
use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::authority::Authority;
use super::stub;
use super::*;

async fn electrum(host: &str, port: u16, ca_cert_path: Option<PathBuf>) -> Fixture {
    let server = HostPort { host: host.to_owned(), port };
    let electrum = ElectrumConfig { server, uses_tls: true, ca_cert_path };
    Fixture::new(&ChainSource::Electrum(electrum)).await
}

/// Whether a line through the gate is answered.
async fn is_answered(fixture: &Fixture) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", fixture.port())).await.unwrap();
    let _ = stream.write_all(b"{}\n").await;
    matches!(stream.read(&mut [0; 64]).await, Ok(read) if read > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_electrum_server_must_have_a_certificate_for_its_name_by_an_authority_we_trust() {
    let (ours, theirs) = (Authority::new("localhost"), Authority::new("localhost"));
    let server = stub::lines(Some(ours.acceptor())).await;
    for (host, ca_cert_path, is_trusted) in [
        ("localhost", Some(ours.ca_cert_path()), true),
        ("localhost", Some(theirs.ca_cert_path()), false),
        ("localhost", None, false),
        ("127.0.0.1", Some(ours.ca_cert_path()), false),
    ] {
        let fixture = electrum(host, server.port, ca_cert_path).await;
        assert_eq!(is_answered(&fixture).await, is_trusted, "{host}");
        assert_eq!(server.asked.take().len(), usize::from(is_trusted), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_esplora_server_must_have_a_certificate_for_its_name_by_an_authority_we_trust() {
    let (ours, theirs) = (Authority::new("localhost"), Authority::new("localhost"));
    let server = stub::http(Some(ours.acceptor()), |_, _| {
        Response::new(Full::new(Bytes::from_static(b"answer")))
    })
    .await;
    for (host, ca_cert_path, is_trusted) in [
        ("localhost", Some(ours.ca_cert_path()), true),
        ("localhost", Some(theirs.ca_cert_path()), false),
        ("localhost", None, false),
        ("127.0.0.1", Some(ours.ca_cert_path()), false),
    ] {
        let server_url = format!("https://{host}:{}/api", server.port);
        let esplora = EsploraConfig { server_url, headers: Vec::new(), ca_cert_path };
        let fixture = Fixture::new(&ChainSource::Esplora(esplora)).await;
        for url in [format!("{}/x", fixture.url()), format!("{}/tx", fixture.url())] {
            let answer = reqwest::get(url).await;
            assert_eq!(answer.is_ok(), is_trusted, "{host}: {answer:?}");
        }
        assert_eq!(server.asked.take().len(), 2 * usize::from(is_trusted), "{host}");
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let [missing, empty, garbage] =
        ["missing", "empty", "garbage"].map(|name| dir.path().join(name));
    std::fs::write(&empty, "").unwrap();
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&garbage, text).unwrap();
    for path in [missing, empty, garbage] {
        let electrum =
            ElectrumConfig { server: at_port(1), uses_tls: true, ca_cert_path: Some(path.clone()) };
        let opened = ChainGate::open(&ChainSource::Electrum(electrum), &[], None, None).await;
        let message = opened.err().unwrap().to_string();
        let expected = format!("electrum.ca_cert_path: cannot use {}: ", path.display());
        assert!(message.contains(&expected), "{message}");
    }
}
