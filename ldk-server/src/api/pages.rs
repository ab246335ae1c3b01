//! Lists that come in pages.

use ldk_server_grpc::types::PageToken;

use super::fields;
use crate::error::Error;

pub(super) const PAGE_TOKEN: &str = "page_token";
const DEFAULT_PAGE_SIZE: u32 = 100;
const MAX_PAGE_SIZE: u32 = 1_000;

pub(super) fn parse_page_size(page_size: Option<u32>) -> Result<usize, Error> {
    match page_size.unwrap_or(DEFAULT_PAGE_SIZE) {
        size @ 1..=MAX_PAGE_SIZE => Ok(size as usize),
        other => Err(Error::invalid("page_size", format!("{other} must be 1 to {MAX_PAGE_SIZE}"))),
    }
}

pub(super) fn check_times(
    created_from: Option<u64>,
    created_before: Option<u64>,
) -> Result<(), Error> {
    match (created_from, created_before) {
        (Some(from), Some(before)) if before <= from => Err(Error::invalid(
            "created_before",
            format!("{before} must be later than created_from, which is {from}"),
        )),
        _ => Ok(()),
    }
}

/// The token of an item that has a number, and the other way round.
pub(super) fn token_of(created_at: u64, number: u64) -> PageToken {
    PageToken { token: hex::encode(number.to_be_bytes()), index: as_index(created_at) }
}

/// The time and the number of an item.
pub(super) fn numbered(PageToken { token, index }: &PageToken) -> Result<(u64, u64), Error> {
    let number = u64::from_be_bytes(fields::hex(PAGE_TOKEN, token)?);
    Ok((creation_time(*index)?, number))
}

pub(super) fn creation_time(index: i64) -> Result<u64, Error> {
    u64::try_from(index)
        .map_err(|_| Error::invalid(PAGE_TOKEN, format!("the index {index} must not be negative")))
}

pub(super) fn as_index(created_at: u64) -> i64 {
    i64::try_from(created_at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_least_one_row_and_at_most_a_thousand() {
        assert_eq!(parse_page_size(None).unwrap(), 100);
        assert_eq!(parse_page_size(Some(1)).unwrap(), 1);
        assert_eq!(parse_page_size(Some(1_000)).unwrap(), 1_000);
        for size in [0, 1_001, u32::MAX] {
            let error = parse_page_size(Some(size)).unwrap_err().to_string();
            assert!(error.starts_with("page_size: ") && error.contains("1 to 1000"), "{error}");
        }
    }

    #[test]
    fn a_span_of_time_is_not_empty() {
        check_times(Some(1), Some(2)).unwrap();
        check_times(Some(2), None).unwrap();
        for before in [0, 1] {
            let error = check_times(Some(1), Some(before)).unwrap_err().to_string();
            assert!(error.starts_with("created_before: "), "{error}");
        }
    }

    #[test]
    fn a_token_is_a_time_and_a_number() {
        assert_eq!(numbered(&token_of(7, u64::MAX)).unwrap(), (7, u64::MAX));
        let token = PageToken { token: "00000000000000ff".to_owned(), index: 7 };
        assert_eq!(numbered(&token).unwrap(), (7, 255));
    }
}
