//! A client that does what a test asks for: a program in the client's language, or one that listens only.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Group, Log};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A payment may be tried for a minute, and what comes after a restart may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program, asked by lines of JSON at its standard input.
pub(super) struct Driver {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What it has printed that was no answer.
    told: Vec<String>,
    log: Log,
    _child: Child,
}

impl Driver {
    /// Starts a program; what it writes to standard error is in `log`.
    pub(super) fn spawn(mut command: Command, log: Log) -> Result<Self> {
        Group::Shared.apply(&mut command);
        command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        let error = log.open()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(error);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let output = BufReader::new(output).lines();
        Ok(Self { input, output, told: Vec::new(), log, _child: child })
    }

    /// What the program answers to a request.
    pub(super) async fn ask(&mut self, request: &Value) -> Result<Value> {
        self.input.write_all(format!("{request}\n").as_bytes()).await?;
        loop {
            let line = self.line().await.with_context(|| format!("{request}"))?;
            let answer = serde_json::from_str(&line).map(|mut line: Value| line["answer"].take());
            match answer {
                Ok(answer) if line.starts_with(r#"{"answer""#) => {
                    ensure!(answer.get("raised").is_none(), "{request}: {answer}");
                    return Ok(answer);
                },
                _ => self.told.push(line),
            }
        }
    }

    /// Waits until the program has printed a line with this text, which is no answer.
    pub(super) async fn says(&mut self, text: &str) -> Result<()> {
        loop {
            if let Some(index) = self.told.iter().position(|line| line.contains(text)) {
                self.told.drain(..=index);
                return Ok(());
            }
            let line = self.line().await.with_context(|| format!("it does not say {text:?}"))?;
            self.told.push(line);
        }
    }

    async fn line(&mut self) -> Result<String> {
        let line = timeout(PATIENCE, self.output.next_line()).await;
        let line = line.with_context(|| self.log.tail())?.with_context(|| self.log.tail())?;
        line.with_context(|| format!("it has ended: {}", self.log.tail()))
    }
}
