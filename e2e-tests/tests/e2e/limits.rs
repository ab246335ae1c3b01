//! Limits: those who hold connections and calls open keep nobody else from being answered, and
//! whoever wants more than is allowed is told so.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{
    Attack, Network, Node, NodeConfig, RawConnection, grpc_frame, grpc_request, now_secs,
    resident_bytes, signed_request, tls_connect, until, x_auth,
};
use futures_util::future::join_all;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ldk_server_client::Code;
use ldk_server_client::api::CreateBackupRequest;
use prost::Message as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(60);
/// Less than the slow are given: who waits for one of them waits longer.
const AT_ONCE: Duration = Duration::from_secs(2);
const IDLE_CONNECTIONS: usize = 1000;
/// Of each of three kinds that begin something and do not end it; there are three more.
const LORIS: usize = 16;
const CALLS: usize = 200;

/// Connections that take no byte of an answer, and what the node may need for them.
const ZERO_WINDOWS: usize = 40;
const STREAMS: usize = 256;
const MAX_TAKEN_BYTES: u64 = 64 * 1024 * 1024;

const WIDE: &str = "
[limits]
max_connections = 2000
max_calls_in_flight = 2
handshake_timeout_secs = 3
header_timeout_secs = 3
request_timeout_secs = 3
write_timeout_secs = 2
";

const NARROW: &str = "
[limits]
max_connections = 4
max_streams_per_connection = 7
max_calls_per_second_per_connection = 5
keep_alive_interval_secs = 1
keep_alive_timeout_secs = 1
";

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A SETTINGS frame that sets nothing.
const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const FRAME_HEAD_BYTES: usize = 9;
const MAX_CONCURRENT_STREAMS: u16 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept() -> Result<()> {
    allow_many_open_files()?;
    let network = Network::start_measuring().await?;
    let alice = network.node_with("alice", WIDE).await?;
    let idle = the_slow_hold_up_nobody(&alice).await?;
    too_many_calls_at_once_are_refused(&alice, idle).await?;
    who_takes_no_answer_takes_little_memory(&alice).await?;
    who_does_not_read_is_not_waited_for(&alice).await?;

    alice.stop().await?;
    let configured = fs::read_to_string(alice.config_file())?;
    fs::write(alice.config_file(), configured.replace(WIDE, NARROW))?;
    alice.start_again().await?;
    too_many_calls_in_a_second_are_refused(&alice).await?;
    idle_connections_make_room(alice.config()).await?;
    the_streams_of_a_connection_are_announced(alice.config()).await?;
    who_does_not_answer_is_not_kept(&alice).await?;
    network.stop().await
}

/// Each connection is one here, too.
pub(crate) fn allow_many_open_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Returns the connections that are still open then.
async fn the_slow_hold_up_nobody(node: &Node) -> Result<Vec<RawConnection>> {
    let mut caller = RawConnection::open(node.config()).await?;
    let alone = answered(node, &mut caller, CALLS, || false).await?;
    let mut idle = Vec::new();
    for _ in 0..IDLE_CONNECTIONS {
        idle.push(RawConnection::open(node.config()).await?);
    }
    let mut slow = JoinSet::new();
    for _ in 0..LORIS {
        slow.spawn(half_a_handshake(node.config().grpc.address()));
        let stream = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["h2"]).await?;
        slow.spawn(half_a_preface(stream));
        let x_auth = x_auth(node.config(), now_secs()?, &[])?;
        let head = grpc_request(node.config(), "GetNodeInfo").header("x-auth", x_auth);
        let stream = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["h2"]).await?;
        slow.spawn(a_head_without_a_body(stream, head));
    }
    slow.spawn(half_a_handshake(node.config().grpc.address()));
    let silent = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["h2"]).await?;
    slow.spawn(closed(silent));
    let stream = tls_connect(node.config(), rustls::DEFAULT_VERSIONS, &["http/1.1"]).await?;
    slow.spawn(half_a_head(stream));

    let late = timeout(AT_ONCE, RawConnection::open(node.config())).await;
    answered(node, &mut late.context("no new connection")??, 1, || false).await?;
    let (begun, mut ended) = (slow.len(), 0);
    let besieged = answered(node, &mut caller, CALLS, || {
        while let Some(one) = slow.try_join_next() {
            // A failure is one that is missing below.
            ended += usize::from(one.is_ok_and(|result| result.is_ok()));
        }
        ended < begun
    })
    .await?;
    assert_eq!(ended, begun, "not all of the slow were sent away");
    println!("GetNodeInfo alone {alone}; among {IDLE_CONNECTIONS} idle and slow ones {besieged}");
    Ok(idle)
}

/// Calls one after the other, at least so many and for as long as `goes_on`; all must be answered at
/// once.
/// Returns how long they took.
async fn answered(
    node: &Node,
    connection: &mut RawConnection,
    calls: usize,
    mut goes_on: impl FnMut() -> bool,
) -> Result<String> {
    let (mut times, began) = (Vec::new(), Instant::now());
    while times.len() < calls || (goes_on() && began.elapsed() < PATIENCE) {
        let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
        let sent = Instant::now();
        let answer = timeout(AT_ONCE, connection.send(request)).await.context("no answer")??;
        ensure!(answer.grpc_status()? == 0, "{answer:?}");
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    let [p50, p99] = [50, 99].map(|percent| times[(times.len() - 1) * percent / 100]);
    Ok(format!("{} calls, p50 {p50:?}, p99 {p99:?}", times.len()))
}

async fn half_a_handshake(address: String) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    // The head of a record of 512 bytes, and the first of them.
    stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await?;
    closed(stream).await
}

async fn half_a_preface(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    stream.write_all(&PREFACE[..PREFACE.len() / 2]).await?;
    stream.flush().await?;
    closed(stream).await
}

async fn half_a_head(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: local").await?;
    stream.flush().await?;
    closed(stream).await
}

async fn a_head_without_a_body(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    head: hyper::http::request::Builder,
) -> Result<()> {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let answer = timeout(PATIENCE, sender.send_request(head.body(never)?)).await;
    let answer = answer.context("the call is not ended")??;
    let status = answer.headers().get("grpc-status").context("no status")?.to_str()?;
    ensure!(Code::from(status.parse::<i32>()?) == Code::DeadlineExceeded, "{answer:?}");
    Ok(())
}

/// Waits until the other side closes the connection, whatever it says before.
async fn closed(mut stream: impl AsyncRead + Unpin) -> Result<()> {
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    match ended.context("the connection is not closed")? {
        // The polite ways, and the short ones.
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(error.into()),
        },
    }
}

/// These connections have been idle, and are as good as new.
async fn too_many_calls_at_once_are_refused(node: &Node, idle: Vec<RawConnection>) -> Result<()> {
    let calls = idle.into_iter().map(async |mut connection| {
        let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
        connection.send(request).await
    });
    let (mut good, mut refused) = (0, 0);
    for answer in join_all(calls).await {
        let answer = answer?;
        match answer.grpc_code()? {
            Code::Ok => good += 1,
            Code::ResourceExhausted => {
                let message = answer.grpc_message()?;
                ensure!(message.starts_with("limits.max_calls_in_flight: 2 calls"), "{message}");
                refused += 1;
            },
            _ => bail!("{answer:?}"),
        }
    }
    println!("of {IDLE_CONNECTIONS} calls at once {good} were answered and {refused} refused");
    ensure!(good > 0 && refused > 0);
    Ok(())
}

async fn too_many_calls_in_a_second_are_refused(node: &Node) -> Result<()> {
    let config = node.config();
    let [mut busy, mut other] =
        [RawConnection::open(config).await?, RawConnection::open(config).await?];
    let request = || signed_request(config, "GetNodeInfo", grpc_frame(&[]));
    // Before the first answer it does not know how many it may send at once.
    ensure!(busy.send(request()?).await?.grpc_code()? == Code::Ok);
    let calls = (0..50).map(|_| {
        let mut connection = busy.clone();
        async move { connection.send(request()?).await }
    });
    let mut refused = 0;
    for answer in join_all(calls).await {
        let answer = answer?;
        if answer.grpc_code()? == Code::ResourceExhausted {
            let message = answer.grpc_message()?;
            ensure!(message.contains("limits.max_calls_per_second_per_connection"), "{message}");
            ensure!(message.contains("may make 5 calls in a second"), "{message}");
            refused += 1;
        } else {
            ensure!(answer.grpc_code()? == Code::Ok, "{answer:?}");
        }
    }
    ensure!((1..=46).contains(&refused), "{refused} of 50 calls were refused");
    ensure!(other.send(request()?).await?.grpc_code()? == Code::Ok);
    until("the next second has come", PATIENCE, async || {
        let answer = busy.send(request()?).await?;
        ensure!(answer.grpc_code()? == Code::Ok, "{answer:?}");
        Ok(())
    })
    .await
}

/// Those who only hold connections open make room, and those who have the key do when they are idle.
async fn idle_connections_make_room(node: &NodeConfig) -> Result<()> {
    let mut idle = VecDeque::new();
    for _ in 0..4 {
        idle.push_back(tls_connect(node, rustls::DEFAULT_VERSIONS, &["h2"]).await?);
    }
    let page = RawConnection::get(node, "/livez").await?;
    ensure!(page.status == StatusCode::OK, "{page:?}");
    closed(idle.pop_front().context("none")?).await?;

    let mut known = Vec::new();
    for _ in 0..4 {
        let mut connection = RawConnection::open(node).await?;
        let subscribed = signed_request(node, "SubscribeEvents", grpc_frame(&[]))?;
        known.push((connection.begin_unread(subscribed).await?, connection));
    }
    for stream in idle {
        closed(stream).await?;
    }
    let refused = tls_connect(node, rustls::DEFAULT_VERSIONS, &["h2"]).await;
    ensure!(refused.is_err(), "a fifth connection was accepted");

    let (stream, mut left) = known.remove(0);
    drop(stream);
    until("there is room for another", PATIENCE, async || {
        let request = signed_request(node, "GetNodeInfo", grpc_frame(&[]))?;
        ensure!(RawConnection::open(node).await?.send(request).await?.grpc_code()? == Code::Ok);
        Ok(())
    })
    .await?;
    // It is asked to leave, and what it sends meanwhile is answered.
    until("the idle connection has made room", PATIENCE, async || {
        let request = signed_request(node, "GetNodeInfo", grpc_frame(&[]))?;
        ensure!(left.send(request).await.is_err());
        Ok(())
    })
    .await
}

/// Before there was a limit, these took nearly a gigabyte.
async fn who_takes_no_answer_takes_little_memory(node: &Node) -> Result<()> {
    let pid = node.pid().await?;
    let before = resident_bytes(pid)?;
    let mut held = Vec::new();
    for _ in 0..ZERO_WINDOWS {
        held.push(Attack::Reflection.begin(node.config(), STREAMS).await?);
    }
    let taken = resident_bytes(pid)?.saturating_sub(before);
    println!("{ZERO_WINDOWS} connections that take no answer take {} KiB", taken / 1024);
    ensure!(taken < MAX_TAKEN_BYTES, "{taken} bytes");
    let mut caller = RawConnection::open(node.config()).await?;
    answered(node, &mut caller, CALLS, || false).await?;

    // They are not kept, either.
    let mut few = Attack::Reflection.begin(node.config(), 16).await?;
    ensure!(few.answers.len() == 16, "{}", few.answers.len());
    for answer in std::mem::take(&mut few.answers) {
        let body = timeout(PATIENCE, answer.into_body().collect()).await.context("it is kept")?;
        ensure!(body.is_err(), "it was not reset");
    }
    Ok(())
}

/// Neither a backup nor a stream of events.
async fn who_does_not_read_is_not_waited_for(node: &Node) -> Result<()> {
    let config = node.config();
    let request = CreateBackupRequest {
        passphrase: "correct horse battery".to_owned(),
        ..Default::default()
    };
    let backup = || signed_request(config, "CreateBackup", grpc_frame(&request.encode_to_vec()));
    let mut deaf = RawConnection::open_with_window(config, 0).await?;
    let unread = deaf.begin_unread(backup()?).await?;
    let mut other = RawConnection::open(config).await?;
    until("another backup is made", PATIENCE, async || {
        let answer = other.send(backup()?).await?;
        ensure!(answer.grpc_code()? == Code::Ok, "{:?}", answer.grpc_message());
        Ok(())
    })
    .await?;
    ensure!(timeout(PATIENCE, unread.into_body().collect()).await?.is_err(), "it was not reset");
    Ok(())
}

async fn the_streams_of_a_connection_are_announced(node: &NodeConfig) -> Result<()> {
    let mut stream = connected(node).await?;
    stream.write_all(&[PREFACE, NO_SETTINGS].concat()).await?;
    let mut head = [0; FRAME_HEAD_BYTES];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.context("no settings")??;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut settings = vec![0; usize::try_from(length)?];
    timeout(PATIENCE, stream.read_exact(&mut settings)).await.context("no settings")??;
    let (id, value) = (MAX_CONCURRENT_STREAMS.to_be_bytes(), 7_u32.to_be_bytes());
    let expected = [&id[..], &value].concat();
    ensure!(settings.chunks(6).any(|setting| setting == expected), "{settings:?}");
    Ok(())
}

/// Who has opened an HTTP/2 connection is asked whether it is there, and must say so.
async fn who_does_not_answer_is_not_kept(node: &Node) -> Result<()> {
    let mut polite = until("there is room for another", PATIENCE, async || {
        RawConnection::open(node.config()).await
    })
    .await?;
    let mut mute = connected(node.config()).await?;
    mute.write_all(&[PREFACE, NO_SETTINGS].concat()).await?;
    closed(mute).await?;
    let request = signed_request(node.config(), "GetNodeInfo", grpc_frame(&[]))?;
    ensure!(polite.send(request).await?.grpc_code()? == Code::Ok);
    Ok(())
}

/// A connection, as soon as there is room for one: those before are not closed at once.
async fn connected(node: &NodeConfig) -> Result<TlsStream<TcpStream>> {
    until("there is room for a connection", PATIENCE, async || {
        tls_connect(node, rustls::DEFAULT_VERSIONS, &["h2"]).await
    })
    .await
}
