//! Every call in JSON and in gRPC: both are answered the same.

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, RawConnection, grpc_frame, grpc_request, print_uncaptured};
use http_body_util::Full;
use hyper::body::Bytes;
use ldk_server::api::{Impact, Kind, RpcSpec, specs};
use ldk_server::json::method;
use ldk_server_client::Code;
use ldk_server_client::api::SignMessageRequest;
use serde_json::{Value, json};

use super::{code, json, post_json, send};
use crate::permissions::rune;

/// Fields that tell of a time or a signature, and so of when they were asked for.
const OF_THE_MOMENT: [&str; 6] = [
    "latest_rgs_snapshot_timestamp",
    "latest_onchain_wallet_sync_timestamp",
    "latest_lightning_wallet_sync_timestamp",
    "latest_fee_rate_cache_update_timestamp",
    "last_used_at",
    "uses",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_in_json_as_in_grpc() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let payment = alice.pays(&bob, 50_000).await?;
    let invoice = bob.invoice(7_000).await?;
    let rune = rune(&alice, &["--preset", "admin"]).await?;
    let message = SignMessageRequest { message: b"hello".to_vec() };
    let signature = alice.client().sign_message(message).await?.signature;
    let requests = |spec: &RpcSpec| match spec.name {
        "GetPaymentDetails" => json!({"payment_id": payment}),
        "DecodeInvoice" => json!({"invoice": invoice}),
        "CheckRune" => json!({"rune": rune}),
        "VerifySignature" => {
            json!({"message": "aGVsbG8=", "signature": signature, "public_key": alice.id()})
        },
        "GraphGetNode" => json!({"node_id": bob.id()}),
        // Not the one that the test calls with.
        "RevokeRune" => json!({"first_id": 999_999}),
        "SignMessage" => json!({"message": "aGVsbG8="}),
        _ => json!({}),
    };
    let (mut answered, mut refused) = (0, 0);
    // What changes something is different the second time, whichever way it is asked for.
    let unary = specs().iter().filter(|spec| spec.kind != Kind::Stream);
    for spec in unary {
        let request = requests(spec);
        if compare(&alice, &rune, spec, &request).await? { answered += 1 } else { refused += 1 }
    }
    print_uncaptured(&format!("{answered} calls answered alike, {refused} refused alike"));
    ensure!(answered >= 20 && refused >= 15, "{answered} {refused}");
    network.stop().await
}

/// Compares the answers, and returns whether there were some and no refusals.
async fn compare(node: &Node, rune: &str, spec: &RpcSpec, request: &Value) -> Result<bool> {
    let method = method(spec.name).with_context(|| spec.name)?;
    let message = ldk_server::json::decode(&method.request, request.to_string().as_bytes())?;
    let mut connection = RawConnection::open(node.config()).await?;
    let grpc = grpc_request(node.config(), spec.name).header("rune", rune);
    let grpc = connection.send(grpc.body(Full::new(Bytes::from(grpc_frame(&message))))?).await?;
    let short = post_json(node.config(), &format!("/v1/{}", method.kebab), rune);
    let short = send(node, short, request.to_string()).await?;
    let name = spec.name;
    if grpc.grpc_code()? != Code::Ok {
        let refused = (code(&short)?, json(&short)?["message"].clone());
        let expected = (snake(grpc.grpc_code()?), Value::from(grpc.grpc_message()?));
        ensure!(refused == expected, "{name}: {refused:?}, in gRPC {expected:?}");
        return Ok(false);
    }
    ensure!(short.status == 200, "{name}: {short:?}");
    let expected = ldk_server::json::encode(&method.response, grpc.message()?)?;
    let (mut found, mut expected) = (json(&short)?, serde_json::from_slice(&expected)?);
    if spec.impact != Impact::Reads || spec.name == "SignMessage" {
        found = keys(&found);
        expected = keys(&expected);
    }
    forget(&mut found);
    forget(&mut expected);
    ensure!(found == expected, "{name}: {found}, in gRPC {expected}");
    Ok(true)
}

fn keys(answer: &Value) -> Value {
    answer.as_object().map_or(Value::Null, |fields| fields.keys().cloned().collect())
}

/// Removes what is different a moment later.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
            fields.values_mut().for_each(forget);
        },
        Value::Array(values) => values.iter_mut().for_each(forget),
        _ => {},
    }
}

/// The name of a code in JSON.
pub(crate) fn snake(code: Code) -> String {
    let mut name = String::new();
    for (at, letter) in format!("{code:?}").char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
