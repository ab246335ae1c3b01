//! Which payments of a list are wanted.

use super::answer::Refusal;
use super::params::Params;

const MAX_LIMIT: u64 = 1_000;
const DEFAULT_LIMIT: u64 = 20;
const MS_PER_SEC: u64 = 1_000;

/// A part of a list: by time, and then by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    from_ms: u64,
    to_ms: u64,
    limit: usize,
    offset: u64,
    /// Whether those are wanted, too, that were not paid.
    pub(super) is_all: bool,
}

impl Span {
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        let limit = params.number("limit")?.unwrap_or(DEFAULT_LIMIT);
        if limit > MAX_LIMIT {
            return Err(Refusal::BadRequest(format!("limit: {limit}; at most {MAX_LIMIT}")));
        }
        Ok(Self {
            from_ms: params.number("from")?.unwrap_or_default(),
            to_ms: params.number("to")?.unwrap_or(u64::MAX),
            limit: usize::try_from(limit).unwrap_or_default(),
            offset: params.number("offset")?.unwrap_or_default(),
            is_all: params.is_true("all"),
        })
    }

    /// The time before which what is wanted was made, in seconds; none for the present. What was made later
    /// was not completed earlier.
    pub(super) fn created_before_secs(&self) -> Option<u64> {
        let secs = (self.to_ms / MS_PER_SEC).saturating_add(1);
        (self.to_ms < u64::MAX).then_some(secs)
    }

    /// Whether something that happened at this time is in it.
    pub(super) fn has_ms(&self, ms: u64) -> bool {
        (self.from_ms..=self.to_ms).contains(&ms)
    }

    /// Takes or passes over the next of those that are in it. Returns whether more are wanted.
    pub(super) fn take<T>(&mut self, taken: &mut Vec<T>, next: T) -> bool {
        if self.offset > 0 {
            self.offset -= 1;
        } else if taken.len() < self.limit {
            taken.push(next);
        }
        taken.len() < self.limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.limit == 0 || self.from_ms > self.to_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(query: &str) -> Result<Span, Refusal> {
        Span::read(&Params::read(query.as_bytes()))
    }

    #[test]
    fn it_is_the_last_twenty_unless_told_otherwise() {
        let default = span("").unwrap();
        assert_eq!((default.limit, default.offset, default.is_all), (20, 0, false));
        assert!(default.has_ms(0) && default.has_ms(u64::MAX));
        assert_eq!(default.created_before_secs(), None);
        assert!(
            span("limit=1001").is_err() && span("limit=-1").is_err() && span("from=x").is_err()
        );
    }

    #[test]
    fn it_begins_after_those_that_are_passed_over() {
        let mut some = span("limit=2&offset=1").unwrap();
        let mut taken = Vec::new();
        let more: Vec<_> = (0..4).map(|at| some.take(&mut taken, at)).collect();
        assert_eq!((taken, more), (vec![1, 2], vec![true, true, false, false]));
        assert!(span("limit=0").unwrap().is_empty());
        assert!(span("from=2&to=1").unwrap().is_empty());
    }

    #[test]
    fn times_are_in_milliseconds() {
        let some = span("from=1500&to=2500").unwrap();
        assert!(!some.has_ms(1_000) && some.has_ms(2_000) && !some.has_ms(3_000));
        assert_eq!(some.created_before_secs(), Some(3));
    }
}
