//! The subscribers, which are a process of their own.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use e2e_tests::{now_secs, tls_connect_at};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ldk_server_client::Client;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::auth;
use ldk_server_grpc::places::Places;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::now;

const EVENTS_PATH: &str = "/v1/events";

/// What subscribers speak.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Face {
    Grpc,
    /// Server-sent events, over HTTP/2.
    Sse,
}

/// Subscribers, and where.
#[derive(clap::Args)]
pub(crate) struct Subscribers {
    #[arg(value_enum)]
    pub(crate) face: Face,
    pub(crate) config_file: std::path::PathBuf,
    pub(crate) number: usize,
    /// How many connections they share.
    pub(crate) connections: usize,
}

/// The process with the subscribers; none if there are none.
pub(crate) struct Audience(Option<(Child, Lines<BufReader<ChildStdout>>)>);

impl Audience {
    pub(crate) async fn start(subscribers: &Subscribers) -> Result<Self> {
        if subscribers.number == 0 {
            return Ok(Self(None));
        }
        let face = subscribers.face.to_possible_value().context("a face has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["subscribe", face.get_name()])
            .arg(&subscribers.config_file)
            .args([subscribers.number, subscribers.connections].map(|number| number.to_string()))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        lines.next_line().await?.context("the subscribers have ended")?;
        Ok(Self(Some((child, lines))))
    }

    /// When each of the subscribers had the next event, once all have it.
    pub(crate) async fn received(&mut self) -> Result<Vec<i64>> {
        let Some((_, lines)) = &mut self.0 else { return Ok(Vec::new()) };
        let line = lines.next_line().await?.context("the subscribers have ended")?;
        line.split(' ').map(|time| Ok(time.parse()?)).collect()
    }
}

/// Follows the events, and prints a line when all subscribe and one for each event that all have:
/// when each received it.
pub(crate) async fn subscribe(subscribers: Subscribers) -> Result<()> {
    let number = subscribers.number;
    let (sender, mut receipts) = mpsc::channel(number);
    let mut tasks = JoinSet::new();
    for indices in subscribers.begin().await? {
        tasks.spawn(tell(indices, sender.clone()));
    }
    println!("{number}");
    loop {
        let mut times = Vec::with_capacity(number);
        let mut expected = None;
        while times.len() < number {
            let (event_index, at) = receipts.recv().await.context("the streams have ended")?;
            ensure!(*expected.get_or_insert(event_index) == event_index, "out of turn");
            times.push(at.to_string());
        }
        println!("{}", times.join(" "));
    }
}

/// Tells of every event, as long as somebody listens.
async fn tell(mut indices: Indices, receipts: mpsc::Sender<(u64, i64)>) -> Result<()> {
    while let Some(event_index) = indices.next().await {
        let at = now();
        receipts.send((event_index?, at)).await?;
    }
    Ok(())
}

/// The numbers of the events as they come.
type Indices = BoxStream<'static, Result<u64>>;

impl Subscribers {
    async fn begin(&self) -> Result<Vec<Indices>> {
        match self.face {
            Face::Grpc => self.grpc().await,
            Face::Sse => self.server_sent().await,
        }
    }

    async fn grpc(&self) -> Result<Vec<Indices>> {
        let clients: Vec<Client> = (0..self.connections)
            .map(|_| Client::from_config_file(&self.config_file))
            .collect::<Result<_, _>>()?;
        let mut begun = Vec::new();
        for client in clients.iter().cycle().take(self.number) {
            let events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
            begun.push(events.map_ok(|event| event.event_index).err_into().boxed());
        }
        Ok(begun)
    }

    async fn server_sent(&self) -> Result<Vec<Indices>> {
        let server = Server::read(&self.config_file)?;
        let mut senders = Vec::new();
        for _ in 0..self.connections {
            senders.push(server.connect().await?);
        }
        let mut begun = Vec::new();
        for at in 0..self.number {
            let sender = &mut senders[at % self.connections];
            begun.push(server.events(sender).await?);
        }
        Ok(begun)
    }
}

/// Where a server is, and what is needed to call it.
struct Server {
    address: String,
    places: Places,
    storage_dir: std::path::PathBuf,
}

impl Server {
    fn read(config_file: &Path) -> Result<Self> {
        let config: toml::Table = std::fs::read_to_string(config_file)?.parse()?;
        let text = |section: &str, key: &str| {
            let value = config.get(section).and_then(|section| section.get(key));
            value.and_then(toml::Value::as_str).map(str::to_owned).context("it is not configured")
        };
        let address = text("node", "grpc_service_address")?;
        // Without the part that is for the storage on disk only.
        let storage = config.get("storage").and_then(|storage| storage.get("disk"));
        let storage = storage.and_then(|disk| disk.get("dir_path")).and_then(toml::Value::as_str);
        let storage_dir = Path::new(storage.context("storage.disk.dir_path")?).to_owned();
        let places = Places::of_storage_dir(&storage_dir, "regtest");
        Ok(Self { address, places, storage_dir })
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>> {
        let stream = tls_connect_at(&self.address, &self.storage_dir, &["h2"]).await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn events(&self, sender: &mut SendRequest<Empty<Bytes>>) -> Result<Indices> {
        let key = self.places.read_api_key()?;
        let x_auth = auth::sign_request(&key, now_secs()?, &rand::random(), EVENTS_PATH, &[]);
        let uri = format!("https://{}{EVENTS_PATH}", self.address);
        let request = Request::get(uri).header(auth::HEADER, x_auth).body(Empty::new())?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status().is_success(), "{answer:?}");
        Ok(indices(answer.into_body()))
    }
}

fn indices(body: Incoming) -> Indices {
    let next = |(mut body, mut read): (Incoming, Vec<u8>)| async move {
        loop {
            if let Some(index) = take_index(&mut read)? {
                return Ok(Some((index, (body, read))));
            }
            let Some(frame) = body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
        }
    };
    stream::try_unfold((body, Vec::new()), next).boxed()
}

/// Takes the next whole event, and returns its number.
fn take_index(read: &mut Vec<u8>) -> Result<Option<u64>> {
    while let Some(end) = read.windows(2).position(|two| two == b"\n\n") {
        let block: Vec<u8> = read.drain(..end + 2).collect();
        let line = block.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if let Some(id) = line.strip_prefix(b"id: ") {
            return Ok(Some(std::str::from_utf8(id)?.parse()?));
        }
    }
    Ok(None)
}
