//! Clients of the service: the package `pyln-grpc-proto`, and stubs made of the node's own proto files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e_tests::{Group, Log, Node, Port, Process, other_languages, run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Calls a node's service.
pub(super) struct Grpc {
    python: PathBuf,
    stubs: TempDir,
    dir: PathBuf,
    port: u16,
}

/// A stream that has begun.
pub(super) struct Stream {
    process: Process,
    log: Log,
    _output: TempDir,
    /// How many lines of it were read.
    read: usize,
}

impl Grpc {
    pub(super) async fn new(node: &Node, port: &Port) -> Result<Self> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let python = other_languages::python_for_cln(tmp).await?;
        let stubs = tempfile::tempdir()?;
        other_languages::python_stubs_for_cln(&python, stubs.path()).await?;
        let dir = super::files(node).ca_cert.parent().context("no directory")?.to_owned();
        Ok(Self { python, stubs, dir, port: port.number() })
    }

    fn command(&self, whose: &str, call: &str, request: &Value) -> Command {
        let mut command = Command::new(&self.python);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/cln/grpc_call.py");
        command.env("PYTHONPATH", self.stubs.path()).arg(script).arg(whose);
        command.arg(self.port.to_string()).arg(&self.dir).arg(call).arg(request.to_string());
        command
    }

    async fn printed(&self, whose: &str, call: &str, request: Value) -> Result<Value> {
        let printed = run(self.command(whose, call, &request), PATIENCE).await?.success()?;
        serde_json::from_str(&printed).with_context(|| format!("{call} printed {printed}"))
    }

    /// What `pyln-grpc-proto` was answered.
    pub(super) async fn pyln(&self, call: &str, request: Value) -> Result<Value> {
        let answer = self.printed("pyln", call, request).await?;
        ensure!(answer.get("error").is_none(), "{call}: {answer}");
        Ok(answer)
    }

    /// What a client with newer stubs was answered.
    pub(super) async fn own(&self, call: &str, request: Value) -> Result<Value> {
        let answer = self.printed("own", call, request).await?;
        ensure!(answer.get("error").is_none(), "{call}: {answer}");
        Ok(answer)
    }

    /// The code and the text that a call fails with.
    pub(super) async fn error(&self, call: &str, request: Value) -> Result<(String, String)> {
        let answer = self.printed("own", call, request).await?;
        let text = |name: &str| answer["error"][name].as_str().map(str::to_owned);
        text("code").zip(text("details")).with_context(|| format!("{call}: {answer}"))
    }

    /// Subscribes.
    pub(super) async fn stream(&self, call: &str) -> Result<Stream> {
        let output = tempfile::tempdir()?;
        let log = Log::new(output.path().join("output.txt"));
        let command = self.command("own", call, &serde_json::json!({}));
        let process = Process::spawn(call, command, &log, Group::Shared)?;
        let mut stream = Stream { process, log, _output: output, read: 0 };
        let begun = stream.next().await?;
        ensure!(begun["begun"] == true, "{call}: {begun}");
        Ok(stream)
    }

    /// What document 002's program prints.
    pub(super) async fn tutorial(&self) -> Result<String> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/cln/getinfo.py");
        let mut command = Command::new(&self.python);
        command.current_dir(&self.dir).env("PYTHONPATH", self.stubs.path());
        command.arg(program).arg(self.port.to_string());
        run(command, PATIENCE).await?.success()
    }
}

impl Stream {
    /// The next message, or the error that the stream has ended with.
    pub(super) async fn next(&mut self) -> Result<Value> {
        let message = other_languages::printed(&mut self.process, &self.log, self.read).await?;
        self.read += 1;
        Ok(message)
    }

    /// The next message for which this holds.
    pub(super) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let message = self.next().await?;
            ensure!(message.get("error").is_none(), "{message}");
            if wanted(&message) {
                return Ok(message);
            }
        }
    }
}

/// Bytes, as the JSON of protobuf has them, in hexadecimal.
pub(super) fn hex(value: &Value) -> Result<String> {
    let text = value.as_str().with_context(|| format!("no bytes: {value}"))?;
    Ok(hex::encode(BASE64_STANDARD.decode(text)?))
}

/// Bytes in hexadecimal, as the JSON of protobuf has them.
pub(super) fn bytes(hex: &str) -> Result<String> {
    Ok(BASE64_STANDARD.encode(hex::decode(hex)?))
}
