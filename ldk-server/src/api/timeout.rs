//! How long a caller wants to wait.

use std::time::Duration;

use crate::error::Error;

const DEFAULT_SECS: u32 = 60;
const MAX_SECS: u32 = 24 * 3600;

/// Parses `timeout_secs`.
pub(super) fn parse(timeout_secs: Option<u32>) -> Result<Duration, Error> {
    match timeout_secs.unwrap_or(DEFAULT_SECS) {
        secs @ 0..=MAX_SECS => Ok(Duration::from_secs(secs.into())),
        secs => Err(Error::invalid("timeout_secs", format!("{secs} is more than {MAX_SECS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_day_at_most() {
        assert_eq!(parse(None).unwrap(), Duration::from_secs(60));
        assert_eq!(parse(Some(0)).unwrap(), Duration::ZERO);
        let error = parse(Some(86_401)).unwrap_err().to_string();
        assert!(error.starts_with("timeout_secs: 86401"), "{error}");
    }
}
