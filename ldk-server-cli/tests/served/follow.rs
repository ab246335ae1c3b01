//! The command `events`.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;
use tonic::Status;

use crate::cli;
use crate::script::{End, SCRIPT_IS_OVER, Scene, Script, stopping, stream};
use crate::server::{DEADLINE, TestServer};

/// The running command.
struct Events {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _home: TempDir,
}

impl Events {
    fn follow(server: &TestServer, options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = cli(server, &home);
        command.arg("events").args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, _home: home }
    }

    /// The number in the next line, or `None` at the end.
    async fn next(&mut self) -> Option<u64> {
        let line = timeout(DEADLINE, self.lines.next_line()).await.expect("no line in time");
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()?).unwrap();
        Some(event["event_index"].as_u64().unwrap())
    }

    /// What else it prints until it fails: the numbers, and standard error.
    async fn fails(mut self) -> (Vec<u64>, String) {
        let mut numbers = Vec::new();
        while let Some(number) = self.next().await {
            numbers.push(number);
        }
        let mut notes = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        timeout(DEADLINE, stderr.read_to_string(&mut notes)).await.unwrap().unwrap();
        let status = timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(1), "{notes}");
        (numbers, notes)
    }
}

async fn played(options: &[&str], script: &Script) -> (Vec<u64>, String) {
    let server = TestServer::start(script.clone()).await;
    Events::follow(&server, options).fails().await
}

#[tokio::test]
async fn it_goes_on_where_it_stopped_and_standard_error_tells_of_it() {
    let away = || Scene::Refused(Status::unavailable("the node is starting"));
    let script = Script::new([
        stream(4, [5, 6], stopping()),
        away(),
        away(),
        stream(7, [7], End::Status(Status::out_of_range("the oldest event is 9"))),
    ]);
    let (numbers, notes) = played(&[], &script).await;
    assert_eq!(numbers, [5, 6, 7]);
    let expected = "Connection lost: the server is stopping. Trying again until it is back.\n\
                    Connection restored.\n\
                    Error (Internal Error): the oldest event is 9\n";
    assert_eq!(notes, expected);
    assert!(script.acknowledged().is_empty());
}

#[tokio::test]
async fn it_begins_after_the_event_that_is_named() {
    let script = Script::new([stream(9, [4, 5], stopping())]);
    let (numbers, notes) = played(&["--after", "3"], &script).await;
    assert_eq!(numbers, [4, 5]);
    assert!(notes.ends_with(&format!("{SCRIPT_IS_OVER}\n")), "{notes}");
    let nobody = String::new;
    assert_eq!(script.subscriptions(), [(Some(3), nobody()), (Some(5), nobody())]);
}

#[tokio::test]
async fn a_consumer_acknowledges_each_event_as_soon_as_it_is_printed() {
    let script = Script::new([stream(9, [4, 5], End::Open), stream(9, [6], stopping())]);
    let server = TestServer::start(script.clone()).await;
    let mut events = Events::follow(&server, &["--consumer", "shop"]);
    assert_eq!([events.next().await, events.next().await], [Some(4), Some(5)]);
    let shop = |index| ("shop".to_owned(), index);
    let acknowledged = async {
        while script.acknowledged() != [shop(4), shop(5)] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, acknowledged).await.expect("not acknowledged");
    server.drop_connections();
    assert_eq!(events.fails().await.0, [6]);
    assert_eq!(script.acknowledged(), [shop(4), shop(5), shop(6)]);
    let place = |index: Option<u64>| (index, "shop".to_owned());
    assert_eq!(script.subscriptions(), [place(None), place(Some(5)), place(Some(6))]);
}

#[tokio::test]
async fn an_acknowledgement_that_the_server_was_away_for_is_repeated() {
    let script = Script::new([stream(9, [4, 5], stopping())]);
    let script =
        script.refusing_acks([(); 2].map(|()| Status::unavailable("the server is stopping")));
    let (numbers, notes) = played(&["--consumer", "shop"], &script).await;
    assert_eq!(numbers, [4, 5]);
    let told = "Event 4 is not acknowledged yet: the server is stopping. Trying again.\n";
    assert!(notes.starts_with(told), "{notes}");
    let indices: Vec<_> = script.acknowledged().into_iter().map(|(_, index)| index).collect();
    assert_eq!(indices, [4, 4, 4, 5]);
}

#[tokio::test]
async fn an_acknowledgement_that_is_refused_is_a_failure() {
    let script = Script::new([stream(9, [4, 5], End::Open)]);
    let script = script.refusing_acks([Status::not_found("no consumer \"shop\"")]);
    let (numbers, notes) = played(&["--consumer", "shop"], &script).await;
    assert_eq!(numbers, [4]);
    assert_eq!(notes, "Error (Internal Error): no consumer \"shop\"\n");
}

#[tokio::test]
async fn a_server_that_cannot_serve_at_first_is_a_failure_at_once() {
    let refused = || Scene::Refused(Status::unavailable("the node is starting"));
    let script = Script::new([refused(), refused()]);
    let (numbers, notes) = played(&[], &script).await;
    assert!(numbers.is_empty());
    assert_eq!(notes, "Error (Internal Error): the node is starting\n");
    assert_eq!(script.subscriptions().len(), 1);
}
