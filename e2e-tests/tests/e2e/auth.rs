//! Who is let in: holders of the API key, and nobody else.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    ConfigBuilder, Network, Node, NodeConfig, RPC_PASSWORD, RawConnection, grpc_frame,
    grpc_request, grpc_request_to, now_secs, until, x_auth, x_auth_of_request,
};
use futures_util::future::try_join_all;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use ldk_server_client::api::{GetNodeInfoRequest, GetPaymentDetailsRequest};
use ldk_server_client::{Client, Error};
use ldk_server_grpc::places::{self, Places};
use ldk_server_grpc::{RPC_NAMES, SERVICE_NAME, auth};
use prost::Message as _;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

const PATIENCE: Duration = Duration::from_secs(30);
const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const UNAUTHENTICATED: i32 = 16;
/// Beyond the skew that is accepted, and by more than a test may be delayed.
const TOO_FAR_SECS: u64 = auth::MAX_CLOCK_SKEW_SECS + 30;
/// A few words in a row of a mnemonic stand in no text by chance.
const TELLING_WORDS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn the_key_lets_in_and_nothing_else_does() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    all_forms_of_the_credential_are_accepted(alice.config()).await?;
    a_request_is_good_for_its_method_and_for_one_time(alice.config()).await?;
    of_two_credentials_neither_wins(alice.config()).await?;
    every_bad_credential_is_refused(alice.config()).await?;
    every_call_asks_for_the_credential(alice.config()).await?;
    the_wrong_key_is_an_authentication_error(&alice).await?;
    health_and_reflection_are_open(alice.config()).await?;
    alice.stop().await?;
    no_log_has_a_secret(&alice.config().storage_dir)?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_older_form_can_be_turned_off() -> Result<()> {
    let network = Network::start().await?;
    for (key, refused) in [("auth.accept_timestamp_only", 0), ("auth.accept_body_bound", 1)] {
        let mut strict = ConfigBuilder::new(&network, "strict")?.set(key, false)?.start()?;
        strict.ready().await?;
        let (node, body) = (strict.config(), payment_details("ab"));
        let forms = [
            x_auth(node, now_secs()?, &[])?,
            x_auth(node, now_secs()?, &body)?,
            x_auth_of_request(node, "GetPaymentDetails", &body)?,
        ];
        for (form, credential) in forms.iter().enumerate() {
            let expected = if form == refused { UNAUTHENTICATED } else { OK };
            assert_eq!(status(node, Some(credential), &body).await?, expected, "{key}, {form}");
        }
        strict.stop().await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_late_and_right_ones_answered_at_once() -> Result<()> {
    const DELAY: Duration = Duration::from_secs(10);
    let network = Network::start().await?;
    let key = "limits.max_auth_failure_delay_secs";
    let mut slow = ConfigBuilder::new(&network, "slow")?.set(key, 10)?.start()?;
    slow.ready().await?;
    let (node, body) = (slow.config(), payment_details("ab"));
    let wrong = auth::sign(&"00".repeat(32), now_secs()?, &body);
    let guess = async || {
        for _ in 0..8 {
            assert_eq!(status(node, Some(&wrong), &body).await?, UNAUTHENTICATED);
        }
        anyhow::Ok(())
    };
    // More than are refused at once, on connections of their own.
    let guessing = try_join_all((0..20).map(|_| guess()));
    let right_one = async {
        until("a refusal is late", PATIENCE, async || {
            let begun = Instant::now();
            status(node, Some(&wrong), &body).await?;
            ensure!(begun.elapsed() >= DELAY / 4, "refused after {:?}", begun.elapsed());
            Ok(())
        })
        .await?;
        // From the same address, while others wait.
        let begun = Instant::now();
        let right = x_auth_of_request(node, "GetPaymentDetails", &body)?;
        assert_eq!(status(node, Some(&right), &body).await?, OK);
        assert!(begun.elapsed() < DELAY / 4, "answered after {:?}", begun.elapsed());
        anyhow::Ok(())
    };
    tokio::select! {
        guessed = guessing => bail!("nobody had to wait: {guessed:?}"),
        answered = right_one => answered?,
    }
    slow.stop().await?;
    network.stop().await
}

async fn all_forms_of_the_credential_are_accepted(node: &NodeConfig) -> Result<()> {
    let body = payment_details("ab");
    for credential in [
        x_auth(node, now_secs()?, &[])?,
        x_auth(node, now_secs()?, &body)?,
        x_auth_of_request(node, "GetPaymentDetails", &body)?,
    ] {
        assert_eq!(status(node, Some(&credential), &body).await?, OK, "{credential}");
    }
    Ok(())
}

/// Whoever sees a request can neither have something else done by it nor have it done again.
async fn a_request_is_good_for_its_method_and_for_one_time(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    let body = grpc_frame(&[]);
    let mut send = async |method: &str, credential: &str| {
        let request = grpc_request(node, method).header(auth::HEADER, credential);
        connection.send(request.body(Full::from(body.clone()))?).await
    };
    let reading = x_auth_of_request(node, "GetNodeInfo", &grpc_frame(&[]))?;
    for _ in 0..2 {
        assert_eq!(send("GetNodeInfo", &reading).await?.grpc_status()?, OK);
    }
    assert_eq!(send("OnchainReceive", &reading).await?.grpc_status()?, UNAUTHENTICATED);

    let changing = x_auth_of_request(node, "OnchainReceive", &grpc_frame(&[]))?;
    assert_eq!(send("OnchainReceive", &changing).await?.grpc_status()?, OK);
    let again = send("OnchainReceive", &changing).await?;
    assert_eq!(again.grpc_status()?, UNAUTHENTICATED);
    ensure!(again.grpc_message()?.contains("was made before"), "{again:?}");

    // In the form of others, two equal requests of one second are one; money is sent once.
    let theirs = x_auth(node, now_secs()?, &grpc_frame(&[]))?;
    for _ in 0..2 {
        assert_eq!(send("OnchainReceive", &theirs).await?.grpc_status()?, OK);
    }
    let first = send("SpontaneousSend", &theirs).await?;
    assert_eq!(first.grpc_status()?, INVALID_ARGUMENT, "nobody is named to be paid");
    assert_eq!(send("SpontaneousSend", &theirs).await?.grpc_status()?, UNAUTHENTICATED);
    Ok(())
}

async fn of_two_credentials_neither_wins(node: &NodeConfig) -> Result<()> {
    let body = payment_details("ab");
    let good = x_auth_of_request(node, "GetPaymentDetails", &body)?;
    for other in [good.clone(), "HMAC 1:00".to_owned()] {
        let request = grpc_request(node, "GetPaymentDetails")
            .header(auth::HEADER, &good)
            .header(auth::HEADER, other)
            .body(Full::from(body.clone()))?;
        let answer = RawConnection::open(node).await?.send(request).await?;
        assert_eq!(answer.grpc_status()?, UNAUTHENTICATED);
    }
    Ok(())
}

async fn every_bad_credential_is_refused(node: &NodeConfig) -> Result<()> {
    let body = payment_details("ab");
    let now_secs = now_secs()?;
    let good = x_auth(node, now_secs, &body)?;
    let bad = [
        ("stale", x_auth(node, now_secs - TOO_FAR_SECS, &body)?),
        ("from the future", x_auth(node, now_secs + TOO_FAR_SECS, &body)?),
        ("over another body", x_auth(node, now_secs, &payment_details("cd"))?),
        ("over the message without its frame", x_auth(node, now_secs, &body[5..])?),
        ("of another key", auth::sign(&"00".repeat(32), now_secs, &body)),
        ("of another key, over the time", auth::sign(&"00".repeat(32), now_secs, &[])),
        ("empty", String::new()),
        ("without a signature", format!("HMAC {now_secs}")),
        ("of another scheme", good.replace("HMAC", "Bearer")),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("too long", format!("{good}00")),
        ("not hexadecimal", format!("{}zz", &good[..good.len() - 2])),
        ("with another time than was signed", good.replace(&now_secs.to_string(), "1")),
        ("with no number for a time", good.replace(&now_secs.to_string(), "now")),
    ];
    for (what, credential) in &bad {
        assert_eq!(status(node, Some(credential), &body).await?, UNAUTHENTICATED, "{what}");
    }
    assert_eq!(status(node, None, &body).await?, UNAUTHENTICATED, "no credential");

    let mut not_text = grpc_request(node, "GetPaymentDetails").body(Full::from(body))?;
    not_text.headers_mut().insert(auth::HEADER, HeaderValue::from_bytes(b"HMAC \xff")?);
    let answer = RawConnection::open(node).await?.send(not_text).await?;
    assert_eq!(answer.grpc_status()?, UNAUTHENTICATED);
    Ok(())
}

/// Even the call that does not exist: who has no key is not told which ones do.
async fn every_call_asks_for_the_credential(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for method in RPC_NAMES.iter().chain(&["NoSuchCall"]) {
        let request = grpc_request(node, method).body(Full::from(grpc_frame(&[])))?;
        assert_eq!(connection.send(request).await?.grpc_status()?, UNAUTHENTICATED, "{method}");
    }
    Ok(())
}

async fn the_wrong_key_is_an_authentication_error(node: &Node) -> Result<()> {
    let wrong_key = "00".repeat(32);
    let certificate = fs::read(places::tls_cert_file(&node.config().storage_dir))?;
    let address = node.config().grpc.address();
    let client = Client::builder(address, wrong_key.as_str(), certificate).build()?;
    let refused = client.get_node_info(GetNodeInfoRequest {}).await;
    assert!(matches!(refused, Err(Error::Auth(_))), "{refused:?}");

    let refused = node.cli_output(&["--api-key", &wrong_key, "get-node-info"]).await?;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.starts_with("Error (Authentication Error): "), "{refused:?}");
    assert_eq!(refused.stdout, "");
    Ok(())
}

async fn health_and_reflection_are_open(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for service in ["", SERVICE_NAME] {
        // It is once the node has looked at the chain.
        until("it is said to serve", PATIENCE, async || {
            let health = connection.health(node, service).await?;
            ensure!(health == ServingStatus::Serving, "{service:?} is {health:?}");
            Ok(())
        })
        .await?;
    }

    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let frame = grpc_frame(&list.encode_to_vec());
    let answer = connection.send(grpc_request_to(node, path).body(Full::from(frame))?).await?;
    let services = String::from_utf8_lossy(answer.message()?).into_owned();
    for service in [SERVICE_NAME, "grpc.health.v1.Health"] {
        assert!(services.contains(service), "{services:?}");
    }
    Ok(())
}

/// Whatever was asked before this.
fn no_log_has_a_secret(storage_dir: &Path) -> Result<()> {
    let api_key = Places::of_storage_dir(storage_dir, "regtest").read_api_key()?;
    let mnemonic = fs::read_to_string(storage_dir.join("keys_mnemonic"))?;
    let words: Vec<&str> = mnemonic.split_whitespace().collect();
    assert_eq!(words.len(), 24);
    for file in [storage_dir.join("output.log"), storage_dir.join("regtest/ldk-server.log")] {
        let log = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        assert!(log.contains("ready"), "{} is not the log", file.display());
        assert!(!log.contains(&api_key), "{} has the API key", file.display());
        for words in words.windows(TELLING_WORDS) {
            assert!(!log.contains(&words.join(" ")), "{} has {words:?}", file.display());
        }
        for secret in [RPC_PASSWORD, "xprv", "tprv"] {
            assert!(!log.contains(secret), "{} has {secret}", file.display());
        }
    }
    Ok(())
}

/// The frame of a request for a payment that nobody knows.
fn payment_details(byte: &str) -> Vec<u8> {
    let request = GetPaymentDetailsRequest { payment_id: byte.repeat(32) };
    grpc_frame(&request.encode_to_vec())
}

/// What GetPaymentDetails answers to this body with this credential.
async fn status(node: &NodeConfig, credential: Option<&str>, body: &[u8]) -> Result<i32> {
    let mut request = grpc_request(node, "GetPaymentDetails");
    if let Some(credential) = credential {
        request = request.header(auth::HEADER, credential);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body)))?;
    RawConnection::open(node).await?.send(request).await?.grpc_status()
}
