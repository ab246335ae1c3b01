//! The authentication code: a SHA-256 state that is extended by one restriction after the other.

use sha2::block_api::compress256;

const BLOCK_BYTES: usize = 64;

/// What SHA-256 begins with (FIPS 180-4, 5.3.3).
const INITIAL_STATE: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A SHA-256 state at the end of a block, and how much was hashed until there.
#[derive(Clone)]
pub(super) struct Authcode {
    state: [u32; 8],
    hashed_bytes: u64,
}

impl Authcode {
    /// The state after a secret, which is at most 55 bytes long: one block.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        let mut authcode = Self { state: INITIAL_STATE, hashed_bytes: 0 };
        authcode.extend_bytes(secret);
        authcode
    }

    /// The state that was written as a code, before it is known of how much text: see [`Self::count`].
    pub(super) fn of_code(code: &[u8; 32]) -> Self {
        let (words, _) = code.as_chunks();
        let mut state = INITIAL_STATE;
        for (word, bytes) in state.iter_mut().zip(words) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self { state, hashed_bytes: BLOCK_BYTES as u64 }
    }

    /// Counts bytes that are in the state already.
    pub(super) fn count(&mut self, bytes: usize) {
        self.hashed_bytes += bytes as u64;
    }

    /// Hashes a restriction, with the padding that would end the hash.
    pub(super) fn extend(&mut self, restriction: &str) {
        self.extend_bytes(restriction.as_bytes());
    }

    fn extend_bytes(&mut self, bytes: &[u8]) {
        let bits = (self.hashed_bytes + bytes.len() as u64) * 8;
        let mut padded = bytes.to_vec();
        padded.push(0x80);
        padded.resize(padded_bytes(bytes.len()) - size_of::<u64>(), 0);
        padded.extend(bits.to_be_bytes());
        let (blocks, _) = padded.as_chunks();
        compress256(&mut self.state, blocks);
        self.hashed_bytes += padded.len() as u64;
    }

    pub(super) fn code(&self) -> [u8; 32] {
        let mut code = [0; 32];
        let (words, _) = code.as_chunks_mut();
        for (bytes, word) in words.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        code
    }
}

/// How long a text is with its padding: a bit, zeros, and the length, up to the end of a block.
pub(super) fn padded_bytes(bytes: usize) -> usize {
    (bytes + 1 + size_of::<u64>()).next_multiple_of(BLOCK_BYTES)
}
