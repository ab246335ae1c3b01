//! The certificate: replaced, broken, read on SIGHUP, renewed and expired, while the daemon runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Network, Node, RawAnswer, RawConnection, Tools, grpc_frame, refusal, signed_request,
    tls_connect_trusting, until,
};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use ldk_server_grpc::places;
use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

const PATIENCE: Duration = Duration::from_secs(30);
/// Files of the same length, whatever is in them.
const PADDED_BYTES: usize = 2000;
const SECTIONS: &str = "[metrics]\nenabled = true\n[tls]\nhosts = [\"other.example\"]\n";
const KEPT: &str = "the certificate in use is kept";

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_changes_while_the_daemon_runs() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", SECTIONS).await?;
    let mut early = RawConnection::open(alice.config()).await?;

    another_pair_is_taken(&alice).await?;
    answers(&alice, &mut early).await?;
    a_broken_one_is_not(&alice).await?;
    sighup_has_it_read_at_once(&alice).await?;
    it_is_renewed_for_the_same_key(&alice, network.tools()).await?;
    answers(&alice, &mut early).await?;
    an_expired_one_is_told(&alice, &mut early).await?;
    network.stop().await
}

async fn another_pair_is_taken(node: &Node) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = self_signed(&key, 2050)?;
    let before = presented(node, certificate_in_file(node)?).await?;
    replace(&key_file(node), &key.serialize_pem())?;
    replace(&cert_file(node), &certificate)?;
    is_presented(node).await?;
    ensure!(before != certificate_in_file(node)?);
    // It has not the name of the configuration, which the one before had.
    node.log().says("missing_hosts=\"other.example\"").await?;
    // Who was told to trust another is told why it does not work.
    ensure!(presented(node, before).await.is_err());
    Ok(())
}

async fn a_broken_one_is_not(node: &Node) -> Result<()> {
    let whole = fs::read_to_string(cert_file(node))?;
    let in_use = certificate_in_file(node)?;
    let refusals = refusals(node);
    replace(&cert_file(node), &whole[..whole.len() / 2])?;
    is_refused_for_the(node, refusals + 1).await?;
    presented(node, in_use.clone()).await?;
    // It is not tried again until it changes, or somebody asks.
    hang_up(node).await?;
    is_refused_for_the(node, refusals + 2).await?;
    presented(node, in_use).await?;
    replace(&cert_file(node), &whole)?;
    is_presented(node).await
}

async fn sighup_has_it_read_at_once(node: &Node) -> Result<()> {
    let key = KeyPair::from_pem(&fs::read_to_string(key_file(node))?)?;
    let padded =
        |year| Ok::<_, anyhow::Error>(format!("{:PADDED_BYTES$}", self_signed(&key, year)?));
    replace(&cert_file(node), &padded(2051)?)?;
    is_presented(node).await?;
    // A file that looks as it did.
    let changed_at = fs::metadata(cert_file(node))?.modified()?;
    let aside = cert_file(node).with_extension("aside");
    fs::write(&aside, padded(2052)?)?;
    File::options().append(true).open(&aside)?.set_modified(changed_at)?;
    fs::rename(&aside, cert_file(node))?;
    hang_up(node).await?;
    is_presented(node).await
}

async fn it_is_renewed_for_the_same_key(node: &Node, tools: &Tools) -> Result<()> {
    let before = certificate_in_file(node)?;
    let config = node.config_file().display().to_string();
    let args = [&config, "--tls-hosts", "node.example", "--renew-certificate"];
    let printed = refusal(tools, &args).await?.success()?;
    let after = certificate_in_file(node)?;
    let public_key = |certificate| -> Result<_> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        Ok(parsed.subject_public_key_info().to_vec())
    };
    ensure!(before != after && public_key(&before)? == public_key(&after)?);
    let digest = hex::encode_upper(Sha256::digest(&after));
    ensure!(printed.replace(':', "").contains(&digest), "{digest} is not in {printed}");
    ensure!(printed.contains("valid until: 2049-12-31T00:00:00Z"), "{printed}");
    ensure!(printed.contains("valid for: localhost, 127.0.0.1, node.example"), "{printed}");

    is_presented(node).await?;
    let info = node.cli(&["get-node-info"]).await?;
    ensure!(info["node_id"] == node.id(), "{info}");
    Ok(())
}

async fn an_expired_one_is_told(node: &Node, early: &mut RawConnection) -> Result<()> {
    let key = KeyPair::from_pem(&fs::read_to_string(key_file(node))?)?;
    replace(&cert_file(node), &self_signed(&key, 2020)?)?;
    until("it says that the certificate has expired", PATIENCE, async || {
        let answer = get(node, &mut early.clone(), "/readyz").await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{text}");
        ensure!(text.lines().any(|line| line == "certificate: has expired"), "{text}");
        Ok(())
    })
    .await?;
    let answer = get(node, early, "/metrics").await?;
    let text = String::from_utf8(answer.body.to_vec())?;
    // The beginning of 2020.
    let line = "ldk_server_tls_certificate_expiry_timestamp_seconds 1577836800\n";
    ensure!(text.contains(line), "{text}");
    // Who pins the very certificate does not go by its dates.
    node.cli(&["get-node-info"]).await?;
    Ok(())
}

fn self_signed(key: &KeyPair, expires_in_year: i32) -> Result<String> {
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.not_after = rcgen::date_time_ymd(expires_in_year, 1, 1);
    Ok(params.self_signed(key)?.pem())
}

fn cert_file(node: &Node) -> PathBuf {
    places::tls_cert_file(&node.config().storage_dir)
}

fn key_file(node: &Node) -> PathBuf {
    places::tls_key_file(&node.config().storage_dir)
}

fn certificate_in_file(node: &Node) -> Result<CertificateDer<'static>> {
    Ok(CertificateDer::from_pem_file(cert_file(node))?)
}

fn replace(path: &Path, text: &str) -> Result<()> {
    let aside = path.with_extension("aside");
    fs::write(&aside, text)?;
    Ok(fs::rename(aside, path)?)
}

/// The certificate that a new connection gets, if that is one to be trusted.
async fn presented(
    node: &Node,
    trusted: CertificateDer<'static>,
) -> Result<CertificateDer<'static>> {
    let versions = rustls::DEFAULT_VERSIONS;
    let stream = tls_connect_trusting(node.config(), trusted, versions, &["h2"]).await?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().context("no certificate")?;
    Ok(chain.first().context("an empty chain")?.clone())
}

/// Waits until new connections get the certificate in the file.
async fn is_presented(node: &Node) -> Result<()> {
    until("the certificate is the one in the file", PATIENCE, async || {
        let in_file = certificate_in_file(node)?;
        ensure!(presented(node, in_file.clone()).await? == in_file);
        Ok(())
    })
    .await
}

fn refusals(node: &Node) -> usize {
    node.log().text().matches(KEPT).count()
}

async fn is_refused_for_the(node: &Node, times: usize) -> Result<()> {
    until("the certificate is refused", PATIENCE, async || {
        let refusals = refusals(node);
        ensure!(refusals == times, "{refusals} times, not {times}");
        Ok(())
    })
    .await
}

async fn hang_up(node: &Node) -> Result<()> {
    let pid = Pid::from_raw(node.pid().await?.cast_signed()).context("no process")?;
    Ok(kill_process(pid, Signal::HUP)?)
}

async fn answers(node: &Node, connection: &mut RawConnection) -> Result<()> {
    let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
    ensure!(connection.send(request).await?.grpc_status()? == 0);
    Ok(())
}

async fn get(node: &Node, connection: &mut RawConnection, path: &str) -> Result<RawAnswer> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("https://{}{path}", node.config().grpc.address()))
        .body(Full::default())?;
    connection.send(request).await
}
