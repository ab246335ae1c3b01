//! The program against a small server of the same gRPC service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod follow;
mod lists;
#[allow(dead_code, reason = "the tests of the client use the rest")]
#[path = "../../../ldk-server-client/tests/client/script.rs"]
mod script;
#[allow(dead_code, reason = "the tests of the client use the rest")]
#[path = "../../../ldk-server-client/tests/client/server.rs"]
mod server;

use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use server::{API_KEY, TestServer};

/// The program with the options for this server. It ends when its handle is dropped.
fn cli(server: &TestServer, home: &TempDir) -> Command {
    let pem = home.path().join("tls.crt");
    fs::write(&pem, &server.pem).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ldk-server-cli"));
    command.args(["-b", &server.address.to_string(), "-a", API_KEY, "-t"]).arg(&pem);
    command.env("HOME", home.path()).kill_on_drop(true);
    command
}
