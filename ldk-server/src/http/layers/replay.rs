//! Replay protection: a copy of a request, taken from a proxy's log or from a broken connection, must not
//! be executed again.
//!
//! A signature of the request-bound form of `x-auth` is unique to its request, so each executes a call
//! that changes something once. In the body-bound form, which other clients use, two equal honest
//! requests in the same second have the same signature, so only a call that spends is refused. In the
//! timestamp-only form all requests of one second have the same signature, so it proves nothing.

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

/// How long a signature is fresh at most after it was first seen.
const FRESH: Duration = Duration::from_secs(2 * MAX_CLOCK_SKEW_SECS + 1);
/// How many signatures are remembered per period: more than 2,000 a second.
const MOST: usize = 1 << 18;

/// Checks that a signature was not seen before, and remembers it.
#[derive(Clone)]
pub(in crate::http) struct ReplayCheck {
    /// The Unix time of the start: signatures that were seen before it are not known.
    started_at_secs: u64,
    signatures: Arc<Mutex<Signatures>>,
}

/// Half of a MAC, which is enough to distinguish them.
type Signature = [u8; 16];

/// The signatures of the present period and of the one before.
struct Signatures {
    present: HashSet<Signature>,
    past: HashSet<Signature>,
    began: Instant,
}

impl ReplayCheck {
    pub(in crate::http) fn new(started_at_secs: u64) -> Self {
        let (present, past) = (HashSet::new(), HashSet::new());
        let signatures = Signatures { present, past, began: Instant::now() };
        Self { started_at_secs, signatures: Arc::new(Mutex::new(signatures)) }
    }

    /// Refuses a repeated request for this method, if its form can prove that and the method matters.
    fn admit(&self, method: &str, form: Form, credential: &Credential) -> Result<(), Status> {
        let impact = table::spec(method).map_or(Impact::Changes, |spec| spec.impact);
        let matters = match form {
            Form::TimestampOnly => false,
            Form::BodyBound => impact == Impact::Spends,
            Form::RequestBound => !matches!(impact, Impact::Reads | Impact::Signs),
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

impl<B> Check<B> for ReplayCheck {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        let Rpc(method) = Rpc::called(request)?;
        let extensions = request.extensions();
        match (extensions.get(), extensions.get()) {
            (Some(form), Some(credential)) => self.admit(method, *form, credential),
            // A rune is sent again and again: whoever can copy it needs no request of others. Where the
            // connection tells who calls, a copy of a request is worth nothing.
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
    async fn a_request_is_executed_once() {
        let seen = ReplayCheck::new(STARTED_AT_SECS);
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
        // As long as the header is fresh; afterwards its timestamp is refused.
        for _ in 0..12 {
            advance(Duration::from_secs(10)).await;
            assert_eq!(check("OnchainSend", &first), Code::Unauthenticated);
        }
        advance(3 * FRESH).await;
        assert_eq!(check("OnchainSend", &first), Code::Ok);
    }

    #[test]
    fn a_repeated_body_bound_request_is_refused_only_if_it_spends() {
        let seen = ReplayCheck::new(STARTED_AT_SECS);
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
    fn a_request_signed_before_the_start_cannot_spend() {
        let seen = ReplayCheck::new(STARTED_AT_SECS);
        let before = bound(STARTED_AT_SECS - 1, [1; 16]);
        for form in [Form::BodyBound, Form::RequestBound] {
            assert_eq!(code(seen.admit("OnchainSend", form, &before)), Code::Unauthenticated);
        }
        assert_eq!(code(seen.admit("Bolt11Receive", Form::RequestBound, &before)), Code::Ok);
    }

    #[tokio::test]
    async fn the_number_of_signatures_is_limited() {
        let ReplayCheck { signatures, .. } = ReplayCheck::new(STARTED_AT_SECS);
        let mut signatures = signatures.lock().unwrap();
        assert!(signatures.add(&[1; 32], 2).is_ok());
        assert!(signatures.add(&[2; 32], 2).is_ok());
        assert_eq!(code(signatures.add(&[3; 32], 2)), Code::ResourceExhausted);
        assert_eq!(code(signatures.add(&[1; 32], 2)), Code::Unauthenticated);
    }
}
