//! A PostgreSQL that nodes keep their state in.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::authority::Authority;
use crate::ports::Port;
use crate::process::Group;
use crate::tcp_proxy::TcpProxy;
use crate::tools::repository;

const PATIENCE: Duration = Duration::from_secs(300);

/// A running PostgreSQL. Dropping it ends it.
pub struct Postgres {
    port: Port,
    replica: Option<Port>,
    commands: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    /// Ends when its standard input does.
    _child: Child,
}

impl Postgres {
    /// Starts one with `contrib/run-postgres.sh`, which installs one if need be.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[], false).await
    }

    /// Starts one with a replica, which follows it.
    pub async fn start_with_replica() -> Result<Self> {
        Self::start_with(&[], true).await
    }

    /// Starts one whose disk can be [filled](Self::fill). It is so small that little is left. Needs root.
    pub async fn start_on_small_disk() -> Result<Self> {
        Self::start_with(&[("ROOM", OsStr::new("80m"))], false).await
    }

    /// Starts one that is reached with TLS and this password only, at `localhost`, of which this authority
    /// has signed the certificate.
    pub async fn start_guarded(authority: &Authority, password: &str) -> Result<Self> {
        let dir = authority.dir().as_os_str();
        Self::start_with(&[("TLS_DIR", dir), ("PASSWORD", OsStr::new(password))], false).await
    }

    /// Starts one below this directory, whose commits are safe from a loss of power. For measurements.
    pub async fn start_durable_in(dir: &Path) -> Result<Self> {
        let environment = [("FSYNC", OsStr::new("on")), ("TMPDIR", dir.as_os_str())];
        Self::start_with(&environment, false).await
    }

    async fn start_with(environment: &[(&str, &OsStr)], has_replica: bool) -> Result<Self> {
        let port = Port::claim()?;
        let replica = if has_replica { Some(Port::claim()?) } else { None };
        let mut command = Command::new(repository().join("contrib/run-postgres.sh"));
        Group::Shared.apply(&mut command);
        // It has to clean up.
        command.kill_on_drop(false);
        let mut child = command
            .envs(environment.iter().copied())
            .arg(port.number().to_string())
            .args(replica.as_ref().map(|replica| replica.number().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start PostgreSQL")?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let postgres = Self { port, replica, commands: Mutex::new((input, output)), _child: child };
        postgres.answers("ready").await?;
        Ok(postgres)
    }

    /// What makes a node keep its state in this schema, as a section of the configuration.
    pub fn section(&self, schema: &str) -> String {
        section(&self.address(), schema)
    }

    /// As [`section`](Self::section), for a node that reaches it through this proxy.
    pub fn section_through(&self, proxy: &TcpProxy, schema: &str) -> String {
        section(&proxy.address(), schema)
    }

    /// As [`section`](Self::section), for a node that goes on with the replica when that has become the
    /// primary.
    pub fn section_with_replica(&self, schema: &str) -> Result<String> {
        let addresses = format!("{},{}", self.address(), self.replica()?.address());
        Ok(section(&addresses, schema))
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Ends it as a crash does, and starts it again.
    pub async fn restart(&self) -> Result<()> {
        self.command("restart", "ready").await
    }

    /// Ends it as a crash does.
    pub async fn stop(&self) -> Result<()> {
        self.command("stop", "stopped").await
    }

    /// Leaves no room on its disk.
    pub async fn fill(&self) -> Result<()> {
        self.command("fill", "full").await
    }

    /// Makes room on its disk again.
    pub async fn clear(&self) -> Result<()> {
        self.command("clear", "cleared").await
    }

    /// Runs these statements, and returns the first column of what they return.
    pub async fn query(&self, sql: &str) -> Result<Vec<String>> {
        query(&self.url(), sql).await
    }

    /// As [`query`](Self::query), on the replica.
    pub async fn query_replica(&self, sql: &str) -> Result<Vec<String>> {
        query(&url(&self.replica()?.address()), sql).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        url(&self.address())
    }

    fn replica(&self) -> Result<&Port> {
        self.replica.as_ref().context("there is no replica")
    }

    async fn command(&self, command: &str, answer: &str) -> Result<()> {
        self.commands.lock().await.0.write_all(format!("{command}\n").as_bytes()).await?;
        self.answers(answer).await
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    async fn answers(&self, expected: &str) -> Result<()> {
        let mut commands = self.commands.lock().await;
        let line = timeout(PATIENCE, commands.1.next_line()).await??;
        ensure!(line.as_deref() == Some(expected), "PostgreSQL says {line:?}");
        Ok(())
    }
}

async fn query(url: &str, sql: &str) -> Result<Vec<String>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let rows = client.simple_query(sql).await?;
    connection.abort();
    let text = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(text).collect())
}

fn section(address: &str, schema: &str) -> String {
    format!("[storage.postgres]\nurl = \"{}\"\nschema = \"{schema}\"\n", url(address))
}

fn url(address: &str) -> String {
    format!("postgres://postgres@{address}/postgres")
}
