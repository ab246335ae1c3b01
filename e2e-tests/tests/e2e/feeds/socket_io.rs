//! The programs that Core Lightning's documentation has for CLNRest, as they are, with the libraries as
//! they are today.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Group, Log, Network, Node, Process, other_languages, until};
use ldk_server_client::api::ListEventConsumersRequest;
use ldk_server_grpc::places;
use tokio::process::Command;

use super::{CHANNEL_SATS, pay, server_sent};
use crate::permissions::rune;

const PATIENCE: Duration = Duration::from_secs(60);
/// The rune that the documentation has for this, and one that may acknowledge, too.
const OF_CLNREST: &str = "method=listclnrest-notifications";
const ACKNOWLEDGES: &str = "method=listclnrest-notifications|method=ack-events";

/// A program that prints messages, and its log.
struct Program {
    process: Process,
    log: Log,
    printed: usize,
}

impl Program {
    async fn start(
        name: &str,
        mut command: Command,
        node: &Node,
        (query, restriction): (&str, &str),
    ) -> Result<Self> {
        let rune = rune(node, &[restriction]).await?;
        let port = node.config().grpc.address();
        let port = port.rsplit(':').next().unwrap_or_default().to_owned();
        // With one of these, requests overrides the certificate that the program names.
        command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        command.arg(format!("https://localhost:{port}{query}")).arg(rune);
        command.arg(places::tls_cert_file(&node.config().storage_dir));
        let log = Log::new(node.config().storage_dir.join(format!("{name}.log")));
        let process = Process::spawn(name, command, &log, Group::Shared)?;
        log.says("Client Connected").await?;
        Ok(Self { process, log, printed: 0 })
    }

    /// The next message it prints has this number.
    async fn prints(&mut self, event_index: u64) -> Result<()> {
        let printed = other_languages::printed(&mut self.process, &self.log, self.printed).await?;
        assert_eq!(printed["event_index"], event_index, "{printed}");
        self.printed += 1;
        Ok(())
    }
}

fn program(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_programs_print_our_events() -> Result<()> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = other_languages::python(tmp).await?;
    let packages = other_languages::node_packages(tmp).await?;
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(CHANNEL_SATS).await?;
    let reads_events = rune(&bob, &["group=events"]).await?;

    let mut in_python = Command::new(python);
    in_python.arg(program("python/socketio_client.py"));
    let mut in_javascript = Command::new("node");
    in_javascript.arg(program("javascript/socketio_client.js")).env("NODE_PATH", packages);
    let head = server_sent::head(&bob, &reads_events).await?;
    let mut programs = [
        Program::start("python", in_python, &bob, ("", OF_CLNREST)).await?,
        Program::start("javascript", in_javascript, &bob, ("?consumer=shop", ACKNOWLEDGES)).await?,
    ];
    pay(&alice, &bob).await?;
    let told = server_sent::head(&bob, &reads_events).await?;
    for program in &mut programs {
        for index in head + 1..=told {
            program.prints(index).await?;
        }
    }
    // The one with a name misses nothing while the node is away, and comes again by itself.
    let ([_, mut named], mut last) = (programs, told);
    for is_kill in [true, false] {
        acknowledged(&bob, last).await?;
        if is_kill {
            bob.kill().await?;
        } else {
            bob.stop().await?;
        }
        bob.start_again().await?;
        network.usable(&alice, &bob).await?;
        pay(&alice, &bob).await?;
        let head = server_sent::head(&bob, &reads_events).await?;
        for index in last + 1..=head {
            named.prints(index).await?;
        }
        last = head;
    }
    network.stop().await
}

/// Waits until the consumer has acknowledged this event.
async fn acknowledged(node: &Node, event_index: u64) -> Result<()> {
    until("it is acknowledged", PATIENCE, async || {
        let request = ListEventConsumersRequest {};
        let known = node.client().list_event_consumers(request).await?.consumers;
        let acknowledged = known.iter().map(|consumer| consumer.acknowledged_index).max();
        ensure!(acknowledged == Some(event_index), "{known:?}");
        Ok(())
    })
    .await
}
