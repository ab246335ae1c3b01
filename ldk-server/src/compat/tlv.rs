//! Streams of fields with a type and a length (TLV), as lightning 0.2 writes them.

use std::collections::BTreeMap;

use ldk_node::lightning::ln::msgs::DecodeError;
use ldk_node::lightning::util::ser::{BigSize, Readable};

/// Reads a value.
pub(super) fn read<T: Readable>(mut bytes: &[u8]) -> Result<T, DecodeError> {
    T::read(&mut bytes)
}

/// The items of a list, which begins with their number, and each of which has its length before it.
pub(super) fn items(
    mut list: &[u8],
) -> Result<impl Iterator<Item = Result<&[u8], DecodeError>>, DecodeError> {
    let count = BigSize::read(&mut list)?.0;
    Ok((0..count).map(move |_| take(&mut list)))
}

/// The next bytes, with their length before them.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = usize::try_from(BigSize::read(bytes)?.0).map_err(|_| DecodeError::ShortRead)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(DecodeError::ShortRead)?;
    *bytes = rest;
    Ok(taken)
}

/// The fields of a stream.
pub(super) struct Fields<'a>(BTreeMap<u64, &'a [u8]>);

impl<'a> Fields<'a> {
    pub(super) fn of(mut bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = BTreeMap::new();
        while !bytes.is_empty() {
            let kind = BigSize::read(&mut bytes)?.0;
            fields.insert(kind, take(&mut bytes)?);
        }
        Ok(Self(fields))
    }

    pub(super) fn required(&self, kind: u64) -> Result<&'a [u8], DecodeError> {
        self.0.get(&kind).copied().ok_or(DecodeError::InvalidValue)
    }

    pub(super) fn optional<T: Readable + Default>(&self, kind: u64) -> Result<T, DecodeError> {
        self.0.get(&kind).map(|bytes| read(bytes)).transpose().map(Option::unwrap_or_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_off_is_an_error() {
        let whole = [&[2_u8, 1, 7, 2][..], &[8, 9]].concat();
        let all: Result<Vec<_>, _> = items(&whole).unwrap().collect();
        assert_eq!(all.unwrap(), [&[7][..], &[8, 9]]);
        let cut: Result<Vec<_>, _> = items(&whole[..5]).unwrap().collect();
        assert!(cut.is_err());
        assert!(Fields::of(&[0, 5, 1]).is_err());
    }
}
