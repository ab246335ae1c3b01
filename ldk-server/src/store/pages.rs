//! Pages of a list. A page begins after a row, not at a number, so that rows that are added or
//! removed meanwhile neither repeat others nor hide them.

/// Rows on a page, as the contract has it.
const PAGE_ROWS: usize = 100;

/// Some rows of a list that follow one another.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, at most [`PAGE_ROWS`].
    pub rows: Vec<T>,
    /// Whether there are rows after the last of these.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The page that begins with the first of these rows.
    pub(super) fn of(rows: impl Iterator<Item = T>) -> Self {
        // One more than a page holds tells whether another follows.
        let mut rows: Vec<T> = rows.take(PAGE_ROWS + 1).collect();
        let has_more = rows.len() > PAGE_ROWS;
        rows.truncate(PAGE_ROWS);
        Self { rows, has_more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_just_full_is_the_last() {
        for (rows, on_page, has_more) in
            [(0, 0, false), (99, 99, false), (100, 100, false), (101, 100, true), (200, 100, true)]
        {
            let page = Page::of(0..rows);
            assert_eq!((page.rows.len(), page.has_more), (on_page, has_more), "{rows}");
        }
    }
}
