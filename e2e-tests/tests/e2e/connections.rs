//! Connections: TLS with the certificate that clients pin, and HTTP in it.

use std::fs;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{Network, Node, NodeConfig, RawConnection, grpc_request_to, tls_connect};
use http_body_util::Full;
use hyper::{Method, StatusCode};
use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::{Client, Error};
use ldk_server_grpc::places::Places;
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_tls_with_the_pinned_certificate() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    both_versions_of_tls_are_spoken(alice.config()).await?;
    http_1_is_told_what_is_missing(alice.config()).await?;
    plain_text_is_told_so_and_disturbs_nobody(&alice).await?;
    another_certificate_is_refused(&alice).await?;
    network.stop().await
}

async fn both_versions_of_tls_are_spoken(node: &NodeConfig) -> Result<()> {
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        for (offered, chosen) in [
            (&["h2"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2")),
            (&[], None),
        ] {
            let stream = tls_connect(node, &[version], offered).await?;
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(name));
            assert_eq!(session.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        }
        assert!(tls_connect(node, &[version], &["spdy/3"]).await.is_err());
    }
    Ok(())
}

async fn http_1_is_told_what_is_missing(node: &NodeConfig) -> Result<()> {
    for (request, expected) in [
        ("GET /metrics", "HTTP/1.1 404 "),
        ("POST /api.LightningNode/GetNodeInfo", "HTTP/1.1 505 "),
        ("GET /api.LightningNode/GetNodeInfo", "HTTP/1.1 505 "),
        ("POST /grpc.health.v1.Health/Check", "HTTP/1.1 505 "),
        ("nonsense", "HTTP/1.1 400 "),
    ] {
        let mut stream = tls_connect(node, rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let answer = read_all(stream).await.with_context(|| request.clone())?;
        assert!(answer.starts_with(expected), "{request:?} is answered {answer:?}");
    }
    let metrics = grpc_request_to(node, "/metrics").method(Method::GET).body(Full::default())?;
    let answer = RawConnection::open(node).await?.send(metrics).await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    Ok(())
}

async fn plain_text_is_told_so_and_disturbs_nobody(node: &Node) -> Result<()> {
    let address = node.config().grpc.address();
    // It says nothing, and must not keep anybody waiting.
    let _silent = TcpStream::connect(&address).await?;
    for greeting in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"POST /api.LightningNode/GetNodeInfo HTTP/1.1\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(greeting).await?;
        let answer = read_all(stream).await?;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("TLS"), "{answer}");
        node.client().get_node_info(GetNodeInfoRequest {}).await?;
    }

    let noise = [[22].as_slice(), &[0xa5; 600]].concat();
    let mut stream = TcpStream::connect(&address).await?;
    stream.write_all(&noise).await?;
    // What TLS says to noise is its own affair; it must end the connection.
    let _ = read_all(stream).await;
    drop(TcpStream::connect(&address).await?);
    node.client().get_node_info(GetNodeInfoRequest {}).await?;
    Ok(())
}

async fn another_certificate_is_refused(node: &Node) -> Result<()> {
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()])?.cert.pem();
    let address = node.config().grpc.address();
    let api_key = Places::of_storage_dir(&node.config().storage_dir, "regtest").read_api_key()?;
    let client = Client::builder(address.as_str(), api_key, &other).build()?;
    let refused = client.get_node_info(GetNodeInfoRequest {}).await;
    let said = matches!(&refused, Err(Error::NotPinned(message)) if message.contains("pinned"));
    assert!(said, "{refused:?}");

    let file = node.config().storage_dir.join("other.crt");
    fs::write(&file, &other)?;
    let file = file.display().to_string();
    let refused = node.cli_output(&["--tls-cert", &file, "get-node-info"]).await?;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.starts_with("Error (Internal Error): "), "{refused:?}");
    assert!(refused.stderr.contains("pinned"), "{refused:?}");
    Ok(())
}

/// All that comes until the other side has nothing more to say.
async fn read_all(mut stream: impl AsyncRead + Unpin) -> Result<String> {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten()?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
