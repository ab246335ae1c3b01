//! Who calls: whoever holds an API key or a rune.
//!
//! A signature is read before the body, so that strangers cannot have a large one read without one; it is
//! verified after, because it covers the body. A rune covers nothing, and is verified at once.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use ldk_server_grpc::auth::{self, Credential, Form};
use ldk_server_grpc::rune::{self, Restriction};
use tonic::Status;

use super::super::client::UnverifiedCall;
use super::super::identity::ConnectionIdentity;
use super::check::Check;
use crate::access::Grant;
use crate::caller::{Caller, Identity};
use crate::clock::{LogThrottle, unix_secs};
use crate::local_socket::LocalUser;
use crate::permissions::{ApiKeys, Genuine, Refusal, Runes, Signed};
use crate::rest;
use crate::secrets::ClientCertificate;

/// Checks that there is either one fresh, well-formed `x-auth` or one rune that is good, and puts the
/// [`Credential`] or the [`Caller`] into the extensions.
#[derive(Clone)]
pub(in crate::http) struct ReadCredential {
    runes: Runes,
}

/// Checks that a credential was made with an API key for this request, and puts the [`Caller`] into the
/// extensions, with the [`Form`] of the credential. The connection is no stranger's from then on.
#[derive(Clone)]
pub(in crate::http) struct Authenticate {
    api_keys: ApiKeys,
    accepted: AcceptedForms,
}

/// Puts the [`Caller`] that the connection tells of into the extensions; whatever else tells of one is not
/// read.
#[derive(Clone, Copy)]
pub(in crate::http) struct CallerOfConnection;

/// Which of the older forms of `x-auth` are accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedForms {
    /// The form that covers the time only.
    pub timestamp_only: bool,
    /// The form that covers the time and the body.
    pub body_bound: bool,
}

impl ReadCredential {
    /// Accepts these runes.
    pub(in crate::http) fn new(runes: Runes) -> Self {
        Self { runes }
    }

    /// The caller who holds this rune.
    pub(in crate::http) fn caller_with(&self, rune: &str) -> Result<Caller, Status> {
        let genuine = self.runes.verify(rune).map_err(|refusal| match refusal {
            Refusal::Starting => Status::unavailable(refusal.to_string()),
            Refusal::Forged | Refusal::Revoked(_) => unauthenticated(refusal),
        })?;
        let Genuine { rune, id, label } = genuine;
        Ok(Caller::known(Identity::Rune { id, label: Arc::from(label) }, Grant::of_rune(rune)))
    }
}

impl<B> Check<B> for ReadCredential {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        match (only(request.headers(), auth::HEADER)?, rune_of(request)?) {
            (Some(x_auth), None) => {
                check_coverage(request)?;
                let credential = Credential::parse(x_auth, unix_secs()).map_err(unauthenticated)?;
                request.extensions_mut().insert(credential);
            },
            (None, Some(rune)) => {
                let caller = self.caller_with(rune)?;
                // Before the body, for which many strangers may make it wait.
                if let Some(call) = request.extensions().get::<UnverifiedCall>() {
                    call.mark_verified();
                }
                request.extensions_mut().insert(caller);
            },
            // The connection tells who calls.
            (None, None) if connection_identity(request).is_some() => {},
            (None, None) => return Err(unauthenticated("no x-auth header, and no rune")),
            // Which of two was meant, a proxy in between may see differently.
            (Some(_), Some(_)) => return Err(unauthenticated("both an x-auth header and a rune")),
        }
        Ok(())
    }
}

impl Authenticate {
    /// Accepts these keys, in these forms and the request-bound one.
    pub(in crate::http) fn new(api_keys: ApiKeys, accepted: AcceptedForms) -> Self {
        Self { api_keys, accepted }
    }

    fn verify(&self, request: &Request<Bytes>) -> Result<(Caller, Form), Status> {
        let credential: Option<&Credential> = request.extensions().get();
        let credential = credential.ok_or_else(|| unauthenticated("x-auth was not read"))?;
        let key_name = only(request.headers(), auth::KEY_NAME_HEADER)?;
        let (path, body) = (request.uri().path(), request.body());
        let signed = self.api_keys.verify(credential, key_name, path, body);
        let Signed { name, grant, form } = signed.map_err(unauthenticated)?;
        match form {
            Form::TimestampOnly if !self.accepted.timestamp_only => {
                Err(unauthenticated("x-auth does not cover the body"))
            },
            Form::BodyBound if !self.accepted.body_bound => {
                Err(unauthenticated("x-auth does not cover the path"))
            },
            form => Ok((Caller::known(Identity::ApiKey(name), grant), form)),
        }
    }
}

impl Authenticate {
    /// Finds out who calls, unless a rune has told already, and puts the [`Caller`] into the extensions.
    fn identify(&self, request: &mut Request<Bytes>) -> Result<(), Status> {
        let extensions = request.extensions();
        if extensions.get::<Caller>().is_some() {
            return Ok(());
        }
        let caller = match (extensions.get::<Credential>(), connection_identity(request)) {
            (None, Some(identity)) => caller_of(identity),
            _ => {
                let (caller, form) = self.verify(request)?;
                request.extensions_mut().insert(form);
                caller
            },
        };
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

impl Check<Bytes> for Authenticate {
    fn check(&self, request: &mut Request<Bytes>) -> Result<(), Status> {
        self.identify(request)?;
        record_known(request);
        Ok(())
    }
}

impl<B> Check<B> for CallerOfConnection {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        let identity = connection_identity(request);
        let identity = identity.ok_or_else(|| unauthenticated("no certificate"))?;
        let caller = caller_of(identity);
        request.extensions_mut().insert(caller);
        record_known(request);
        Ok(())
    }
}

/// The client is no stranger any more, and the log names the caller.
fn record_known<B>(request: &mut Request<B>) {
    let extensions = request.extensions_mut();
    if let Some(call) = extensions.remove::<UnverifiedCall>() {
        call.mark_verified();
    }
    if let Some(caller) = extensions.get::<Caller>() {
        tracing::Span::current().record("caller", tracing::field::display(caller.identity()));
    }
}

fn connection_identity<B>(request: &Request<B>) -> Option<&ConnectionIdentity> {
    request.extensions().get::<Arc<ConnectionIdentity>>().map(Arc::as_ref)
}

/// The caller that the connection tells of.
fn caller_of(identity: &ConnectionIdentity) -> Caller {
    match identity {
        ConnectionIdentity::LocalUser(LocalUser { uid, .. }) => {
            Caller::known(Identity::LocalUser { uid: *uid }, Grant::Everything)
        },
        ConnectionIdentity::ClientCertificate(certificate) => {
            let name = Arc::from(certificate.name.as_str());
            Caller::known(Identity::ClientCertificate { name }, grant_of(certificate))
        },
    }
}

/// What the holder of a certificate may do: nothing if its restrictions cannot be read.
fn grant_of(certificate: &ClientCertificate) -> Grant {
    let Some(restrictions) = &certificate.restrictions else { return Grant::Everything };
    match Restriction::parse_list(restrictions) {
        // Those of one certificate, and not of another with the same name.
        Ok(restrictions) => {
            Grant::named(format!("certificate {}", certificate.serial), restrictions)
        },
        Err(_) => Grant::Nothing,
    }
}

/// The rune of a request. In JSON it may also be a bearer token, as HTTP libraries send it.
fn rune_of<B>(request: &Request<B>) -> Result<Option<&str>, Status> {
    match request.extensions().get::<rest::Call>() {
        Some(_) => rune_or_bearer_token(request.headers()),
        None => only(request.headers(), rune::HEADER),
    }
}

/// The rune in these headers, in its own or as a bearer token, but not in both.
pub(in crate::http) fn rune_or_bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Status> {
    match (only(headers, rune::HEADER)?, bearer_token(headers)?) {
        (Some(_), Some(_)) => Err(unauthenticated("both a rune and a bearer token")),
        (rune, token) => Ok(rune.or(token)),
    }
}

/// The token in the `authorization` header; `None` for other ways than a bearer token (RFC 6750).
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Status> {
    let given = only(headers, header::AUTHORIZATION.as_str())?;
    let split = given.and_then(|given| given.split_once(' '));
    Ok(split
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim()))
}

/// Refuses a signature of a body that is not the message.
fn check_coverage<B>(request: &Request<B>) -> Result<(), Status> {
    match request.extensions().get::<rest::Call>() {
        Some(call) if !call.is_in_body() => Err(unauthenticated("x-auth does not cover the query")),
        _ => Ok(()),
    }
}

/// The header of this name, of which there must not be two.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Status> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // A proxy in between may read another of the two.
    if values.next().is_some() {
        return Err(unauthenticated(format_args!("more than one {name} header")));
    }
    value.to_str().map(Some).map_err(unauthenticated)
}

/// The same answer for every reason. The reason is only logged, for the first refusal in each minute,
/// because strangers can cause any number of them.
fn unauthenticated(reason: impl std::fmt::Display) -> Status {
    static REFUSED: LogThrottle = LogThrottle::new();
    match REFUSED.count() {
        Some(refusals) => tracing::debug!(%reason, refusals, "refused a call"),
        None => tracing::trace!(%reason, "refused a call"),
    }
    Status::unauthenticated(rest::REFUSED)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::permissions::Permissions;

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
        let Permissions { api_keys, runes, .. } = Permissions::with_api_key(KEY);
        let authenticate = Authenticate::new(api_keys, accepted);
        let read = ReadCredential::new(runes).check(request);
        let checked = read.and_then(|()| authenticate.check(request));
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
