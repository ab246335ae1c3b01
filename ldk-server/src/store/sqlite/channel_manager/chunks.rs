//! Cutting the manager into chunks where its content says so, and comparing it with the one before.
//!
//! FastCDC (Xia et al., 2016) ends a chunk behind bytes of a certain pattern. Where something was added
//! or removed, the cuts behind it are soon the same again, and so are the chunks. What is compared are
//! the bytes themselves: both managers are in memory.
//!
//! A chunk has a place, a number, and the chunks in the order of their places are the manager. There is
//! room between two places, so that what is added in the middle moves nothing.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use fastcdc::v2020::FastCDC;

/// A page of the database has room for one chunk of the largest size, or for several.
const MIN_BYTES: usize = 512;
const MEAN_BYTES: usize = 1024;
pub(super) const MAX_BYTES: usize = 4000;

/// The room between two places in the beginning.
const SPACING: i64 = 1 << 32;

/// After a chunk that has changed, so many of the next are tried: more than are ever removed at once
/// by anything that happens often.
const LOOK_AHEAD: usize = 64;

/// A manager in chunks.
pub(super) struct Chunks {
    manager: Arc<Vec<u8>>,
    chunks: Vec<Chunk>,
}

struct Chunk {
    place: i64,
    range: Range<usize>,
}

/// What is to be done to the chunks of one manager to have those of another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// The places that are empty now.
    pub(super) removed: Vec<i64>,
    /// The places that have another chunk now, or have one, and which bytes of the manager.
    pub(super) put: Vec<(i64, Range<usize>)>,
}

impl Chunks {
    /// The chunks of the first manager, and what is to be done to have them where there are none.
    pub(super) fn first(manager: &Arc<Vec<u8>>) -> (Self, Difference) {
        let cutter = cutter(manager);
        let (mut chunks, mut difference) = (Vec::new(), Difference::default());
        let (mut at, mut place) = (0, 0_i64);
        while at < manager.len() {
            let (_, end) = cutter.cut(at, manager.len() - at);
            place = place.saturating_add(SPACING);
            difference.put.push((place, at..end));
            chunks.push(Chunk { place, range: at..end });
            at = end;
        }
        (Self { manager: Arc::clone(manager), chunks }, difference)
    }

    /// The bytes of the manager.
    pub(super) fn manager(&self) -> &[u8] {
        &self.manager
    }

    /// The chunks of the next manager, and what is to be done to have them in place of these; `None` if
    /// there is no room left between two places.
    pub(super) fn next(&self, manager: &Arc<Vec<u8>>) -> Option<(Self, Difference)> {
        let cutter = cutter(manager);
        let mut change = Change::of(self);
        let (mut at, mut cuts) = (0, Vec::new());
        while at < manager.len() {
            let rest = &manager[at..];
            if let Some(index) = change.find(rest) {
                change.replace(index, mem::take(&mut cuts))?;
                at += change.keep(index, at);
            } else {
                let (_, end) = cutter.cut(at, rest.len());
                cuts.push(at..end);
                at = end;
            }
        }
        change.replace(self.chunks.len(), cuts)?;
        let Change { chunks, difference, .. } = change;
        Some((Self { manager: Arc::clone(manager), chunks }, difference))
    }

    fn bytes(&self, chunk: &Chunk) -> &[u8] {
        &self.manager[chunk.range.clone()]
    }
}

fn cutter(manager: &[u8]) -> FastCDC<'_> {
    FastCDC::new(manager, MIN_BYTES, MEAN_BYTES, MAX_BYTES)
}

/// On the way from one manager to the next.
struct Change<'a> {
    old: &'a Chunks,
    /// The first of the old chunks that are neither kept nor replaced.
    first: usize,
    /// The new ones.
    chunks: Vec<Chunk>,
    difference: Difference,
}

impl<'a> Change<'a> {
    fn of(old: &'a Chunks) -> Self {
        let chunks = Vec::with_capacity(old.chunks.len());
        Self { old, first: 0, chunks, difference: Difference::default() }
    }

    /// The next of the old chunks that these bytes begin with. The last one may be so short that many
    /// begin with it; it is what they end with, or none.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let last = self.old.chunks.len().min(self.first + LOOK_AHEAD);
        (self.first..last).find(|index| {
            let chunk = self.old.bytes(&self.old.chunks[*index]);
            bytes.starts_with(chunk) && (chunk.len() >= MIN_BYTES || chunk.len() == bytes.len())
        })
    }

    /// Keeps an old chunk, which is at this place in the bytes of the new manager. Returns its length.
    fn keep(&mut self, index: usize, at: usize) -> usize {
        let Chunk { place, range } = &self.old.chunks[index];
        self.chunks.push(Chunk { place: *place, range: at..at + range.len() });
        self.first = index + 1;
        range.len()
    }

    /// Puts these bytes in place of the old chunks before this one.
    fn replace(&mut self, before: usize, cuts: Vec<Range<usize>>) -> Option<()> {
        let old = &self.old.chunks[self.first..before];
        let mut cuts = cuts.into_iter();
        for Chunk { place, .. } in old {
            match cuts.next() {
                Some(range) => self.put(*place, range),
                None => self.difference.removed.push(*place),
            }
        }
        let places = self.room(before, cuts.len())?;
        cuts.zip(places).for_each(|(range, place)| self.put(place, range));
        self.first = before;
        Some(())
    }

    fn put(&mut self, place: i64, range: Range<usize>) {
        self.difference.put.push((place, range.clone()));
        self.chunks.push(Chunk { place, range });
    }

    /// So many places between the last new chunk and this old one; `None` if there is no room.
    fn room(&self, before: usize, count: usize) -> Option<impl Iterator<Item = i64> + use<>> {
        let gaps = i64::try_from(count).ok()? + 1;
        let from = self.chunks.last().map_or(0, |chunk| chunk.place);
        let until = match self.old.chunks.get(before) {
            Some(chunk) => chunk.place,
            None => SPACING.checked_mul(gaps)?.checked_add(from)?,
        };
        let gap = until.checked_sub(from)? / gaps;
        let has_room = count == 0 || gap > 0;
        has_room.then(|| (1..gaps).map(move |number| from + gap * number))
    }
}

#[cfg(test)]
mod tests;
