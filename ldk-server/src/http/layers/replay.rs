//! Requests that were seen before: whoever copies one, from a log of a proxy or off a broken connection,
//! must not have it done again.
//!
//! The request-bound form of `x-auth` is different for each request, so every call that changes
//! something is done once for each signature. In the body-bound form of other people's clients, two
//! honest requests that are equal and made in the same second have one signature, so that only a call
//! that spends is refused for it. The timestamp-only form has one for everything in a second, and
//! nothing can be told by it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use ldk_server_grpc::auth::{Credential, Form, MAX_CLOCK_SKEW_SECS};
use tokio::time::Instant;
use tonic::Status;

use super::check::Check;
use super::grpc_shape::Rpc;
use crate::api::{Impact, table};
use crate::caller::Caller;

/// A signature is fresh for no longer than this after it was first seen.
const FRESH: Duration = Duration::from_secs(2 * MAX_CLOCK_SKEW_SECS + 1);
/// How many are remembered of one such time: more than 2,000 a second.
const MOST: usize = 1 << 18;

/// The signatures that were seen; checks that a request's is none of them.
#[derive(Clone)]
pub(in crate::http) struct Seen {
    /// What was seen before this start is not known.
    started_at_secs: u64,
    signatures: Arc<Mutex<Signatures>>,
}

/// Half of each, which is enough to tell them apart.
type Signature = [u8; 16];

/// Of the present span of time and the one before.
struct Signatures {
    present: HashSet<Signature>,
    past: HashSet<Signature>,
    began: Instant,
}

impl Seen {
    pub(in crate::http) fn new(started_at_secs: u64) -> Self {
        let (present, past) = (HashSet::new(), HashSet::new());
        let signatures = Signatures { present, past, began: Instant::now() };
        Self { started_at_secs, signatures: Arc::new(Mutex::new(signatures)) }
    }

    /// Refuses a request for this method that was seen before, if that can be told and matters.
    fn admit(&self, method: &str, form: Form, credential: &Credential) -> Result<(), Status> {
        let impact = table::spec(method).map_or(Impact::Changes, |spec| spec.impact);
        let matters = match form {
            Form::TimestampOnly => false,
            Form::BodyBound => impact == Impact::Spends,
            Form::RequestBound => impact != Impact::Reads,
        };
        if !matters {
            return Ok(());
        }
        if impact == Impact::Spends && credential.timestamp_secs() < self.started_at_secs {
            return Err(Status::unauthenticated(
                "x-auth: the request was signed before this server was started, and may have been \
                 done then; look it up, and sign it again if it was not",
            ));
        }
        let mut signatures = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        signatures.add(credential.mac(), MOST)
    }
}

impl<B> Check<B> for Seen {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        let Rpc(method) = Rpc::called(request)?;
        let extensions = request.extensions();
        match (extensions.get(), extensions.get()) {
            (Some(form), Some(credential)) => self.admit(method, *form, credential),
            // Nothing in the request says who calls, so that a copy of it is worth nothing.
            (None, None) if extensions.get::<Caller>().is_some() => Ok(()),
            _ => Err(Status::unauthenticated("x-auth was not verified")),
        }
    }
}

impl Signatures {
    fn add(&mut self, mac: &[u8; 32], most: usize) -> Result<(), Status> {
        if self.began.elapsed() >= FRESH {
            let is_long_ago = self.began.elapsed() >= 2 * FRESH;
            self.past = std::mem::take(&mut self.present);
            if is_long_ago {
                self.past.clear();
            }
            self.began = Instant::now();
        }
        let (signature, _) = mac.split_first_chunk().unwrap_or((&[0; 16], &[]));
        if self.past.contains(signature) || self.present.contains(signature) {
            return Err(Status::unauthenticated(
                "x-auth: this request was made before, and what came of it then stands; look it up \
                 before you sign another",
            ));
        }
        if self.present.len() >= most {
            return Err(Status::resource_exhausted(format!(
                "x-auth: more than {most} signatures in {} s; try again later",
                FRESH.as_secs()
            )));
        }
        self.present.insert(*signature);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::auth::{self, Nonce};
    use tokio::time::advance;
    use tonic::Code;

    use super::*;

    const KEY: &str = "aa";
    const STARTED_AT_SECS: u64 = 1_760_000_000;

    fn bound(secs: u64, nonce: Nonce) -> Credential {
        Credential::parse(&auth::sign_request(KEY, secs, &nonce, "/", b""), secs).unwrap()
    }

    fn code(result: Result<(), Status>) -> Code {
        result.map_or_else(|status| status.code(), |()| Code::Ok)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_done_once() {
        let seen = Seen::new(STARTED_AT_SECS);
        let (first, second) = (bound(STARTED_AT_SECS, [1; 16]), bound(STARTED_AT_SECS, [2; 16]));
        let check = |method: &str, credential: &Credential| {
            code(seen.admit(method, Form::RequestBound, credential))
        };
        for method in ["OnchainSend", "Bolt11Receive", "CloseChannel"] {
            let nonce = [u8::try_from(method.len()).unwrap(); 16];
            let credential = bound(STARTED_AT_SECS, nonce);
            assert_eq!(check(method, &credential), Code::Ok);
            assert_eq!(check(method, &credential), Code::Unauthenticated);
        }
        assert_eq!(check("GetNodeInfo", &first), Code::Ok);
        assert_eq!(check("GetNodeInfo", &first), Code::Ok);
        assert_eq!(check("OnchainSend", &first), Code::Ok);
        assert_eq!(check("OnchainSend", &second), Code::Ok);
        // As long as a header is fresh, and then the clock refuses it.
        for _ in 0..12 {
            advance(Duration::from_secs(10)).await;
            assert_eq!(check("OnchainSend", &first), Code::Unauthenticated);
        }
        advance(3 * FRESH).await;
        assert_eq!(check("OnchainSend", &first), Code::Ok);
    }

    #[test]
    fn of_the_body_bound_form_only_what_spends_is_refused() {
        let seen = Seen::new(STARTED_AT_SECS);
        let header = auth::sign(KEY, STARTED_AT_SECS, b"body");
        let credential = Credential::parse(&header, STARTED_AT_SECS).unwrap();
        let check = |method, form| code(seen.admit(method, form, &credential));
        // Two invoices in one second.
        for _ in 0..2 {
            assert_eq!(check("Bolt11Receive", Form::BodyBound), Code::Ok);
            assert_eq!(check("SpontaneousSend", Form::TimestampOnly), Code::Ok);
        }
        assert_eq!(check("SpontaneousSend", Form::BodyBound), Code::Ok);
        assert_eq!(check("SpontaneousSend", Form::BodyBound), Code::Unauthenticated);
        assert_eq!(check("Bolt11Send", Form::BodyBound), Code::Unauthenticated, "for another");
    }

    #[test]
    fn what_was_signed_before_the_start_spends_nothing() {
        let seen = Seen::new(STARTED_AT_SECS);
        let before = bound(STARTED_AT_SECS - 1, [1; 16]);
        for form in [Form::BodyBound, Form::RequestBound] {
            assert_eq!(code(seen.admit("OnchainSend", form, &before)), Code::Unauthenticated);
        }
        assert_eq!(code(seen.admit("Bolt11Receive", Form::RequestBound, &before)), Code::Ok);
    }

    #[tokio::test]
    async fn there_are_so_many_and_no_more() {
        let Seen { signatures, .. } = Seen::new(STARTED_AT_SECS);
        let mut signatures = signatures.lock().unwrap();
        assert!(signatures.add(&[1; 32], 2).is_ok());
        assert!(signatures.add(&[2; 32], 2).is_ok());
        assert_eq!(code(signatures.add(&[3; 32], 2)), Code::ResourceExhausted);
        assert_eq!(code(signatures.add(&[1; 32], 2)), Code::Unauthenticated);
    }
}
