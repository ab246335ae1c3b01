//! A client of CLNRest: Python's `requests`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e_tests::{Node, Port, other_languages, run};
use ldk_server_grpc::places;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(90);

/// Calls a node's CLNRest.
pub(crate) struct Rest {
    python: PathBuf,
    node: Arc<Node>,
    /// Without a path.
    pub(super) url: String,
    /// One that allows everything.
    pub(super) admin: String,
}

/// The section that turns it on.
pub(super) fn section(port: &Port, has_tls: bool) -> String {
    format!("[cln]\nrest_address = \"{}\"\nrest_tls = {has_tls}\n", port.address())
}

impl Rest {
    pub(crate) async fn new(node: &Arc<Node>, url: String) -> Result<Self> {
        let python = other_languages::python(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
        let admin = rune(node, &["--preset", "admin"]).await?;
        Ok(Self { python, node: Arc::clone(node), url, admin })
    }

    /// A rune that allows everything.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// Runs one of the programs in the directory `python`.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name));
        command
    }

    pub(super) fn certificate(&self) -> PathBuf {
        places::tls_cert_file(&self.node.config().storage_dir)
    }

    /// The answers to these requests, one after the other.
    pub(super) async fn answers(&self, requests: &[Value]) -> Result<Vec<Value>> {
        let mut command = self.program("cln_rest.py");
        command.arg(self.certificate()).arg(json!(requests).to_string());
        let printed = run(command, PATIENCE).await?.success()?;
        serde_json::from_str(&printed).with_context(|| printed)
    }

    /// A call of a method with this rune, and parameters in JSON if there are any.
    pub(crate) fn call(&self, rune: &str, method: &str, params: Value) -> Value {
        let mut request = json!({
            "method": "POST",
            "url": format!("{}/v1/{method}", self.url),
            "headers": {"rune": rune},
        });
        if !params.is_null() {
            request["json"] = params;
        }
        request
    }

    /// The status and the body of the answer to one request.
    pub(crate) async fn answer(&self, request: Value) -> Result<(u64, Value)> {
        let mut answers = self.answers(&[request]).await?;
        let mut answer = answers.pop().context("no answer")?;
        let status = answer["status"].as_u64().context("no status")?;
        Ok((status, answer["body"].take()))
    }

    /// What a method answers to whoever may do everything.
    pub(super) async fn result(&self, method: &str, params: Value) -> Result<Value> {
        let (status, body) = self.answer(self.call(&self.admin, method, params)).await?;
        anyhow::ensure!(status == 201, "{method}: {status} {body}");
        Ok(body)
    }

    /// The statuses of the answers, and the numbers of their errors.
    pub(super) async fn codes(&self, requests: &[Value]) -> Result<Vec<(u64, Value)>> {
        let answers = self.answers(requests).await?;
        let code = |answer: &Value| {
            let body = &answer["body"];
            assert_eq!(body["code"], body["error"]["code"], "{body}");
            assert_eq!(body["message"], body["error"]["message"], "{body}");
            (answer["status"].as_u64().unwrap_or_default(), body["code"].clone())
        };
        Ok(answers.iter().map(code).collect())
    }
}
