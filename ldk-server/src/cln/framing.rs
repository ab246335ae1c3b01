//! Finds requests in what is read: each ends where its JSON ends, and nothing need follow.

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest request.
pub(super) const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// As deep as the parser follows.
const MAX_DEPTH: usize = 127;

/// What was read and has not been answered yet, and how far it was looked at.
pub(super) struct Framing {
    max_bytes: usize,
    buffer: BytesMut,
    scanned: usize,
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
}

/// Why no request can be found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    #[error("Expected {{}} for json command")]
    NoObject,
    #[error("the request is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("the request has more than {0} bytes")]
    TooLong(usize),
}

impl Default for Framing {
    fn default() -> Self {
        Self::of_at_most(MAX_REQUEST_BYTES)
    }
}

impl Framing {
    /// Finds what has so many bytes at most.
    pub(super) fn of_at_most(max_bytes: usize) -> Self {
        let buffer = BytesMut::new();
        Self { max_bytes, buffer, scanned: 0, depth: 0, is_in_text: false, is_escaped: false }
    }

    /// Where what is read is to be added.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next request, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FramingError> {
        if self.scanned == 0 {
            self.begin()?;
        }
        while let Some(&byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.scanned > self.max_bytes {
                return Err(FramingError::TooLong(self.max_bytes));
            }
            if self.ends_with(byte)? {
                let request = self.buffer.split_to(self.scanned).freeze();
                self.scanned = 0;
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// Passes over what separates requests.
    fn begin(&mut self) -> Result<(), FramingError> {
        let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.buffer.advance(blank);
        match self.buffer.first() {
            None | Some(b'{') => Ok(()),
            Some(_) => Err(FramingError::NoObject),
        }
    }

    /// Whether the request ends with this byte. What is inside is for the parser to judge.
    fn ends_with(&mut self, byte: u8) -> Result<bool, FramingError> {
        if self.is_in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                _ => {},
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.is_in_text = true,
            b'{' | b'[' if self.depth == MAX_DEPTH => return Err(FramingError::TooDeep),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {},
        }
        Ok(self.depth == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(text: &[u8]) -> Framing {
        let mut framing = Framing::default();
        framing.buffer().extend_from_slice(text);
        framing
    }

    #[test]
    fn requests_end_where_their_json_ends() {
        let requests = [r#"{"a":"}]\"{","b":[{}]}"#, r#"{"c":"\\"}"#, "{}"];
        for separator in ["", " ", "\n\n", "\r\n\t"] {
            let text = requests.join(separator);
            let mut whole = framing(text.as_bytes());
            for request in requests {
                assert_eq!(whole.next().unwrap().unwrap(), request);
            }
            assert_eq!(whole.next(), Ok(None));
            // One byte after the other.
            let (mut bytewise, mut found) = (Framing::default(), Vec::new());
            for byte in text.as_bytes() {
                bytewise.buffer().extend_from_slice(&[*byte]);
                found.extend(bytewise.next().unwrap());
            }
            assert_eq!(found, requests);
        }
    }

    #[test]
    fn what_is_no_object_is_refused_at_once() {
        for text in ["[]", "GET / HTTP/1.1", "\n\nx", "1", "}"] {
            assert_eq!(framing(text.as_bytes()).next(), Err(FramingError::NoObject), "{text}");
        }
    }

    #[test]
    fn a_request_is_bounded() {
        let mut endless = framing(b"{\"a\":\"");
        endless.buffer().extend_from_slice(&vec![b'a'; MAX_REQUEST_BYTES]);
        assert_eq!(endless.next(), Err(FramingError::TooLong(MAX_REQUEST_BYTES)));
        let nested = |depth: usize| framing(&b"{".repeat(depth)).next();
        assert_eq!(nested(MAX_DEPTH), Ok(None));
        assert_eq!(nested(MAX_DEPTH + 1), Err(FramingError::TooDeep));
    }

    #[test]
    fn what_is_long_enough_to_be_refused_need_not_be_scanned_again() {
        let mut long = framing(&vec![b' '; 3 * MAX_REQUEST_BYTES]);
        assert_eq!(long.next(), Ok(None));
        assert!(long.buffer().is_empty());
    }
}
