//! Authentication: a caller is whoever holds the API key.
//!
//! The credential is parsed before the body is read, so that strangers without one cannot send a large
//! body; it is verified afterwards, because it covers the body.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use ldk_server_grpc::auth::{self, Credential, Form};
use tonic::Status;
use zeroize::Zeroizing;

use super::super::client::UnverifiedCall;
use super::super::identity::ConnectionIdentity;
use super::check::Check;
use crate::caller::Caller;
use crate::clock::{LogThrottle, unix_secs};
use crate::secrets::ClientCertificate;

/// The name of callers with the API key in the log.
const API_KEY: &str = "api-key";

/// Checks that there is one fresh, well-formed `x-auth`, and puts its [`Credential`] into the
/// extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct ReadCredential;

/// Checks that the credential was made with the API key for this request, and puts the [`Caller`] into
/// the extensions, with the [`Form`] of the credential. From then on the client is no stranger.
#[derive(Clone)]
pub(in crate::http) struct Authenticate {
    api_key: Arc<Zeroizing<String>>,
    accepted: AcceptedForms,
}

/// Which of the older forms of `x-auth` are accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedForms {
    /// The form that covers the time only.
    pub timestamp_only: bool,
    /// The form that covers the time and the body.
    pub body_bound: bool,
}

impl<B> Check<B> for ReadCredential {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        if !request.headers().contains_key(auth::HEADER) && connection_identity(request).is_some() {
            return Ok(());
        }
        let credential = credential(request.headers())?;
        request.extensions_mut().insert(credential);
        Ok(())
    }
}

impl Authenticate {
    /// Accepts `api_key` in these forms and the request-bound one.
    pub(in crate::http) fn new(api_key: Zeroizing<String>, accepted: AcceptedForms) -> Self {
        Self { api_key: Arc::new(api_key), accepted }
    }

    fn verify(&self, credential: &Credential, path: &str, body: &[u8]) -> Result<Form, Status> {
        match credential.verify(&self.api_key, path, body).map_err(unauthenticated)? {
            Form::TimestampOnly if !self.accepted.timestamp_only => {
                Err(unauthenticated("x-auth does not cover the body"))
            },
            Form::BodyBound if !self.accepted.body_bound => {
                Err(unauthenticated("x-auth does not cover the path"))
            },
            form => Ok(form),
        }
    }
}

impl Check<Bytes> for Authenticate {
    fn check(&self, request: &mut Request<Bytes>) -> Result<(), Status> {
        if let (None, Some(identity)) =
            (request.extensions().get::<Credential>(), connection_identity(request))
        {
            tracing::Span::current().record("caller", tracing::field::display(identity));
            let caller = caller_of(identity);
            request.extensions_mut().insert(caller);
            return Ok(());
        }
        let credential: Option<&Credential> = request.extensions().get();
        let credential = credential.ok_or_else(|| unauthenticated("x-auth was not read"))?;
        let form = self.verify(credential, request.uri().path(), request.body())?;
        let extensions = request.extensions_mut();
        if let Some(call) = extensions.remove::<UnverifiedCall>() {
            call.mark_verified();
        }
        extensions.insert(form);
        extensions.insert(Caller::with_api_key());
        tracing::Span::current().record("caller", API_KEY);
        Ok(())
    }
}

fn connection_identity<B>(request: &Request<B>) -> Option<&ConnectionIdentity> {
    request.extensions().get::<Arc<ConnectionIdentity>>().map(Arc::as_ref)
}

/// What somebody may do who shows no key, and whom the connection tells of.
fn caller_of(identity: &ConnectionIdentity) -> Caller {
    match identity {
        ConnectionIdentity::LocalUser(_)
        | ConnectionIdentity::ClientCertificate(ClientCertificate { restrictions: None, .. }) => {
            Caller::with_api_key()
        },
        ConnectionIdentity::ClientCertificate(_) => Caller::default(),
    }
}

fn credential(headers: &HeaderMap) -> Result<Credential, Status> {
    let mut values = headers.get_all(auth::HEADER).iter();
    let value = values.next().ok_or_else(|| unauthenticated("no x-auth header"))?;
    // A proxy in between may read another of the two.
    if values.next().is_some() {
        return Err(unauthenticated("more than one x-auth header"));
    }
    let value = value.to_str().map_err(unauthenticated)?;
    Credential::parse(value, unix_secs()).map_err(unauthenticated)
}

/// The same answer for every reason. The reason is only logged, for the first refusal in each minute,
/// because strangers can cause any number of them.
fn unauthenticated(reason: impl std::fmt::Display) -> Status {
    static REFUSED: LogThrottle = LogThrottle::new();
    match REFUSED.count() {
        Some(refusals) => tracing::debug!(%reason, refusals, "refused a call"),
        None => tracing::trace!(%reason, "refused a call"),
    }
    Status::unauthenticated("missing or invalid x-auth header")
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const KEY: &str = "aa";
    const PATH: &str = "/api.LightningNode/GetNodeInfo";
    const BODY: &[u8] = &[0, 0, 0, 0, 0];

    fn request(x_auth: &str) -> Request<Bytes> {
        let request = Request::post(PATH).header(auth::HEADER, x_auth);
        request.body(Bytes::from_static(BODY)).unwrap()
    }

    fn signed() -> Request<Bytes> {
        request(&auth::sign_request(KEY, unix_secs(), &[1; 16], PATH, BODY))
    }

    fn check(request: &mut Request<Bytes>, accepts_older: bool) -> Result<(), Code> {
        let accepted = AcceptedForms { timestamp_only: accepts_older, body_bound: accepts_older };
        let authenticate = Authenticate::new(Zeroizing::new(KEY.to_owned()), accepted);
        let checked = ReadCredential.check(request).and_then(|()| authenticate.check(request));
        checked.map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_holder_of_the_key_is_a_caller() {
        let mut request = signed();
        assert_eq!(check(&mut request, false), Ok(()));
        assert!(request.extensions().get::<Caller>().is_some());
        assert_eq!(request.extensions().get(), Some(&Form::RequestBound));
    }

    #[test]
    fn the_older_forms_pass_where_they_are_accepted() {
        for signed in [&[][..], BODY] {
            let x_auth = auth::sign(KEY, unix_secs(), signed);
            assert_eq!(check(&mut request(&x_auth), true), Ok(()));
            assert_eq!(check(&mut request(&x_auth), false), Err(Code::Unauthenticated));
        }
    }

    #[test]
    fn a_signature_is_for_one_method() {
        let mut other = signed();
        *other.uri_mut() = "/api.LightningNode/OnchainReceive".parse().unwrap();
        assert_eq!(check(&mut other, true), Err(Code::Unauthenticated));
        assert!(other.extensions().get::<Caller>().is_none());
    }

    #[test]
    fn two_credentials_are_refused() {
        let wrong = auth::sign("bb", unix_secs(), BODY);
        let mut both = signed();
        both.headers_mut().append(auth::HEADER, wrong.parse().unwrap());
        assert_eq!(check(&mut both, true), Err(Code::Unauthenticated));
    }

    #[test]
    fn every_bad_credential_is_unauthenticated() {
        let stale = auth::sign(KEY, unix_secs() - auth::MAX_CLOCK_SKEW_SECS - 5, BODY);
        let future = auth::sign(KEY, unix_secs() + auth::MAX_CLOCK_SKEW_SECS + 5, BODY);
        let other_key = auth::sign("bb", unix_secs(), BODY);
        let other_body = auth::sign(KEY, unix_secs(), &[0, 0, 0, 0, 1, 0]);
        for x_auth in ["", "HMAC", &stale, &future, &other_key, &other_body] {
            let refused = check(&mut request(x_auth), true);
            assert_eq!(refused, Err(Code::Unauthenticated), "{x_auth}");
        }
        let mut missing = signed();
        missing.headers_mut().remove(auth::HEADER);
        assert_eq!(check(&mut missing, true), Err(Code::Unauthenticated));
    }
}
