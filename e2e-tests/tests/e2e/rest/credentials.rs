//! Who calls, by each way to tell it.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, now_secs, run};
use ldk_server_grpc::auth;
use ldk_server_grpc::places::{self, Places};
use tokio::process::Command;

use super::{code, json, post, send};
use crate::permissions::rune;

const PATH: &str = "/v1/get-node-info";
const PATIENCE: Duration = Duration::from_secs(30);
const BODY: &str = "{}";

fn key_of(node: &Node) -> Result<String> {
    Ok(Places::of_storage_dir(&node.config().storage_dir, "regtest").read_api_key()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_is_good_for_a_call_in_json() -> Result<()> {
    let network = Network::start().await?;
    let socket = places::unix_socket_file(&network.config("alice")?.storage_dir, "regtest");
    let mut config = network.config("alice")?;
    config.args = vec!["--node-unix-socket".to_owned(), socket.display().to_string()];
    let alice = network.node_of(config).await?;
    let rune = rune(&alice, &["--preset", "read"]).await?;
    let bearer = format!("Bearer {rune}");
    let signed = |path| -> Result<String> {
        let key = key_of(&alice)?;
        Ok(auth::sign_request(&key, now_secs()?, &rand::random(), path, BODY.as_bytes()))
    };
    let x_auth = signed(PATH)?;
    for header in [("rune", &rune), ("authorization", &bearer), ("x-auth", &x_auth)] {
        let request = post(alice.config(), PATH).header(header.0, header.1);
        let answer = send(&alice, request, BODY).await?;
        ensure!(json(&answer)?["node_id"] == alice.id(), "{header:?}: {answer:?}");
        ensure!(answer.headers.contains_key("x-request-id"), "{answer:?}");
        ensure!(answer.headers["cache-control"] == "no-store", "{answer:?}");
    }
    let elsewhere = signed("/v1/list-peers")?;
    for (headers, named) in [
        (vec![], "no credential; accepted are a rune, as rune: RUNE or authorization"),
        (vec![("rune", "bm9uc2Vuc2U=")], "the rune "),
        (vec![("authorization", "Bearer bm9uc2Vuc2U=")], "the bearer token "),
        (vec![("authorization", "Basic YTpi")], "authorization: "),
        (
            vec![("rune", &*rune), ("authorization", &*bearer)],
            "more than one credential: rune, auth",
        ),
        (vec![("rune", &*rune), ("rune", &*rune)], "more than one credential: rune, rune"),
        (vec![("x-auth", &*elsewhere)], "x-auth is invalid or outdated"),
        (vec![("x-auth", &*x_auth), ("rune", &*rune)], "more than one credential: rune, x-auth"),
    ] {
        let request = headers.iter().fold(post(alice.config(), PATH), |request, (name, value)| {
            request.header(*name, *value)
        });
        // Before anything is read.
        let answer = send(&alice, request, "not JSON").await?;
        ensure!(
            answer.status == 401 && code(&answer)? == "unauthenticated",
            "{headers:?}: {answer:?}"
        );
        let message = json(&answer)?["message"].as_str().unwrap_or_default().to_owned();
        ensure!(message.starts_with(named), "{headers:?}: {message}");
    }
    // A rune allows in JSON what it allows in gRPC.
    let request = post(alice.config(), "/v1/onchain-receive").header("rune", &rune);
    let answer = send(&alice, request, BODY).await?;
    ensure!(answer.status == 403 && code(&answer)? == "permission_denied", "{answer:?}");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http1.1", "--unix-socket"]).arg(&socket);
    curl.args(["--json", BODY, &format!("http://localhost{PATH}")]);
    let printed = run(curl, PATIENCE).await?.success()?;
    ensure!(printed.contains(alice.id()), "{printed}");
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_for_a_call_unless_a_page_of_others_makes_it() -> Result<()> {
    let network = Network::start().await?;
    let sections =
        "[tls]\nclient_auth = \"required\"\n[http]\ncors_origins = [\"https://a.example\"]\n";
    let alice = network.node_with("alice", sections).await?;
    let authority = places::authority_files(&alice.config().storage_dir, "regtest");
    let curl = |version: &str, headers: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", version, "--cacert"]).arg(&authority.ca_cert);
        curl.arg("--cert").arg(&authority.client_cert).arg("--key").arg(&authority.client_key);
        curl.args(headers.iter().flat_map(|header| ["-H", header]));
        let port = alice.config().grpc.number();
        curl.args(["--json", BODY, &format!("https://localhost:{port}{PATH}")]);
        run(curl, PATIENCE)
    };
    let printed = curl("--http2", &[]).await?.success()?;
    ensure!(printed.contains(alice.id()), "{printed}");
    for (header, code) in [
        ("origin: https://evil.example", "permission_denied"),
        ("origin: null", "permission_denied"),
        ("sec-fetch-site: cross-site", "permission_denied"),
        ("origin: https://a.example", "unauthenticated"),
    ] {
        // Over HTTP/2, curl 7.88 sometimes fails when it is refused before it has sent the body.
        let printed = curl("--http1.1", &[header]).await?.success()?;
        ensure!(printed.contains(code), "{header}: {printed}");
    }
    network.stop().await
}
