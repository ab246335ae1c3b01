//! Clients of the socket: the package `pyln-client`, and bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{other_languages, run};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::{shape, strict};

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls methods with `pyln-client`, and compares each answer with the shape of Core Lightning's.
pub(super) struct Pyln {
    python: PathBuf,
    socket: PathBuf,
}

impl Pyln {
    pub(super) async fn new(socket: PathBuf) -> Result<Self> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Ok(Self { python: other_languages::python_for_cln(tmp).await?, socket })
    }

    /// The socket that it calls.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What a method returned or raised.
    pub(super) async fn call(&self, method: &str, arguments: Value) -> Result<Value> {
        let mut command = Command::new(&self.python);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/cln/call.py");
        command.arg(script).arg(&self.socket).arg(method).arg(arguments.to_string());
        let printed = run(command, PATIENCE).await?.success()?;
        let answer: Value = serde_json::from_str(&printed)
            .with_context(|| format!("{method} printed {printed}"))?;
        if let Some(result) = answer.get("result") {
            // Methods that the package has no function for are called by their names.
            let by_name = arguments["method"].as_str().filter(|_| method == "call");
            strict::read(by_name.unwrap_or(method), result)?;
        }
        Ok(answer)
    }

    /// The result of a method, which has all that Core Lightning always answers, and nothing else.
    pub(super) async fn result(&self, method: &str, arguments: Value) -> Result<Value> {
        let mut answer = self.call(method, arguments).await?;
        ensure!(answer.get("error").is_none(), "{method}: {answer}");
        let result = answer["result"].take();
        let differences = shape::differences(method, &result);
        ensure!(differences.is_empty(), "{method}: {differences:?} in {result}");
        Ok(result)
    }

    /// The number and the text of the error of a method.
    pub(super) async fn error(&self, method: &str, arguments: Value) -> Result<(i64, String)> {
        let answer = self.call(method, arguments).await?;
        let error = &answer["error"];
        let code = error["code"].as_i64().with_context(|| format!("{method}: {answer}"))?;
        Ok((code, error["message"].as_str().unwrap_or_default().to_owned()))
    }
}

/// A connection to the socket.
pub(super) struct Raw {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Raw {
    pub(super) async fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket).await?, read: Vec::new() })
    }

    pub(super) async fn send(&mut self, text: &[u8]) -> Result<()> {
        timeout(PATIENCE, self.stream.write_all(text)).await??;
        Ok(())
    }

    /// Where the bytes go.
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Tells that nothing more is sent.
    pub(super) async fn finish(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// The next reply, if there is one before the connection ends.
    pub(super) async fn reply(&mut self) -> Result<Option<Value>> {
        loop {
            let end = self.read.windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let text: Vec<u8> = self.read.drain(..end + 2).collect();
                return Ok(Some(serde_json::from_slice(&text)?));
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await?;
            // What was sent and not read ends a connection so.
            if read.unwrap_or_default() == 0 {
                ensure!(self.read.is_empty(), "half a reply: {:?}", self.read);
                return Ok(None);
            }
        }
    }

    /// The next reply, which there must be.
    pub(super) async fn next(&mut self) -> Result<Value> {
        self.reply().await?.context("the connection has ended")
    }
}
