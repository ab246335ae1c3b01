//! Times at which something expires.

use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::clock::unix_secs;

/// The seconds that are left until the time in this parameter, if it was given.
pub(super) fn left(args: &Args, name: &'static str) -> Result<Option<u32>, RpcError> {
    let Some(at) = args.optional::<u64>(name)? else { return Ok(None) };
    match at.checked_sub(unix_secs()).map(u32::try_from) {
        None | Some(Ok(0)) => Err(RpcError::params(format!("{name}: must be in the future"))),
        Some(Ok(secs)) => Ok(Some(secs)),
        Some(Err(_)) => Err(RpcError::params(format!("{name}: is too far away"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_expires_does_so_later() {
        let left = |at| left(&Args::of("at", Some(json!([at]))).unwrap(), "at");
        let hour = left(unix_secs() + 3_600).unwrap().unwrap();
        assert!((3_500..=3_600).contains(&hour), "{hour}");
        for at in [0, unix_secs(), u64::MAX] {
            assert_eq!(left(at).unwrap_err().code, -32602);
        }
    }
}
