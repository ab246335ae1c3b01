//! The program as scripts see it: what goes to which stream, and the exit status.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the program with an empty home directory.
struct Cli {
    home: TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ldk-server-cli"))
            .args(arguments)
            .env("HOME", self.home.path())
            .output()
            .unwrap()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, content).unwrap();
        text_of(&path)
    }
}

fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_fails(output: &Output, status: i32, message: &str) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(stderr(output).contains(message), "{}", stderr(output));
    assert_eq!(stdout(output), "");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let cli = Cli::new();
    for arguments in [&["--help"][..], &["help", "open-channel"], &["open-channel", "--help"]] {
        let output = cli.run(arguments);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains("Usage: ldk-server-cli"), "{output:?}");
    }
    let version = stdout(&cli.run(&["--version"]));
    assert_eq!(version, format!("ldk-server-cli {}\n", ldk_server_version::VERSION));
}

#[test]
fn wrong_usage_is_exit_status_2() {
    let cli = Cli::new();
    assert_fails(&cli.run(&[]), 2, "Usage: ldk-server-cli");
    assert_fails(&cli.run(&["no-such-command"]), 2, "no-such-command");
    assert_fails(&cli.run(&["bolt11-receive", "100"]), 2, "an amount ends in its unit");
    assert_fails(&cli.run(&["bolt11-receive", "1.5sat"]), 2, "a whole number");
    assert_fails(&cli.run(&["onchain-send", "bcrt1q", "--send-all"]), 2, "--send-all");
    let payment = &["spontaneous-send", "02aa", "1sat"][..];
    let run = |options: &[&str]| cli.run(&[payment, options].concat());
    assert_fails(&run(&["--custom-tlv", "1:00"]), 2, "at least 65536");
    let secret = "5ec7e7";
    let output = run(&["--preimage", secret]);
    assert_fails(&output, 2, "--preimage must be 64 hex digits");
    assert!(!stderr(&output).contains(secret), "{output:?}");
}

#[test]
fn a_page_token_that_is_none_is_an_invalid_request() {
    let cli = Cli::new();
    let file = cli.file("tls.crt", &certificate());
    for command in ["list-payments", "list-forwarded-payments", "list-audit-entries"] {
        let output = cli.run(&["-a", "00", "-t", &file, command, "--page-token", "1:2:3"]);
        assert_fails(&output, 1, "Error (Invalid Request): --page-token \"1:2:3\" must be");
    }
}

#[test]
fn a_missing_key_or_certificate_is_named_with_the_place_it_should_be_at() {
    let cli = Cli::new();
    let key = cli.home.path().join(".ldk-server/bitcoin/api_key");
    assert_fails(&cli.run(&["get-node-info"]), 1, &text_of(&key));
    let certificate = cli.home.path().join(".ldk-server/tls.crt");
    assert_fails(&cli.run(&["-a", "00", "get-node-info"]), 1, &text_of(&certificate));
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let cli = Cli::new();
    let file = cli.file("tls.crt", "no certificate\n");
    let output = cli.run(&["-a", "00", "-t", &file, "get-node-info"]);
    assert_fails(&output, 1, "Failed to create client: ");
}

#[test]
fn an_unparsable_configuration_is_an_error_and_a_missing_one_is_not() {
    let cli = Cli::new();
    let file = cli.file("config.toml", "[node\n");
    let output = cli.run(&["-c", &file, "-a", "00", "get-node-info"]);
    assert_fails(&output, 1, &format!("Failed to load config file {file}"));
    let output = cli.run(&["-c", "/nowhere/config.toml", "-a", "00", "get-node-info"]);
    assert_fails(&output, 1, "no TLS certificate found");
}

#[test]
fn a_server_that_cannot_be_reached_is_an_internal_error() {
    let cli = Cli::new();
    let file = cli.file("tls.crt", &certificate());
    let address = unused_address();
    for command in ["get-node-info", "events"] {
        let output = cli.run(&["-b", &address, "-a", "00", "-t", &file, command]);
        let message = format!("Error (Internal Error): cannot connect to {address}: ");
        assert_fails(&output, 1, &message);
    }
}

#[test]
fn the_address_and_certificate_of_the_configuration_are_used() {
    let cli = Cli::new();
    let file = cli.file("node.crt", &certificate());
    let address = unused_address();
    let config =
        format!("[node]\ngrpc_service_address = \"{address}\"\n[tls]\ncert_path = \"{file}\"\n");
    let config = cli.file("config.toml", &config);
    let output = cli.run(&["-c", &config, "-a", "00", "get-node-info"]);
    assert_fails(&output, 1, &format!("cannot connect to {address}"));
}

#[test]
fn a_socket_is_named_alone_and_a_certificate_with_its_key() {
    let cli = Cli::new();
    let run = |options: &[&str]| cli.run(&[options, &["get-node-info"]].concat());
    let socket = &["--unix-socket", "/nowhere.sock"][..];
    assert_fails(&run(socket), 1, "Error (Internal Error): cannot connect to /nowhere.sock: ");
    for other in [&["-a", "00"][..], &["-b", "localhost:1"], &["-t", "tls.crt"]] {
        assert_fails(&run(&[socket, other].concat()), 2, "cannot be used with");
    }
    assert_fails(&run(&["--client-cert", "client.pem"]), 2, "--client-key");
    let file = cli.file("tls.crt", &certificate());
    let (cert, key) = (cli.file("client.pem", &certificate()), cli.file("client.key", "s3cret"));
    let output = run(&["-t", &file, "--client-cert", &cert, "--client-key", &key]);
    assert_fails(&output, 1, "the key of the client certificate is not a PEM key");
    assert!(!stderr(&output).contains("s3cret"), "{output:?}");
    let output = run(&["-t", &file, "--client-cert", &cert, "--client-key", "/nowhere.pem"]);
    assert_fails(&output, 1, "cannot read /nowhere.pem");
}

#[test]
fn completions_need_neither_key_nor_configuration() {
    let cli = Cli::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = cli.run(&["-c", "/nowhere/config.toml", "completions", shell]);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains("get-node-info"), "{shell}");
    }
}

/// Made by the package `runes` of the Python package index.
const RUNE: &str = "N0cI__dxndWXnsh11WzSKG9tPPfsMXo7JWMqqyjsN7s=";

#[test]
fn a_rune_is_restricted_and_decoded_with_neither_key_nor_configuration() {
    let cli = Cli::new();
    let output = cli.run(&["restrict-rune", RUNE, "f1=1|f2=3", r"f3~\&\|\\"]);
    let expected = "S253BW1Lragb1CpCSLXYGt9AdrE4iFMlXmnO0alV5vlmMT0xfGYyPTMmZjN-XCZcfFxc";
    assert_eq!(stdout(&output), format!("{{\n  \"rune\": \"{expected}\"\n}}\n"));
    let output = cli.run(&["--format", "table", "decode-rune", expected]);
    assert!(stdout(&output).contains("f1=1|f2=3"), "{output:?}");
    assert!(!stdout(&output).contains(&expected[..8]), "{output:?}");
}

/// The answers are the blocks of JSON, in the order of the commands.
#[test]
fn the_page_about_runes_shows_what_is_printed() {
    let cli = Cli::new();
    let page = include_str!("../../docs/runes.md");
    let rune = page.lines().find_map(|line| line.strip_prefix("$ RUNE=")).unwrap();
    let answers: Vec<_> =
        page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let method = "method/Bolt11Send|pname_amount_msat<100000";
    let commands =
        [&["decode-rune", rune][..], &["restrict-rune", rune, "time<1800000000", method]];
    assert_eq!(answers.len(), commands.len());
    for (command, answer) in commands.iter().zip(answers) {
        assert!(command[2..].iter().all(|argument| page.contains(argument)));
        assert_eq!(stdout(&cli.run(command)), answer);
    }
}

#[test]
fn what_is_no_rune_is_an_invalid_request() {
    let cli = Cli::new();
    for command in [&["decode-rune", "-rune"][..], &["restrict-rune", "rune", "a=1"]] {
        assert_fails(&cli.run(command), 1, "Error (Invalid Request): RUNE: ");
    }
    let output = cli.run(&["restrict-rune", RUNE, "method"]);
    assert_fails(&output, 1, "RESTRICTION \"method\": \"method\" has no operator; one of =");
    assert_fails(&cli.run(&["restrict-rune", RUNE]), 2, "<RESTRICTION>");
    // Standard input is empty.
    assert_fails(&cli.run(&["decode-rune", "-"]), 1, "the rune is shorter than its code");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let cli = Cli::new();
    let dir = cli.home.path();
    let output = cli.run(&["-c", "/nowhere/config.toml", "man-pages", &text_of(dir)]);
    assert!(output.status.success(), "{output:?}");
    for (page, words) in [
        ("ldk-server-cli.1", "ldk\\-server\\-cli\\-open\\-channel(1)"),
        ("ldk-server-cli-open-channel.1", "Fee for forwarding"),
    ] {
        let page = fs::read_to_string(dir.join(page)).unwrap();
        assert!(page.contains(words), "{page}");
    }
    assert_fails(&cli.run(&["man-pages", "/nowhere"]), 1, "cannot write to /nowhere: ");
}

#[test]
fn what_would_act_on_the_terminal_is_escaped_in_errors() {
    let cli = Cli::new();
    let output = cli.run(&["-a", "00", "-t", "\u{202e}\u{1b}[31m.crt", "get-node-info"]);
    assert_fails(&output, 1, "\\u202e\\u001b[31m.crt");
}

/// An address nobody listens on: its port was free a moment ago.
fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
}
