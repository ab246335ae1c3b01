//! Who comes in at the port: nobody without a certificate, and nothing that is no call.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Node, Port, RawAnswer, RawConnection, grpc_frame, tls_as_client, until};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use ldk_server_client::Code;
use ldk_server_client::api::{IssueClientCertRequest, RevokeClientCertRequest};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::files;

const PATIENCE: Duration = Duration::from_secs(60);
/// As the daemon has it.
const MAX_CONNECTIONS: usize = 256;

/// A certificate and its key, in PEM.
type Pair = (String, String);

fn example(node: &Node) -> Result<Pair> {
    let files = files(node);
    Ok((fs::read_to_string(files.client_cert)?, fs::read_to_string(files.client_key)?))
}

/// One of an authority that the node does not know.
fn foreign() -> Result<Pair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::default().signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

async fn connect(node: &Node, port: &Port, pair: Option<&Pair>) -> Result<RawConnection> {
    let ca_cert = files(node).ca_cert;
    RawConnection::over(tls_as_client(&port.address(), &ca_cert, "cln", pair, "h2").await?).await
}

fn request(path: &str, content_type: &str, body: &[u8]) -> Result<Request<Full<Bytes>>> {
    let request = Request::post(format!("https://cln{path}"))
        .header("content-type", content_type)
        .header("te", "trailers");
    Ok(request.body(Full::new(Bytes::copy_from_slice(body)))?)
}

async fn getinfo(node: &Node, port: &Port, pair: &Pair) -> Result<RawAnswer> {
    let mut connection = connect(node, port, Some(pair)).await?;
    connection.send(request("/cln.Node/Getinfo", "application/grpc", &grpc_frame(&[]))?).await
}

pub(super) fn the_files_are_there_and_private(node: &Node) -> Result<()> {
    let files = files(node);
    let mode = |path: &Path| -> Result<u32> {
        let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
        Ok(metadata.permissions().mode() & 0o777)
    };
    for key in [&files.ca_key, &files.server_key, &files.client_key] {
        assert_eq!(mode(key)?, 0o600, "{}", key.display());
    }
    for certificate in [&files.ca_cert, &files.server_cert, &files.client_cert] {
        assert_eq!(mode(certificate)?, 0o644, "{}", certificate.display());
    }
    Ok(())
}

/// Checks that a connection is ended for this reason.
async fn is_refused(node: &Node, port: &Port, pair: Option<&Pair>, alert: &str) -> Result<()> {
    let ca_cert = files(node).ca_cert;
    let refused = async {
        let mut stream = tls_as_client(&port.address(), &ca_cert, "localhost", pair, "h2").await?;
        // In TLS 1.3 the server refuses what the client takes for done.
        match stream.read(&mut [0; 64]).await {
            Ok(read) => bail!("{read} bytes were read"),
            Err(error) => Err(error.into()),
        }
    };
    let refused: Result<()> = timeout(PATIENCE, refused).await?;
    let error = refused.err().context("not refused")?.to_string();
    ensure!(error.contains(alert), "{error}");
    Ok(())
}

pub(super) async fn strangers_are_turned_away(node: &Node, port: &Port) -> Result<()> {
    is_refused(node, port, None, "CertificateRequired").await?;
    is_refused(node, port, Some(&foreign()?), "received fatal alert").await?;
    // Who speaks no TLS is told so.
    let mut plain = TcpStream::connect(port.address()).await?;
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    let mut told = String::new();
    timeout(PATIENCE, plain.read_to_string(&mut told)).await??;
    ensure!(told.contains("TLS only"), "{told}");
    ensure!(getinfo(node, port, &example(node)?).await?.grpc_code()? == Code::Ok);
    Ok(())
}

pub(super) async fn a_certificate_may_do_no_more_than_it_says(
    node: &Node,
    port: &Port,
) -> Result<()> {
    let request = IssueClientCertRequest {
        name: "watcher".to_owned(),
        restrictions: vec!["method=ListChannels".to_owned()],
        ..Default::default()
    };
    let issued = node.client().issue_client_cert(request).await?;
    let watcher = (issued.certificate_pem, issued.private_key_pem);
    let refused = getinfo(node, port, &watcher).await?;
    ensure!(refused.grpc_message()?.contains("code: Some(1502)"), "{refused:?}");
    let request = RevokeClientCertRequest { name_or_serial: "watcher".to_owned() };
    node.client().revoke_client_cert(request).await?;
    until("the certificate is refused", PATIENCE, async || {
        ensure!(getinfo(node, port, &watcher).await.is_err(), "it is accepted");
        Ok(())
    })
    .await
}

pub(super) async fn garbage_is_refused(node: &Node, port: &Port) -> Result<()> {
    let example = example(node)?;
    let mut connection = connect(node, port, Some(&example)).await?;
    const CALL: &str = "/cln.Node/Invoice";
    const GRPC: &str = "application/grpc";
    // The label is a text that is none.
    let no_text = grpc_frame(&[0x1a, 1, 0xff]);
    let cut = &grpc_frame(&[1, 2, 3])[..6];
    let compressed = [&[1], &grpc_frame(&[])[1..]].concat();
    for (path, content_type, body, code) in [
        (CALL, GRPC, &[][..], Code::InvalidArgument),
        (CALL, GRPC, cut, Code::InvalidArgument),
        (CALL, GRPC, &no_text, Code::InvalidArgument),
        (CALL, GRPC, &grpc_frame(&[0xff; 40]), Code::InvalidArgument),
        (CALL, GRPC, &compressed, Code::Unimplemented),
        (CALL, "application/json", b"{}", Code::InvalidArgument),
        ("/cln.Node/NoSuch", GRPC, &grpc_frame(&[]), Code::Unimplemented),
        ("/api.LightningNode/GetNodeInfo", GRPC, &grpc_frame(&[]), Code::Unimplemented),
        ("/", GRPC, &grpc_frame(&[]), Code::Unimplemented),
        ("/cln.Node/Getinfo", GRPC, &grpc_frame(&[]), Code::Ok),
    ] {
        let answer = connection.send(request(path, content_type, body)?).await?;
        assert_eq!(answer.grpc_code()?, code, "{path} {content_type} {body:?}: {answer:?}");
    }
    let get = Request::get("https://cln/").body(Full::default())?;
    assert_eq!(connection.send(get).await?.grpc_code()?, Code::Unimplemented);
    // What is no HTTP ends the connection.
    let ca_cert = files(node).ca_cert;
    let mut stream = tls_as_client(&port.address(), &ca_cert, "cln", Some(&example), "h2").await?;
    stream.write_all(&[0xff; 300]).await?;
    timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await?.ok();
    ensure!(getinfo(node, port, &example).await?.grpc_code()? == Code::Ok);
    Ok(())
}

pub(super) async fn connections_are_bounded(node: &Node, port: &Port) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(TcpStream::connect(port.address()).await?);
    }
    let example = example(node)?;
    // Those who say nothing make room for one who has a certificate, or end in time.
    until("there is room again", PATIENCE, async || getinfo(node, port, &example).await).await?;
    drop(held);
    ensure!(getinfo(node, port, &example).await?.grpc_code()? == Code::Ok);
    Ok(())
}
