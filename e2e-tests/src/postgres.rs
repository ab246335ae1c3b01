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

use crate::ports::Port;
use crate::process::Group;
use crate::tcp_proxy::TcpProxy;
use crate::tools::repository;

const PATIENCE: Duration = Duration::from_secs(300);

/// A running PostgreSQL. Dropping it ends it.
pub struct Postgres {
    port: Port,
    commands: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    /// Ends when its standard input does.
    _child: Child,
}

impl Postgres {
    /// Starts one with `contrib/run-postgres.sh`, which installs one if need be.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one below this directory, whose commits are safe from a loss of power. For measurements.
    pub async fn start_durable_in(dir: &Path) -> Result<Self> {
        Self::start_with(&[("FSYNC", OsStr::new("on")), ("TMPDIR", dir.as_os_str())]).await
    }

    async fn start_with(environment: &[(&str, &OsStr)]) -> Result<Self> {
        let port = Port::claim()?;
        let mut command = Command::new(repository().join("contrib/run-postgres.sh"));
        Group::Shared.apply(&mut command);
        // It has to clean up.
        command.kill_on_drop(false);
        let mut child = command
            .envs(environment.iter().copied())
            .arg(port.number().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start PostgreSQL")?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?).lines();
        let postgres = Self { port, commands: Mutex::new((input, output)), _child: child };
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

    /// `host:port`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Ends it as a crash does, and starts it again.
    pub async fn restart(&self) -> Result<()> {
        self.commands.lock().await.0.write_all(b"restart\n").await?;
        self.answers("ready").await
    }

    /// Runs this statement, and returns the first column of what it returns.
    pub async fn query(&self, sql: &str) -> Result<Vec<String>> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        let connection = tokio::spawn(connection);
        let rows = client.simple_query(sql).await?;
        connection.abort();
        let text = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(text).collect())
    }

    /// Where it is.
    pub fn url(&self) -> String {
        url(&self.address())
    }

    async fn answers(&self, expected: &str) -> Result<()> {
        let mut commands = self.commands.lock().await;
        let line = timeout(PATIENCE, commands.1.next_line()).await??;
        ensure!(line.as_deref() == Some(expected), "PostgreSQL says {line:?}");
        Ok(())
    }
}

fn section(address: &str, schema: &str) -> String {
    format!("[storage.postgres]\nurl = \"{}\"\nschema = \"{schema}\"\n", url(address))
}

fn url(address: &str) -> String {
    format!("postgres://postgres@{address}/postgres")
}
