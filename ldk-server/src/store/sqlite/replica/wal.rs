//! The format of SQLite's write-ahead log: a header, and frames of one page each, all numbers big
//! endian. It is described in "The Write-Ahead Log", a part of SQLite's file format.
//!
//! A log that begins anew overwrites the one before it from the beginning, with another salt. So what
//! follows the last frame may be anything, and the frames that count are those with the salt of the
//! header and an unbroken chain of checksums.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// How long the header is.
pub(super) const HEADER_BYTES: usize = 32;

/// How long the header of a frame is.
const FRAME_HEADER_BYTES: usize = 24;

/// The first word of a log; one more if the words of its checksums are big endian.
const MAGIC: u32 = 0x377f_0682;

const VERSION: u32 = 3_007_000;

/// The header of a log: no other log of the same database has the same.
pub(super) type Header = [u8; HEADER_BYTES];

/// Reads the frames of a log one after the other.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    page_bytes: usize,
    salts: [u32; 2],
    is_big_endian: bool,
    read: Place,
    committed: Place,
}

/// The end of a frame.
#[derive(Clone, Copy, Debug)]
struct Place {
    bytes: u64,
    checksum: [u32; 2],
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Which page it has; they are counted from 1.
    pub(super) page: u32,
    /// How many pages the database has after the commit that ends with this frame; 0 if none does.
    pub(super) database_pages: u32,
}

impl Frames {
    /// Those of the log with this header; `None` if it is no header.
    pub(super) fn begin(header: &Header) -> Option<Self> {
        let [magic, version, page_bytes, _, salt, other_salt, checksums @ ..]: [u32; 8] =
            words(header);
        let is_big_endian = magic == MAGIC + 1;
        let covered = header.get(..HEADER_BYTES - 8)?;
        let page_bytes = usize::try_from(page_bytes).ok()?;
        let is_header = (magic == MAGIC || is_big_endian)
            && version == VERSION
            && page_bytes.is_power_of_two()
            && (512..=65536).contains(&page_bytes)
            && checksum([0; 2], covered, is_big_endian) == checksums;
        let begin = Place { bytes: HEADER_BYTES as u64, checksum: checksums };
        is_header.then_some(Self {
            page_bytes,
            salts: [salt, other_salt],
            is_big_endian,
            read: begin,
            committed: begin,
        })
    }

    /// How long a frame is.
    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page_bytes
    }

    /// How long a page is.
    pub(super) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// How long the log is up to its last commit among the frames that were taken.
    pub(super) fn committed_bytes(&self) -> u64 {
        self.committed.bytes
    }

    /// Where the next frame is.
    fn read_bytes(&self) -> u64 {
        self.read.bytes
    }

    /// Takes the bytes of the next frame; `None` if they are no frame of this log.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Frame> {
        if bytes.len() != self.frame_bytes() {
            return None;
        }
        let (header, page) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let [number, database_pages, salt, other_salt, checksums @ ..]: [u32; 6] = words(header);
        let sum = checksum(self.read.checksum, header.get(..8)?, self.is_big_endian);
        let sum = checksum(sum, page, self.is_big_endian);
        if number == 0 || [salt, other_salt] != self.salts || sum != checksums {
            return None;
        }
        self.read = Place { bytes: self.read.bytes + bytes.len() as u64, checksum: sum };
        if database_pages > 0 {
            self.committed = self.read;
        }
        Some(Frame { page: number, database_pages })
    }

    /// Goes back to behind the last commit: what came after it may be written over.
    pub(super) fn rewind(&mut self) {
        self.read = self.committed;
    }
}

/// What all commits of a log together have made of the database.
#[derive(Debug)]
pub(super) struct Outcome {
    /// How long a page is.
    pub(super) page_bytes: usize,
    /// How many pages the database has.
    pub(super) database_pages: u32,
    /// Where in the log the newest of each page begins.
    pub(super) pages: BTreeMap<u32, u64>,
}

impl Outcome {
    /// Reads a log from its beginning; `None` if no commit is in it.
    pub(super) fn read(log: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = Header::default();
        if !fill(log, &mut header)? {
            return Ok(None);
        }
        let Some(mut frames) = Frames::begin(&header) else {
            return Ok(None);
        };
        let page_bytes = frames.page_bytes();
        let mut outcome = Self { page_bytes, database_pages: 0, pages: BTreeMap::new() };
        let mut since_commit = Vec::new();
        let mut bytes = vec![0; frames.frame_bytes()];
        while fill(log, &mut bytes)? {
            let at = frames.read_bytes() + FRAME_HEADER_BYTES as u64;
            let Some(frame) = frames.take(&bytes) else {
                break;
            };
            since_commit.push((frame.page, at));
            if frame.database_pages > 0 {
                outcome.database_pages = frame.database_pages;
                outcome.pages.extend(since_commit.drain(..));
            }
        }
        Ok((outcome.database_pages > 0).then_some(outcome))
    }
}

/// Whether there was enough to fill this.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn words<const WORDS: usize>(bytes: &[u8]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let (chunks, _) = bytes.as_chunks();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

/// Goes on with a checksum.
fn checksum([mut one, mut other]: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    let word = if is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    let (words, _) = bytes.as_chunks::<4>();
    let (pairs, _) = words.as_chunks::<2>();
    for [first, second] in pairs {
        one = one.wrapping_add(word(*first)).wrapping_add(other);
        other = other.wrapping_add(word(*second)).wrapping_add(one);
    }
    [one, other]
}
