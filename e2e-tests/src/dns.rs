//! A DNS server that has one answer, and nothing to prove it with.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::ports::Port;

/// What comes before the question in every message.
const HEADER_BYTES: usize = 12;
/// In an answer: the name is the one at this place of the message, where the question is.
const NAME_OF_THE_QUESTION: [u8; 2] = [0xc0, HEADER_BYTES as u8];
const TXT: [u8; 2] = [0, 16];
const RRSIG: [u8; 2] = [0, 46];
const INTERNET: [u8; 2] = [0, 1];
const TTL: [u8; 4] = [0, 0, 0, 60];
const STRING_BYTES: usize = 255;

/// How the server answers every question.
#[derive(Clone, Debug)]
pub enum DnsAnswer {
    /// With this text, which it says to have proved, and no signature.
    Unsigned(String),
    /// With this text, and a signature by somebody else.
    Forged(String),
    /// That there is no such name.
    NoSuchName,
    /// Not at all.
    Silence,
}

/// A DNS server on TCP. Dropping it closes its port, which stays its own.
#[derive(Debug)]
pub struct DnsServer {
    port: Arc<Port>,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    answer: DnsAnswer,
    asked: Vec<String>,
}

impl DnsServer {
    /// Starts a server on this port.
    pub async fn start(port: Arc<Port>, answer: DnsAnswer) -> Result<Self> {
        let listener = TcpListener::bind(port.address()).await?;
        let state = Arc::new(Mutex::new(State { answer, asked: Vec::new() }));
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { port, state, task })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Answers in this way from now on.
    pub fn answers(&self, answer: DnsAnswer) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answer = answer;
    }

    /// Stops it, and waits until its port is closed.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// The names that it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // One after the other: whoever is not answered has gone before the next asks.
        let _ = converse(stream, &state).await;
    }
}

async fn converse(mut stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    loop {
        let mut query = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut query).await?;
        let question = question(&query).context("not a question")?;
        let name = name_of(question).context("not a name")?;
        let answer = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.asked.push(name);
            state.answer.clone()
        };
        if let Some(message) = message(question, &answer) {
            stream.write_u16(u16::try_from(message.len())?).await?;
            stream.write_all(&message).await?;
        }
    }
}

/// The question of a message: name, type and class.
fn question(query: &[u8]) -> Option<&[u8]> {
    let begin = query.get(HEADER_BYTES..)?;
    let name = begin.iter().position(|byte| *byte == 0)? + 1;
    begin.get(..name + TXT.len() + INTERNET.len())
}

/// The name that is asked for, with a dot after each label.
fn name_of(mut question: &[u8]) -> Option<String> {
    let mut name = String::new();
    loop {
        let (length, rest) = question.split_first()?;
        if *length == 0 {
            return Some(name);
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        name.push_str(&String::from_utf8_lossy(label));
        name.push('.');
        question = rest;
    }
}

fn message(question: &[u8], answer: &DnsAnswer) -> Option<Vec<u8>> {
    let (code, records) = match answer {
        DnsAnswer::Unsigned(text) => (0, vec![record(TXT, &strings(text))?]),
        DnsAnswer::Forged(text) => {
            (0, vec![record(TXT, &strings(text))?, record(RRSIG, &forged_signature(question)?)?])
        },
        DnsAnswer::NoSuchName => (3, Vec::new()),
        DnsAnswer::Silence => return None,
    };
    let count = u8::try_from(records.len()).ok()?;
    // An answer to the question 0 by a server that recurses and says that it checked all proofs.
    let header = [0, 0, 0x81, 0xa0 | code, 0, 1, 0, count, 0, 0, 0, 0];
    Some([&header[..], question, &records.concat()].concat())
}

/// A record of the name that is asked for.
fn record(kind: [u8; 2], data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(data.len()).ok()?.to_be_bytes();
    Some([&NAME_OF_THE_QUESTION[..], &kind, &INTERNET, &TTL, &length, data].concat())
}

/// A text is made of strings, each with its length in a byte.
fn strings(text: &str) -> Vec<u8> {
    let parts = text.as_bytes().chunks(STRING_BYTES);
    parts.flat_map(|part| [&[part.len() as u8], part].concat()).collect()
}

/// What claims to be the signature of the text by the root of all names, valid for ever.
fn forged_signature(question: &[u8]) -> Option<Vec<u8>> {
    const RSA_SHA256: u8 = 8;
    const SIGNATURE: [u8; 256] = [7; 256];
    let labels = u8::try_from(name_of(question)?.matches('.').count()).ok()?;
    let (expires, begins, key_tag, signer) = ([0x7f, 0xff, 0xff, 0xff], [0; 4], [0x4f, 0x66], [0]);
    let algorithm = [RSA_SHA256, labels];
    let parts = [&TXT[..], &algorithm, &TTL, &expires, &begins, &key_tag, &signer, &SIGNATURE];
    Some(parts.concat())
}
