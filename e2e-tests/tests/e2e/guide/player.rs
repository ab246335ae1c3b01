//! Does what the guide says, one step after the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{CommandOutput, Group, Log, Network, Node, Process, run, until};
use serde_json::{Map, Value};
use tokio::process::Command;

use crate::guide::document::Action;
use crate::guide::examples::Examples;
use crate::guide::likeness;
use crate::guide::programs::{self, Program};
use crate::guide::recording::Recording;
use crate::guide::words::Words;

const PATIENCE: Duration = Duration::from_secs(60);
/// Where what is found is to be written into the guide, it need not come to be as it was.
const WRITING_PATIENCE: Duration = Duration::from_secs(15);
/// Commands that begin like this change nothing, so they can be asked again until the answer is as
/// shown.
const QUESTIONS: [&str; 5] = ["get-", "list-", "graph-", "decode-", "export-"];

pub(crate) struct Player<'a> {
    network: &'a Network,
    nodes: BTreeMap<String, Arc<Node>>,
    words: Words,
    last: Option<Last>,
    followers: BTreeMap<String, Follower>,
    program: Option<Program>,
    count: usize,
    /// Transactions of which an event has told, and that nobody has waited for.
    expected_txids: Vec<String>,
    /// The answers, by the line of their block in the guide, if they are to be written there.
    corrections: Option<Vec<(usize, String)>>,
    recording: Recording,
}

/// The last command, and how it ended.
struct Last {
    node: String,
    shell: String,
    output: CommandOutput,
    repeatable: bool,
}

/// A node whose events are printed.
struct Follower {
    _process: Process,
    log: Log,
    seen: usize,
}

impl<'a> Player<'a> {
    pub(crate) async fn new(
        network: &'a Network,
        nodes: &[Arc<Node>],
        write: bool,
    ) -> Result<Self> {
        let recording = Recording::start(nodes).await?;
        let nodes = nodes.iter().map(|node| (node.alias().to_owned(), Arc::clone(node))).collect();
        Ok(Self {
            network,
            nodes,
            words: Words::default(),
            last: None,
            followers: BTreeMap::new(),
            program: None,
            count: 0,
            expected_txids: Vec::new(),
            corrections: write.then(Vec::new),
            recording,
        })
    }

    pub(crate) async fn play(&mut self, action: Action, line: usize) -> Result<()> {
        // What an answer or a failure says is for the block after it; all else must have succeeded.
        if !matches!(action, Action::Failure(_) | Action::Answer(_)) {
            self.succeeded()?;
        }
        match action {
            Action::Shell(text) => self.shell(&text).await,
            Action::Answer(shown) => self.answered(&shown, line).await,
            Action::Event(shown) => self.event(&shown, line).await,
            Action::Failure(shown) => self.failed(&shown, line),
            Action::Regtest(text) => self.regtest(&text).await,
            Action::Program(language, text) => self.run_program(&language, &text).await,
        }
    }

    async fn shell(&mut self, text: &str) -> Result<()> {
        let text = self.words.fill_in(text)?;
        let words: Vec<&str> = text.lines().last().unwrap_or_default().split(' ').collect();
        let [node, command, ..] = words[..] else { bail!("{text:?} is no command") };
        ensure!(self.nodes.contains_key(node), "{node:?} is no node");
        self.count += 1;
        if command == "events" {
            return self.follow(node, &words[1..]);
        }
        let repeatable = QUESTIONS.iter().any(|question| command.starts_with(question));
        let node = node.to_owned();
        self.recording.forget(&node);
        let output = self.bash(&text).await?;
        self.last = Some(Last { node, shell: text, output, repeatable });
        Ok(())
    }

    /// Runs commands in a shell that knows the nodes by their names, as the reader's does.
    async fn bash(&self, text: &str) -> Result<CommandOutput> {
        let mut script = String::new();
        for (name, node) in &self.nodes {
            let cli = self.network.tools().ldk_server_cli.display();
            let config = node.config_file().display();
            let address = self.recording.address(name);
            script += &format!(
                "{name}() {{ '{cli}' --config '{config}' --base-url '{address}' \"$@\"; }}\n"
            );
        }
        let mut bash = Command::new("bash");
        bash.args(["-euc", &format!("{script}{text}")]);
        run(bash, PATIENCE).await
    }

    async fn answered(&mut self, shown: &Value, line: usize) -> Result<()> {
        let mut last = self.last.take().context("nothing was asked")?;
        let outcome = if last.repeatable && !self.is_to_be_filled_in(shown) {
            until("the answer is as shown", self.patience(), async || {
                let first = last.output.clone().success().and_then(|text| alike(shown, &text));
                if first.is_err() {
                    last.output = self.bash(&last.shell).await?;
                }
                first
            })
            .await
        } else {
            last.output.clone().success().and_then(|text| alike(shown, &text))
        };
        let answer = last.output.success()?;
        self.words.learn(&last.node, &serde_json::from_str(&answer)?);
        self.recording.add_last_call(&last.node)?;
        self.settle(outcome, line, answer.trim_end())
    }

    fn follow(&mut self, node: &str, command: &[&str]) -> Result<()> {
        let log = Log::new(self.network.dir().join(format!("{node}-events.log")));
        let recorded = ["--base-url", self.recording.address(node)];
        let command = self.nodes[node].cli_command(&[&recorded, command].concat());
        let process = Process::spawn("events", command, &log, Group::Shared)?;
        self.followers.insert(node.to_owned(), Follower { _process: process, log, seen: 0 });
        Ok(())
    }

    /// Waits for the next event that looks like this one, of any node that is followed.
    async fn event(&mut self, shown: &Value, line: usize) -> Result<()> {
        let patience = self.patience();
        let sketch = self.sketched_event(shown);
        let followers = &mut self.followers;
        let words = &mut self.words;
        let mut last_seen = None;
        let outcome = until("the event that is shown", patience, async || {
            for (node, follower) in followers.iter_mut() {
                let text = follower.log.text();
                for event in text.split_inclusive('\n').skip(follower.seen) {
                    let event: Value = serde_json::from_str(event)?;
                    follower.seen += 1;
                    last_seen = Some((node.clone(), event.clone()));
                    let is_sketched = sketch.is_some_and(|kind| event["event"].get(kind).is_some());
                    if is_sketched || likeness::check(shown, &event).is_ok() {
                        words.learn(node, &event);
                        return Ok(());
                    }
                }
            }
            bail!("the last event was {last_seen:?}")
        })
        .await;
        let (node, found) = last_seen.context("there was no event")?;
        self.recording.add_event(&node, &found)?;
        self.expected_txids.extend(pending_txid(&found));
        let outcome = outcome.and_then(|()| likeness::check(shown, &found));
        self.settle(outcome, line, &serde_json::to_string_pretty(&found)?)
    }

    fn patience(&self) -> Duration {
        if self.corrections.is_some() { WRITING_PATIENCE } else { PATIENCE }
    }

    /// The kind of event that is meant, if the guide says no more than `{"event": {"the_kind": {}}}`
    /// and is to be filled in.
    fn sketched_event<'s>(&self, shown: &'s Value) -> Option<&'s String> {
        let (kind, content) = shown["event"].as_object()?.iter().next()?;
        (self.corrections.is_some() && *content == Value::Object(Map::new())).then_some(kind)
    }

    /// Whether the guide leaves this block empty, so that what is found can be written there.
    fn is_to_be_filled_in(&self, shown: &Value) -> bool {
        self.corrections.is_some() && *shown == Value::Object(Map::new())
    }

    fn failed(&mut self, shown: &str, line: usize) -> Result<()> {
        let last = self.last.take().context("nothing was asked")?;
        ensure!(last.output.code == Some(1), "{:?}", last.output);
        let found = last.output.stderr.trim_end();
        let outcome = likeness::same_words(shown, found).then_some(());
        self.settle(outcome.with_context(|| found.to_owned()), line, found)
    }

    async fn regtest(&mut self, text: &str) -> Result<()> {
        let blocks = text.strip_prefix("mine ").context("only mining is known")?.parse()?;
        // A reader takes longer than a transaction to be broadcast.
        for txid in std::mem::take(&mut self.expected_txids) {
            until(&format!("{txid} is broadcast"), PATIENCE, async || {
                self.network.bitcoind().transaction(&txid).await
            })
            .await?;
        }
        self.network.mine(blocks).await
    }

    async fn run_program(&mut self, language: &str, text: &str) -> Result<()> {
        self.end_program().await?;
        self.count += 1;
        let place: PathBuf = self.network.dir().join(language);
        let play = self.network.dir();
        let mut program = programs::start(language, &self.here(text), &place, play)
            .await
            .context("cannot start")?;
        let printed = program.first_line().await?;
        self.words.learn(language, &printed);
        self.program = Some(program);
        Ok(())
    }

    /// The program with the directory of this network for the one of the guide's reader.
    fn here(&self, text: &str) -> String {
        text.replace("/tmp/play", &self.network.dir().display().to_string())
    }

    async fn end_program(&mut self) -> Result<()> {
        match self.program.take() {
            Some(program) => program.ends_well().await,
            None => Ok(()),
        }
    }

    /// Fails if the last command did, and the guide does not say so.
    fn succeeded(&mut self) -> Result<()> {
        let Some(last) = self.last.take() else { return Ok(()) };
        if let Ok(answer) = serde_json::from_str(&last.output.success()?) {
            self.words.learn(&last.node, &answer);
        }
        self.recording.add_last_call(&last.node)
    }

    /// An answer that is not as shown fails the test, unless all are written into the guide.
    fn settle(&mut self, outcome: Result<()>, line: usize, found: &str) -> Result<()> {
        match (&mut self.corrections, outcome) {
            (None, outcome) => outcome,
            (Some(corrections), outcome) => {
                if let Err(error) = outcome {
                    println!("line {line}: {error:#}");
                }
                corrections.push((line, found.to_owned()));
                Ok(())
            },
        }
    }

    /// What is to be written into the guide, by the line of its block.
    pub(crate) fn corrections(&self) -> &[(usize, String)] {
        self.corrections.as_deref().unwrap_or_default()
    }

    /// Ends what was started, and returns how much was executed, and what the calls consisted of.
    pub(crate) async fn finish(mut self) -> Result<(usize, Examples)> {
        self.succeeded()?;
        self.end_program().await?;
        Ok((self.count, self.recording.into_examples()))
    }
}

fn alike(shown: &Value, printed: &str) -> Result<()> {
    likeness::check(shown, &serde_json::from_str(printed)?)
}

/// The transaction that a channel or a splice waits for, if that is what the event tells.
fn pending_txid(event: &Value) -> Option<String> {
    let event = &event["event"];
    let change = ["channel_state_changed", "splice_state_changed"]
        .iter()
        .find_map(|kind| event.get(*kind))?;
    change["state"].as_str()?.ends_with("_PENDING").then_some(())?;
    Some(change["funding_txo"].as_str()?.split(':').next()?.to_owned())
}
