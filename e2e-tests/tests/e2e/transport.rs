//! Requests and frames, good and bad, and the statuses they are answered with.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{
    Network, NodeConfig, RawConnection, grpc_frame, grpc_request, grpc_request_to, now_secs,
    signed_request, x_auth,
};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use ldk_server_client::api::{Bolt11ReceiveRequest, GetPaymentDetailsRequest};
use ldk_server_client::types::Bolt11InvoiceDescription;
use ldk_server_client::types::bolt11_invoice_description::Kind;
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use prost::Message as _;
use tokio::time::timeout;

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;

const MAX_HEADER_BYTES: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer to a deadline that has passed does not depend on luck.
const EXPIRED_CALLS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_with_the_statuses_of_the_contract() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node("alice").await?;
    let node = alice.config();
    a_good_answer_is_whole(node).await?;
    the_head_of_a_request_is_checked(node).await?;
    long_headers_are_refused(node).await?;
    checks_come_in_the_order_of_the_contract(node).await?;
    bad_frames_are_refused(node).await?;
    bad_messages_are_refused(node).await?;
    a_body_is_read_up_to_the_cap(node).await?;
    deadlines_are_read(node).await?;
    a_stream_ends_at_its_deadline(node).await?;
    a_call_after_its_deadline_is_not_answered(node).await?;
    network.stop().await
}

async fn a_good_answer_is_whole(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let mut request = signed_request(node, "GetNodeInfo", grpc_frame(&[]))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let answer = connection.send(request).await?;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/grpc+proto");
        assert_eq!(answer.headers["grpc-accept-encoding"], "identity");
        assert!(answer.headers.contains_key("date"), "by which clients compare clocks");
        assert!(!answer.headers.contains_key("grpc-status"), "{answer:?}");
        let trailers = answer.trailers.as_ref().context("no trailers")?;
        assert_eq!(trailers["grpc-status"], "0");
        assert!(!answer.message()?.is_empty());
    }
    Ok(())
}

async fn the_head_of_a_request_is_checked(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    let good = || signed_request(node, "GetNodeInfo", grpc_frame(&[]));
    for method in [Method::GET, Method::PUT, Method::OPTIONS] {
        let mut request = good()?;
        *request.method_mut() = method.clone();
        assert_eq!(refusal(&mut connection, request).await?, UNIMPLEMENTED, "{method}");
    }
    for content_type in
        ["text/plain", "application/grpc+json", "application/grpc; charset=utf-8", ""]
    {
        let mut request = good()?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let status = refusal(&mut connection, request).await?;
        assert_eq!(status, INVALID_ARGUMENT, "{content_type:?}");
    }
    let mut untyped = good()?;
    untyped.headers_mut().remove(CONTENT_TYPE);
    assert_eq!(refusal(&mut connection, untyped).await?, INVALID_ARGUMENT);
    for path in [
        "/",
        "/GetNodeInfo",
        "/api.LightningNode/",
        "/api.LightningNode/getNodeInfo",
        "/api.LightningNode/NoSuchCall",
        "/api.LightningNode/GetNodeInfo/",
        "/api.OtherNode/GetNodeInfo",
        "/metrics",
        "/livez",
        "/readyz",
    ] {
        // A form that is good for every path.
        let (body, now_secs) = (grpc_frame(&[]), now_secs()?);
        let request = grpc_request_to(node, path).header("x-auth", x_auth(node, now_secs, &body)?);
        let request = request.body(Full::from(body))?;
        assert_eq!(refusal(&mut connection, request).await?, UNIMPLEMENTED, "{path}");
    }
    Ok(())
}

/// Method, content type, key, deadline, path, frame: who fails an earlier check is not told of a
/// later one.
async fn checks_come_in_the_order_of_the_contract(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    let bad_frame = || vec![1];
    let request = grpc_request(node, "NoSuchCall").header("grpc-timeout", "soon");
    let request = request.body(Full::from(bad_frame()))?;
    let mut text = request.clone();
    text.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let mut get = text.clone();
    *get.method_mut() = Method::GET;
    assert_eq!(refusal(&mut connection, get).await?, UNIMPLEMENTED);
    assert_eq!(refusal(&mut connection, text).await?, INVALID_ARGUMENT);
    assert_eq!(refusal(&mut connection, request).await?, UNAUTHENTICATED);

    let mut request = signed_request(node, "NoSuchCall", bad_frame())?;
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("soon"));
    assert_eq!(refusal(&mut connection, request).await?, INVALID_ARGUMENT);
    let request = signed_request(node, "NoSuchCall", bad_frame())?;
    assert_eq!(refusal(&mut connection, request).await?, UNIMPLEMENTED);
    let request = signed_request(node, "GetNodeInfo", bad_frame())?;
    assert_eq!(refusal(&mut connection, request).await?, INVALID_ARGUMENT);
    Ok(())
}

async fn bad_frames_are_refused(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    let frame = payment_details_frame();
    let one_too_many = u32::try_from(frame.len() - 4)?.to_be_bytes();
    for (what, body, expected) in [
        ("nothing", vec![], INVALID_ARGUMENT),
        ("half a frame header", frame[..3].to_vec(), INVALID_ARGUMENT),
        ("a frame header alone", frame[..5].to_vec(), INVALID_ARGUMENT),
        ("a truncated frame", frame[..frame.len() - 1].to_vec(), INVALID_ARGUMENT),
        (
            "a length over the body",
            [&[0], &one_too_many[..], &frame[5..]].concat(),
            INVALID_ARGUMENT,
        ),
        ("the longest length", [&[0, 255, 255, 255, 255], &frame[5..]].concat(), INVALID_ARGUMENT),
        ("a trailing byte", [&frame[..], &[0]].concat(), INVALID_ARGUMENT),
        ("two frames", [&frame[..], &frame].concat(), INVALID_ARGUMENT),
        ("a compressed frame", [&[1], &frame[1..]].concat(), UNIMPLEMENTED),
        ("an unknown flag", [&[128], &frame[1..]].concat(), UNIMPLEMENTED),
    ] {
        for method in ["GetPaymentDetails", "SubscribeEvents"] {
            let request = signed_request(node, method, body.clone())?;
            let status = refusal(&mut connection, request).await?;
            assert_eq!(status, expected, "{what} to {method}");
        }
    }
    Ok(())
}

async fn bad_messages_are_refused(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for (what, message) in [
        ("noise", &[0xff; 16][..]),
        ("a field without its value", &[0x0a]),
        ("a text longer than the message", &[0x0a, 0x7f, b'a']),
        ("a text that is no UTF-8", &[0x0a, 2, 0xc3, 0x28]),
        ("a number in place of a text", &[0x08, 1]),
        ("the field number 0", &[0x02, 0]),
        ("a group that does not end", &[0x13]),
    ] {
        let request = signed_request(node, "GetPaymentDetails", grpc_frame(message))?;
        assert_eq!(refusal(&mut connection, request).await?, INVALID_ARGUMENT, "{what}");
    }
    Ok(())
}

async fn a_body_is_read_up_to_the_cap(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    // Refused by the call itself, which has therefore read it.
    let full = description_frame(MAX_MESSAGE_BYTES);
    let answer = connection.send(signed_request(node, "Bolt11Receive", full)?).await?;
    assert_eq!(answer.grpc_status()?, INVALID_ARGUMENT);
    let message = answer.headers["grpc-message"].to_str()?;
    assert!(message.contains("description.direct"), "{message}");

    let over = description_frame(MAX_MESSAGE_BYTES + 1);
    let answer = connection.send(signed_request(node, "Bolt11Receive", over)?).await?;
    assert_eq!(answer.grpc_status()?, INVALID_ARGUMENT);
    let message = answer.headers["grpc-message"].to_str()?;
    assert!(message.contains("10485760"), "{message}");
    // The connection is as good as before.
    let request = signed_request(node, "GetNodeInfo", grpc_frame(&[]))?;
    assert_eq!(connection.send(request).await?.grpc_status()?, OK);
    Ok(())
}

/// Nobody needs so many, and each of a stranger's streams would hold them.
async fn long_headers_are_refused(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for (bytes, expected) in [
        (MAX_HEADER_BYTES - 1024, StatusCode::OK),
        (MAX_HEADER_BYTES, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let mut request = signed_request(node, "GetNodeInfo", grpc_frame(&[]))?;
        request.headers_mut().insert("long", HeaderValue::try_from("x".repeat(bytes))?);
        let answer = connection.begin(request).await?;
        assert_eq!(answer.status, expected, "{bytes} bytes");
    }
    Ok(())
}

async fn deadlines_are_read(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for value in ["", "1", "S", "1s", "-1S", "1.5S", "123456789S", "1 S"] {
        let status = refusal(&mut connection, timed(node, "GetNodeInfo", value)?).await?;
        assert_eq!(status, INVALID_ARGUMENT, "{value:?}");
    }
    for value in ["1H", "1M", "99999999S", "10000m", "10000000u"] {
        let answer = connection.send(timed(node, "GetNodeInfo", value)?).await?;
        assert_eq!(answer.grpc_status()?, OK, "{value}");
    }
    Ok(())
}

async fn a_stream_ends_at_its_deadline(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    let stream = connection.send(timed(node, "SubscribeEvents", "300m")?);
    let ended = timeout(PATIENCE, stream).await.context("the stream does not end")??;
    assert_eq!(ended.status, StatusCode::OK);
    assert_eq!(ended.grpc_status()?, DEADLINE_EXCEEDED);
    assert!(ended.trailers.is_some(), "the stream had not begun: {ended:?}");
    Ok(())
}

async fn a_call_after_its_deadline_is_not_answered(node: &NodeConfig) -> Result<()> {
    let mut connection = RawConnection::open(node).await?;
    for call in 0..EXPIRED_CALLS {
        let answer = connection.send(timed(node, "GetNodeInfo", "1n")?).await?;
        assert_eq!(answer.grpc_status()?, DEADLINE_EXCEEDED, "call {call}");
    }
    Ok(())
}

/// The status of a request that is answered with nothing else.
async fn refusal(connection: &mut RawConnection, request: Request<Full<Bytes>>) -> Result<i32> {
    let answer = connection.send(request).await?;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    ensure!(answer.headers["content-type"] == "application/grpc+proto", "{answer:?}");
    ensure!(answer.headers.contains_key("grpc-message"), "{answer:?}");
    ensure!(answer.body.is_empty() && answer.trailers.is_none(), "{answer:?}");
    answer.grpc_status()
}

/// A signed request without a message, with this `grpc-timeout`.
fn timed(node: &NodeConfig, method: &str, timeout: &'static str) -> Result<Request<Full<Bytes>>> {
    let mut request = signed_request(node, method, grpc_frame(&[]))?;
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static(timeout));
    Ok(request)
}

fn payment_details_frame() -> Vec<u8> {
    grpc_frame(&GetPaymentDetailsRequest { payment_id: "ab".repeat(32) }.encode_to_vec())
}

/// The frame, of this length as a whole, of a request for an invoice with a long description.
fn description_frame(bytes: usize) -> Vec<u8> {
    let frame = |text_bytes| {
        let kind = Some(Kind::Direct("a".repeat(text_bytes)));
        let description = Some(Bolt11InvoiceDescription { kind });
        let request = Bolt11ReceiveRequest { description, expiry_secs: 1, ..Default::default() };
        grpc_frame(&request.encode_to_vec())
    };
    let overhead = frame(bytes).len() - bytes;
    let frame = frame(bytes - overhead);
    assert_eq!(frame.len(), bytes);
    frame
}
