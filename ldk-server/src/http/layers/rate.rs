//! Limits the calls per second on one connection.

use http::Request;
use tonic::Status;

use super::super::client::Client;
use super::check::Check;

/// Checks that the connection is within its rate.
#[derive(Clone, Copy)]
pub(in crate::http) struct CheckRate;

impl<B> Check<B> for CheckRate {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        Client::of(request)?.rate().admit()
    }
}
