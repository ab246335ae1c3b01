//! What a refusal must be.

use std::fmt::Debug;

use ldk_server_client::{Code, Error};

/// Checks that a call was refused with this status, in words that have this among them.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<T, Error>, code: Code, word: &str) {
    assert_eq!(answer.as_ref().err().and_then(Error::code), Some(code), "{answer:?}");
    let message = answer.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(word), "not {word} in {message}");
}
