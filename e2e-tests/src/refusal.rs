//! What a refusal must be.

use std::fmt::Debug;

use ldk_server_client::{Code, Error};

/// Checks that a call was refused for a field, which is named first.
#[track_caller]
pub fn invalid<T: Debug>(answer: Result<T, Error>, field: &str) {
    let message = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
    refused(answer, Code::InvalidArgument, &[]);
    assert!(message.starts_with(&format!("{field}: ")), "{field} is not named: {message}");
}

/// Checks that a call was refused with this status, in words that have all of these among them.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<T, Error>, code: Code, words: &[&str]) {
    let found = answer.as_ref().err().and_then(Error::code);
    assert_eq!(found, Some(code), "{answer:?}");
    let message = answer.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(words.iter().all(|word| message.contains(word)), "not {words:?} in {message}");
}
