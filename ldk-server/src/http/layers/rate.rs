//! That a connection makes no more calls in a second than it may.

use http::Request;
use tonic::Status;

use super::super::client::Standing;
use super::check::Check;

/// Checks that the connection makes no more calls than it may.
#[derive(Clone, Copy)]
pub(in crate::http) struct CheckRate;

impl<B> Check<B> for CheckRate {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        Standing::of(request)?.rate().admit()
    }
}
