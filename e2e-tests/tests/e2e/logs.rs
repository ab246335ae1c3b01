//! What the log says of requests, what it never says, and how its files follow each other.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    ConfigBuilder, Network, Node, NodeConfig, RPC_PASSWORD, RawConnection, grpc_frame, refused,
    signed_request, until,
};
use ldk_server_client::Code;
use ldk_server_client::api::{
    Bolt11ClaimForHashRequest, Bolt11ReceiveForHashRequest, GetNodeInfoRequest,
    GetPaymentDetailsRequest, SpontaneousSendRequest,
};
use ldk_server_client::types::payment_kind::Kind;
use ldk_server_grpc::places::{self, Places};
use prost::Message as _;
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CHANNEL_SATS: u64 = 1_000_000;
const AMOUNT_MSAT: u64 = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// What a stranger asks for, twice.
const STRANGERS: usize = 20;
const UNAUTHENTICATED: i32 = 16;
const CALLS_TO_FILL_A_PIPE: usize = 2_000;
const MIB: usize = 1024 * 1024;
/// A few words in a row of a mnemonic stand in no text by chance.
const TELLING_WORDS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_when_nobody_reads_its_output() -> Result<()> {
    let network = Network::start().await?;
    let builder = ConfigBuilder::new(&network, "unread")?.set("log.level", "Trace")?;
    let (mut daemon, _unread) = builder.start_unread()?;
    let client = daemon.ready().await?;
    // A pipe takes 64 KiB, and each call has a line of 60 bytes.
    for call in 0..CALLS_TO_FILL_A_PIPE {
        let answer = timeout(PATIENCE, client.get_node_info(GetNodeInfoRequest {})).await;
        answer.with_context(|| format!("call {call} is not answered"))??;
    }
    let path = log_file(daemon.config());
    until("all is in the file", PATIENCE, async || {
        let calls = fs::read_to_string(&path)?.matches("GetNodeInfo OK").count();
        ensure!(calls >= CALLS_TO_FILL_A_PIPE, "{calls}");
        Ok(())
    })
    .await?;
    daemon.signal(Signal::TERM)?;
    let status = timeout(PATIENCE, daemon.ended()).await.context("it does not end")??;
    assert_eq!(status.code(), Some(0));
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_at_any_level() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_of(loud(network.config("alice")?, "text")).await?;
    let bob = network.node_of(loud(network.config("bob")?, "json")).await?;
    network.fund(&[&alice, &bob], 2 * CHANNEL_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;

    let mut secrets = paid(&alice, &bob).await?;
    secrets.push(sent_without_being_asked(&alice, &bob).await?);
    secrets.push(held_and_claimed(&alice, &bob).await?);
    for node in [&alice, &bob] {
        node.stop().await?;
        secrets.extend(secrets_of(node.config())?);
    }
    for node in [&alice, &bob] {
        for log in [node.config().storage_dir.join("output.log"), log_file(node.config())] {
            let text = fs::read_to_string(&log)?;
            assert!(text.contains("ready"), "{} is not the log", log.display());
            for line in text.lines() {
                let secret = secrets.iter().find(|secret| line.contains(*secret));
                assert_eq!(secret, None, "{} has {line}", log.display());
                assert!(!line.contains("secret: [1") && !line.contains("secret: [2"), "{line}");
            }
            // Nine lines every time, at Error, if it were left to the library.
            let told: Vec<_> =
                text.lines().filter(|line| line.contains("fee rate estimates")).collect();
            assert!(matches!(told[..], [line] if line.contains("WARN")), "{told:?}");
            // Which there would be.
            for blotted_out in ["payment_preimage: ****", "per_commitment_secret: [****"] {
                assert!(text.contains(blotted_out), "{} has no {blotted_out}", log.display());
            }
        }
    }
    every_line_is_an_object(bob.config())?;
    network.stop().await
}

/// Writes all it can, in this format.
fn loud(mut config: NodeConfig, format: &str) -> NodeConfig {
    config.log_level = "Trace";
    // What comes first stands in `[log]`.
    config.sections = format!("format = \"{format}\"\n");
    config
}

fn log_file(config: &NodeConfig) -> PathBuf {
    places::network_dir(&config.storage_dir, "regtest").join("ldk-server.log")
}

/// Pays an invoice, and returns what both know of it.
async fn paid(payer: &Node, payee: &Node) -> Result<Vec<String>> {
    let id = payer.pays(payee, AMOUNT_MSAT).await?;
    let mut secrets = Vec::new();
    for node in [payer, payee] {
        let kind = node.payment(&id).await?.kind.and_then(|kind| kind.kind);
        let Some(Kind::Bolt11(bolt11)) = kind else { bail!("{} has {kind:?}", node.alias()) };
        secrets.push(bolt11.preimage.context("no preimage")?);
        secrets.extend(bolt11.secret.map(hex::encode));
    }
    Ok(secrets)
}

async fn sent_without_being_asked(payer: &Node, payee: &Node) -> Result<String> {
    let preimage = "a7".repeat(32);
    let request = SpontaneousSendRequest {
        amount_msat: AMOUNT_MSAT,
        node_id: payee.id().to_owned(),
        preimage: Some(preimage.clone()),
        ..Default::default()
    };
    let id = payer.client().spontaneous_send(request).await?.payment_id;
    payer.settled(&id).await?;
    Ok(preimage)
}

/// Has a payment claimed, first with a preimage that is too short, and returns that one.
async fn held_and_claimed(payer: &Node, payee: &Node) -> Result<String> {
    let preimage = "b9".repeat(32);
    let hash = hex::encode(Sha256::digest(hex::decode(&preimage)?));
    let request = Bolt11ReceiveForHashRequest {
        amount_msat: Some(AMOUNT_MSAT),
        expiry_secs: 3_600,
        payment_hash: hash.clone(),
        ..Default::default()
    };
    let mut events = payee.events().await?;
    payer.send(&payee.client().bolt11_receive_for_hash(request).await?.invoice).await?;
    events.payment_claimable(&hash).await?;
    let claim = |preimage: &str| {
        payee.client().bolt11_claim_for_hash(Bolt11ClaimForHashRequest {
            payment_hash: Some(hash.clone()),
            preimage: preimage.to_owned(),
            ..Default::default()
        })
    };
    refused(claim(&preimage[2..]).await, Code::InvalidArgument, &["preimage"]);
    claim(&preimage).await?;
    payer.settled(&hash).await?;
    Ok(preimage[2..].to_owned())
}

fn secrets_of(config: &NodeConfig) -> Result<Vec<String>> {
    let mnemonic = fs::read_to_string(config.storage_dir.join("keys_mnemonic"))?;
    let words: Vec<&str> = mnemonic.split_whitespace().collect();
    assert_eq!(words.len(), 24);
    let mut secrets: Vec<_> = words.windows(TELLING_WORDS).map(|words| words.join(" ")).collect();
    secrets.push(Places::of_storage_dir(&config.storage_dir, "regtest").read_api_key()?.clone());
    secrets.extend([RPC_PASSWORD, "xprv", "tprv"].map(str::to_owned));
    Ok(secrets)
}

fn every_line_is_an_object(config: &NodeConfig) -> Result<()> {
    for line in fs::read_to_string(log_file(config))?.lines() {
        let object: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for key in ["timestamp", "level", "target", "message"] {
            assert!(object[key].is_string(), "{key} in {line}");
        }
        assert!(object["line"].is_u64(), "{line}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_is_moved_away_and_the_oldest_is_removed() -> Result<()> {
    let network = Network::start().await?;
    let mut config = network.config("alice")?;
    // What comes first stands in `[log]`.
    config.sections = "max_size_mb = 1\nmax_files = 2\n".to_owned();
    let log = log_file(&config);
    let dir = log.parent().context("the log is in no directory")?;
    fs::create_dir_all(dir)?;
    let line = "of an earlier run\n";
    fs::write(&log, line.repeat(MIB / line.len()))?;
    let old = ["2020-01-02T03-04-05Z", "2021-01-02T03-04-05Z"];
    let moved = |suffix| dir.join(format!("ldk-server.log.{suffix}"));
    for suffix in old {
        fs::write(moved(suffix), suffix)?;
    }

    let alice = network.node_of(config).await?;
    let mut names: Vec<_> = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| name.starts_with("ldk-server.log."));
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(dir.join(&names[0]), moved(old[1]));
    let newest = fs::read_to_string(dir.join(&names[1]))?;
    assert!(newest.starts_with(line) && newest.len() <= MIB, "{} bytes", newest.len());
    let text = fs::read_to_string(&log)?;
    assert!(!text.contains(line) && text.contains("] ready"), "{text}");
    assert_eq!(fs::metadata(&log)?.permissions().mode() & 0o777, 0o600);
    alice.stop().await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_same_id_for_its_caller_and_in_the_log() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let node = alice.config();
    let mut connection = RawConnection::open(node).await?;
    let info = grpc_frame(&GetNodeInfoRequest {}.encode_to_vec());
    let unknown = GetPaymentDetailsRequest { payment_id: "ab".to_owned() };
    let unknown = grpc_frame(&unknown.encode_to_vec());
    let requests = [
        (signed_request(node, "GetNodeInfo", info.clone())?, "GetNodeInfo OK in "),
        (
            signed_request(node, "GetPaymentDetails", unknown)?,
            "GetPaymentDetails INVALID_ARGUMENT in ",
        ),
        (signed_request(node, "Nothing", info)?, "(unknown method) UNIMPLEMENTED in "),
    ];
    let mut ids = Vec::new();
    for (request, expected) in requests {
        let answer = connection.send(request).await?;
        let id = answer.headers.get("x-request-id").context("no id")?.to_str()?.to_owned();
        says(&alice, &format!("] request {id} {expected}")).await?;
        ids.push(id);
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");

    strangers_fill_no_log(&alice, &mut connection).await?;

    let events = alice.events().await?;
    says(&alice, "SubscribeEvents begins").await?;
    drop(events);
    says(&alice, "SubscribeEvents CANCELLED in ").await?;
    network.stop().await
}

/// Requests without a key have one line in a minute, and health checks none.
async fn strangers_fill_no_log(node: &Node, connection: &mut RawConnection) -> Result<()> {
    for _ in 0..STRANGERS {
        let mut request = signed_request(node.config(), "GetBalances", grpc_frame(&[]))?;
        request.headers_mut().remove("x-auth");
        assert_eq!(connection.send(request).await?.grpc_status()?, UNAUTHENTICATED);
        connection.health(node.config(), "").await?;
        // The begin of a handshake, and then nothing sensible.
        let mut noise = TcpStream::connect(node.config().grpc.address()).await?;
        noise.write_all(&[22; 600]).await?;
        let _ = noise.read_to_end(&mut Vec::new()).await;
    }
    let request = signed_request(node.config(), "GetBalances", grpc_frame(&[]))?;
    connection.send(request).await?;
    says(node, "GetBalances OK in ").await?;
    let text = fs::read_to_string(log_file(node.config()))?;
    assert_eq!(text.matches("GetBalances UNAUTHENTICATED in ").count(), 1, "{text}");
    assert!(text.contains("requests that were refused so: 1\n"), "{text}");
    assert_eq!(text.matches(" Check ").count(), 0, "{text}");
    assert_eq!(text.matches("refused a call").count(), 1, "{text}");
    assert!(text.matches("a connection has failed").count() <= 1, "{text}");
    Ok(())
}

async fn says(node: &Node, expected: &str) -> Result<()> {
    until(&format!("the log says {expected}"), PATIENCE, async || {
        let text = fs::read_to_string(log_file(node.config()))?;
        ensure!(text.contains(expected), "it says {text}");
        Ok(())
    })
    .await
}
