//! Pages of a list. A page begins after a row, not at a number, so that rows that are added
//! meanwhile neither repeat others nor hide them.

/// Some rows of a list that follow one another.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, at most as many as were asked for.
    pub rows: Vec<T>,
    /// Whether there are rows after the last of these.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The first `size` of these rows, which are one more if there are more.
    pub(in crate::store) fn of(mut rows: Vec<T>, size: usize) -> Self {
        let has_more = rows.len() > size;
        rows.truncate(size);
        Self { rows, has_more }
    }
}
