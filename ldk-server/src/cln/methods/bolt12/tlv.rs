//! The bytes of a BOLT 12 text, and the records in them (BOLT 1).

/// The digits of bech32 (BIP 173).
const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BITS_IN_DIGIT: u32 = 5;

/// The bytes of a text, which has no checksum, and may be cut in pieces with `+` and white space between
/// them.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let (_, data) = text.split_once('1')?;
    let mut bytes = Vec::with_capacity(data.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for character in data.bytes().filter(|byte| *byte != b'+' && !byte.is_ascii_whitespace()) {
        let character = character.to_ascii_lowercase();
        let digit = DIGITS.iter().position(|digit| *digit == character)?;
        bits = (bits << BITS_IN_DIGIT) | u32::try_from(digit).ok()?;
        count += BITS_IN_DIGIT;
        if count >= u8::BITS {
            count -= u8::BITS;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over fills up the last digit.
    (count < BITS_IN_DIGIT && bits == 0).then_some(bytes)
}

/// A record.
pub(super) struct Record<'a> {
    pub(super) type_num: u64,
    pub(super) value: &'a [u8],
    /// With its type and length.
    pub(super) whole: &'a [u8],
}

impl Record<'_> {
    /// Whether it is of the offer, and not of what answers that.
    pub(super) fn is_of_offer(&self) -> bool {
        matches!(self.type_num, 1..=79 | 1_000_000_000..=1_999_999_999)
    }
}

/// The records, if the last one is whole.
pub(super) fn records(bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let (mut records, mut reader) = (Vec::new(), Reader(bytes));
    while !reader.is_empty() {
        let before = reader.0;
        let type_num = reader.big_size()?;
        let length = usize::try_from(reader.big_size()?).ok()?;
        let value = reader.take(length)?;
        let whole = before.get(..before.len() - reader.0.len())?;
        records.push(Record { type_num, value, whole });
    }
    Some(records)
}

/// Reads bytes from the beginning.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, the highest first.
    pub(super) fn number(&mut self, bytes: usize) -> Option<u64> {
        self.take(bytes).and_then(number)
    }

    /// Some hexadecimal bytes.
    pub(super) fn hex(&mut self, count: usize) -> Option<String> {
        self.take(count).map(hex::encode)
    }

    fn big_size(&mut self) -> Option<u64> {
        match self.number(1)? {
            0xfd => self.number(2),
            0xfe => self.number(4),
            0xff => self.number(8),
            small => Some(small),
        }
    }
}

/// The number in up to eight bytes, the highest first.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_come_in_pieces() {
        assert_eq!(bytes("lno1pg").as_deref(), Some(&[0x0a][..]));
        assert_eq!(bytes("LNO1P+\n  G").as_deref(), Some(&[0x0a][..]));
        assert_eq!(bytes("lno1"), Some(Vec::new()));
        // No digit, one too much, and something in what fills up the last one.
        for text in ["lno1b", "lno", "lno1q", "lno1pp"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn records_have_a_type_and_a_length() {
        let read = records(&[0, 1, 7, 0xfd, 0x01, 0x00, 2, 1, 2]).unwrap();
        let read: Vec<_> = read.iter().map(|record| (record.type_num, record.value)).collect();
        assert_eq!(read, [(0, &[7][..]), (256, &[1, 2][..])]);
        for cut_off in [&[0][..], &[0, 2, 1], &[0xfd, 1]] {
            assert!(records(cut_off).is_none(), "{cut_off:?}");
        }
    }

    #[test]
    fn numbers_have_no_zeros_in_front() {
        assert_eq!((number(&[]), number(&[1, 0])), (Some(0), Some(256)));
        assert_eq!((number(&[0xff; 8]), number(&[0; 9])), (Some(u64::MAX), None));
    }
}
