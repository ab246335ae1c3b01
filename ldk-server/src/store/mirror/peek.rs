//! Reads the epoch of a database without opening it.
//!
//! SQLite cannot read a database with a log beside it without writing files, and locks, beside them
//! as well: not from a disk that is mounted for reading only, and not without getting in the way of a
//! mirror that another process writes. What is read here is one row of one small table, in the format
//! that "Database File Format" in SQLite's documentation describes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::copy::log_of;
use super::frames::Outcome;
use crate::store::{Epoch, Lineage};

const TABLE: &[u8] = b"ldk_server_epoch";
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the file says how long a page is.
const PAGE_BYTES_AT: usize = 16;
/// What stands before the first page's own header.
const FILE_HEADER_BYTES: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// More pages than the list of all tables has: a damaged one may go in circles.
const MAX_PAGES: usize = 1000;

/// The lineage and the epoch of the database in this file, with the log beside it if there is one;
/// `None` if there is none, or one without them. Changes nothing. Fails with `InvalidData` if it is no
/// database, or damaged.
pub fn epoch_of(path: &Path) -> io::Result<Option<(Lineage, Epoch)>> {
    let Some(mut pages) = Pages::open(path)? else {
        return Ok(None);
    };
    let Some(root) = pages.find(1, &mut { MAX_PAGES }, root_of_epoch)? else {
        return Ok(None);
    };
    pages.find(root, &mut { MAX_PAGES }, epoch)
}

/// The first page of the table, if this row of the list of tables is of it.
fn root_of_epoch(row: &[Value<'_>]) -> Option<u32> {
    match row {
        [Value::Bytes(b"table"), Value::Bytes(TABLE), _, Value::Integer(root), ..] => {
            u32::try_from(*root).ok()
        },
        _ => None,
    }
}

fn epoch(row: &[Value<'_>]) -> Option<(Lineage, Epoch)> {
    match row {
        [Value::Bytes(lineage), Value::Integer(restores), Value::Integer(commits), ..] => {
            let [restores, commits] = [restores, commits].map(|number| u64::try_from(*number));
            let epoch = Epoch { restores: restores.ok()?, commits: commits.ok()? };
            Some((Lineage::of((*lineage).try_into().ok()?), epoch))
        },
        _ => None,
    }
}

/// What a column of a row has.
enum Value<'a> {
    Integer(i64),
    /// A text, or bytes.
    Bytes(&'a [u8]),
    Other,
}

/// The pages of a database and of its log.
struct Pages {
    database: File,
    page_bytes: usize,
    log: Option<File>,
    in_log: BTreeMap<u32, u64>,
}

impl Pages {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(mut database) = open(path)? else {
            return Ok(None);
        };
        let mut header = Vec::new();
        (&mut database).take(FILE_HEADER_BYTES as u64).read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(None);
        }
        if !header.starts_with(MAGIC) {
            return Err(invalid("it is no database"));
        }
        let page_bytes = match number(&header, PAGE_BYTES_AT)? {
            1 => 65536,
            bytes if bytes >= 512 => bytes,
            _ => return Err(invalid("it is a damaged database")),
        };
        let mut pages =
            Self { database, page_bytes, log: open(&log_of(path))?, in_log: BTreeMap::new() };
        if let Some(log) = &mut pages.log
            && let Some(outcome) = Outcome::read(&mut BufReader::with_capacity(1 << 20, log))?
        {
            pages.in_log = outcome.pages;
        }
        Ok(Some(pages))
    }

    fn read(&mut self, page: u32) -> io::Result<Vec<u8>> {
        let (file, at) = match (self.in_log.get(&page), &mut self.log) {
            (Some(at), Some(log)) => (log, *at),
            _ => {
                let before = page.checked_sub(1).ok_or_else(damaged)?;
                (&mut self.database, u64::from(before) * self.page_bytes as u64)
            },
        };
        let mut bytes = vec![0; self.page_bytes];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged(),
            _ => error,
        })?;
        Ok(bytes)
    }

    /// The first row of the table from this page on in which something is found.
    fn find<T>(
        &mut self,
        page: u32,
        pages_left: &mut usize,
        find: fn(&[Value<'_>]) -> Option<T>,
    ) -> io::Result<Option<T>> {
        *pages_left = pages_left.checked_sub(1).ok_or_else(damaged)?;
        let bytes = self.read(page)?;
        let header = if page == 1 { FILE_HEADER_BYTES } else { 0 };
        let cells = number(&bytes, header + 3)?;
        match bytes.get(header) {
            Some(&LEAF) => {
                for cell in 0..cells {
                    let cell = number(&bytes, header + 8 + 2 * cell)?;
                    let row = row(bytes.get(cell..).unwrap_or_default()).ok_or_else(damaged)?;
                    if let Some(found) = find(&row) {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            },
            Some(&INTERIOR) => {
                let cell = |cell| number(&bytes, header + 12 + 2 * cell);
                let children = (0..cells).map(cell).chain([Ok(header + 8)]);
                for child in children {
                    let child = pointer(&bytes, child?)?;
                    if let Some(found) = self.find(child, pages_left, find)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            },
            _ => Err(damaged()),
        }
    }
}

/// The columns of a row that are in the page itself; what is long goes on in others.
fn row(cell: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut rest = cell;
    let _row_bytes = varint(&mut rest)?;
    let _row_id = varint(&mut rest)?;
    let mut after_length = rest;
    let header_bytes = usize::try_from(varint(&mut after_length)?).ok()?;
    let (header, mut values) = rest.split_at_checked(header_bytes)?;
    let mut kinds = header.get(rest.len() - after_length.len()..)?;
    let mut row = Vec::new();
    while !kinds.is_empty() {
        let kind = varint(&mut kinds)?;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            12.. => (kind - 12) / 2,
        };
        let Some((value, after)) = values.split_at_checked(usize::try_from(bytes).ok()?) else {
            break;
        };
        values = after;
        row.push(match kind {
            1..=6 => Value::Integer(integer(value)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            12.. => Value::Bytes(value),
            _ => Value::Other,
        });
    }
    Some(row)
}

/// Takes a number of one to nine bytes, of which all but a ninth have seven bits.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 1..=9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if place == 9 {
            return Some(number << 8 | u64::from(*byte));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

/// A number of up to eight bytes, of which the first has the sign.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| number << 8 | i64::from(*byte))
}

fn number(page: &[u8], at: usize) -> io::Result<usize> {
    let bytes = page.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
    Ok(usize::from(u16::from_be_bytes(*bytes)))
}

fn pointer(page: &[u8], at: usize) -> io::Result<u32> {
    let bytes = page.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(damaged)?;
    Ok(u32::from_be_bytes(*bytes))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn damaged() -> io::Error {
    invalid("it is a damaged database")
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
