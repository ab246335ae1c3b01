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
const INTERNET: [u8; 2] = [0, 1];
const TTL: [u8; 4] = [0, 0, 0, 60];
/// A text is made of strings, each with its length in a byte.
const STRING_BYTES: usize = 255;

/// How the server answers every question.
#[derive(Clone, Debug)]
pub enum DnsAnswer {
    /// With this text, which it says to have proved, and no signature.
    Unsigned(String),
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
        let (name, question) = question(&query).context("not a question")?;
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

/// The name that is asked for, and the whole question with type and class.
fn question(query: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            let whole = query.get(HEADER_BYTES..at + TXT.len() + INTERNET.len())?;
            return Some((name, whole));
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?));
        name.push('.');
        at += length;
    }
}

fn message(question: &[u8], answer: &DnsAnswer) -> Option<Vec<u8>> {
    let (code, text) = match answer {
        DnsAnswer::Unsigned(text) => (0, Some(text)),
        DnsAnswer::NoSuchName => (3, None),
        DnsAnswer::Silence => return None,
    };
    // An answer to the question 0 by a server that recurses and says that it checked all proofs.
    let header = [0, 0, 0x81, 0xa0 | code, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0];
    let mut message = [&header[..], question].concat();
    if let Some(text) = text {
        let strings: Vec<u8> = text
            .as_bytes()
            .chunks(STRING_BYTES)
            .flat_map(|part| [&[part.len() as u8][..], part].concat())
            .collect();
        for part in [&NAME_OF_THE_QUESTION[..], &TXT, &INTERNET, &TTL] {
            message.extend_from_slice(part);
        }
        message.extend_from_slice(&u16::try_from(strings.len()).ok()?.to_be_bytes());
        message.extend_from_slice(&strings);
    }
    Some(message)
}
