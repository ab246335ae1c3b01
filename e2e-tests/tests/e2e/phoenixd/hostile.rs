//! Strangers, garbage, and clients that do not read.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::Port;
use http_body_util::Full;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::Phoenix;
use super::socket::{By, Socket};

const PATIENCE: Duration = Duration::from_secs(30);
const SOCKETS: usize = 64;
/// An example of LUD-01.
const LNURL: &str = "lnurl1dp68gurn8ghj7um9wfmxjcm99e3k7mf0v9cxj0m385ekvcenxc6r2c35xvukxefcv5mkvv34x5ekzd3ev56nyd3hxqurzepexejxxepnxscrvwfnv9nxzcn9xq6xyefhvgcxxcmyxymnserxfq5fns";

pub(super) async fn garbage_is_refused(phoenix: &Phoenix) -> Result<()> {
    let (neither, amount) =
        ("Must provide either", "amountSat couldn't be parsed/converted to integer");
    let (long, long_id) = ("ü".repeat(129), "e".repeat(257));
    let with = |name, value| vec![("description", "a"), (name, value)];
    for (form, words) in [
        (vec![], neither),
        (vec![("description", "a"), ("descriptionHash", "b")], neither),
        (vec![("descriptionHash", "b")], "hex32"),
        (vec![("description", long.as_str())], "description is too long"),
        (with("amountSat", "x"), amount),
        (with("amountSat", "-1"), amount),
        (with("amountSat", "1.5"), amount),
        (with("amountSat", ""), amount),
        (with("amountSat", "18446744073709551616"), amount),
        (with("amountSat", "0"), "amount_msat"),
        (with("expirySeconds", "99999999999"), "expirySeconds"),
        (with("webhookUrl", "x"), "webhookUrl"),
        (with("externalId", &long_id), "external_id"),
    ] {
        phoenix.post("/createinvoice", &form).await?.is_refusal(400, words);
    }

    let missing = phoenix.post("/payinvoice", &[]).await?;
    missing.is_refusal(400, "Request parameter invoice is missing");
    let garbage = phoenix.post("/payinvoice", &[("invoice", "lnbc1garbage")]).await?;
    garbage.is_refusal(400, "converted to bolt11invoice");
    let offer = phoenix.post("/decodeoffer", &[("offer", "lno1x")]).await?;
    offer.is_refusal(400, "converted to offer");

    for path in ["/payments/incoming/xyz", "/payments/outgoingbyhash/00"] {
        phoenix.get(path).await?.is_refusal(400, "hex32");
    }
    phoenix.get("/payments/outgoing/xyz").await?.is_refusal(400, "uuid");
    let unknown = "00".repeat(32);
    for path in ["incoming", "outgoingbyhash"] {
        let reply = phoenix.get(&format!("/payments/{path}/{unknown}")).await?;
        reply.is_refusal(404, "Not found");
    }
    phoenix.get("/nosuch").await?.is_refusal(404, "Unknown endpoint");
    phoenix.get("/payinvoice").await?.is_refusal(405, "Invalid http method");
    phoenix.get("/payments/incoming?limit=9999999").await?.is_refusal(400, "limit");

    // It is off unless it is configured.
    for path in ["/lnurlpay", "/lnurlwithdraw"] {
        phoenix.post(path, &[("lnurl", LNURL)]).await?.is_refusal(400, "lnurl");
    }

    let json = phoenix.request(Method::POST, "/createinvoice");
    let json = json.header(CONTENT_TYPE, "application/json").body("{}".into())?;
    phoenix.send(json).await?.is_refusal(415, "form");
    let huge = phoenix.request(Method::POST, "/createinvoice");
    let huge = huge.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let huge = phoenix.send(huge.body(vec![b'a'; 32 * 1024 * 1024].into())?).await;
    // The connection may be closed while this is being sent.
    ensure!(huge.is_err() || huge?.status == 413);
    let bytes = phoenix.request(Method::POST, "/createinvoice");
    let bytes = bytes.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let bytes = phoenix.send(bytes.body(Full::from(vec![0xff; 1000]))?).await?;
    bytes.is_refusal(400, "Must provide");
    Ok(())
}

pub(super) async fn nothing_of_a_strangers_body_is_read(port: &Port) -> Result<()> {
    let mut stream = TcpStream::connect(port.address()).await?;
    let head = format!(
        "POST /payinvoice HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        100 * 1024 * 1024
    );
    stream.write_all(head.as_bytes()).await?;
    let mut read = vec![0; 4096];
    let length = timeout(PATIENCE, stream.read(&mut read)).await??;
    let text = String::from_utf8_lossy(&read[..length]).to_ascii_lowercase();
    ensure!(text.starts_with("http/1.1 401") && text.contains("www-authenticate: basic"), "{text}");
    Ok(())
}

pub(super) async fn who_does_not_read_holds_up_nobody(
    phoenix: &Phoenix,
    port: &Port,
) -> Result<()> {
    let mut silent = Vec::new();
    for _ in 0..SOCKETS {
        silent.push(Socket::open(phoenix, By::Login).await?);
    }
    let request = phoenix.request(Method::GET, "/getinfo").body(())?;
    let login = request.headers()["authorization"].to_str()?.to_owned();
    let one = format!("GET /getinfo HTTP/1.1\r\nhost: a\r\nauthorization: {login}\r\n\r\n");
    let mut slow = TcpStream::connect(port.address()).await?;
    let many = one.repeat(5_000);
    let writing = timeout(Duration::from_secs(2), slow.write_all(many.as_bytes())).await;
    for _ in 0..20 {
        timeout(PATIENCE, phoenix.get("/getinfo")).await??.json()?;
    }
    drop((silent, slow, writing));
    Ok(())
}
