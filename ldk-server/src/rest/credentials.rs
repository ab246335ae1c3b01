//! What callers are told whose credential is not accepted: which one it is. That depends only on what they
//! have sent. In gRPC there is one text for all, which belongs to the contract.

use std::borrow::Cow;

use http::{HeaderMap, header};
use ldk_server_grpc::{auth, rune};
use tonic::{Code, Status};

/// What every refusal of a credential says in gRPC.
pub(crate) const REFUSED: &str = "missing or invalid x-auth header";

const NONE: &str = "no credential; accepted are a rune, as rune: RUNE or authorization: Bearer RUNE, and \
                    an API key, as x-auth";

/// The credentials in the headers of a request, of which there should be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials {
    runes: usize,
    bearer_tokens: usize,
    /// Of `authorization`, in another scheme.
    others: usize,
    x_auths: usize,
}

impl Credentials {
    /// A rune that did not come in a header.
    pub(crate) const RUNE: Self = Self { runes: 1, bearer_tokens: 0, others: 0, x_auths: 0 };

    /// Those in these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let count = |name: &str| headers.get_all(name).iter().count();
        let authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let is_bearer = |value: &&http::HeaderValue| is_bearer(value.as_bytes());
        let bearer_tokens = authorizations.filter(is_bearer).count();
        Self {
            runes: count(rune::HEADER),
            bearer_tokens,
            others: count(header::AUTHORIZATION.as_str()) - bearer_tokens,
            x_auths: count(auth::HEADER),
        }
    }

    /// The refusal, which names the credential if it is refused for that.
    pub(crate) fn named_in(&self, refusal: Status) -> Status {
        if refusal.code() == Code::Unauthenticated && refusal.message() == REFUSED {
            return Status::unauthenticated(self.reason());
        }
        refusal
    }

    fn reason(&self) -> Cow<'static, str> {
        match (self.runes, self.bearer_tokens, self.others, self.x_auths) {
            (0, 0, 0, 0) => NONE.into(),
            (1, 0, 0, 0) => "the rune is not one of this node, or was revoked".into(),
            (0, 1, 0, 0) => "the bearer token is no rune of this node, or was revoked".into(),
            (0, 0, _, 0) => "authorization: accepted is Bearer, with a rune".into(),
            (0, 0, 0, 1) => "x-auth is invalid or outdated, or is not for this request".into(),
            _ => format!("more than one credential: {}; send one", self.list()).into(),
        }
    }

    fn list(&self) -> String {
        let all = [
            ("rune", self.runes),
            ("authorization", self.bearer_tokens + self.others),
            ("x-auth", self.x_auths),
        ];
        let names = all.iter().flat_map(|(name, count)| std::iter::repeat_n(*name, *count));
        // A request has only so many headers.
        names.take(all.len()).collect::<Vec<_>>().join(", ")
    }
}

fn is_bearer(value: &[u8]) -> bool {
    let scheme = value.split(|byte| *byte == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(given: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let refusal = Credentials::of(&headers).named_in(Status::unauthenticated(REFUSED));
        refusal.message().to_owned()
    }

    #[test]
    fn the_credential_that_was_given_is_named() {
        assert_eq!(told(&[]), NONE);
        assert!(told(&[("rune", "a")]).starts_with("the rune "));
        assert!(told(&[("authorization", "bearer a")]).starts_with("the bearer token "));
        assert!(told(&[("authorization", "Basic a")]).starts_with("authorization: "));
        assert!(told(&[("x-auth", "a")]).starts_with("x-auth "));
    }

    #[test]
    fn two_credentials_are_one_too_many() {
        let of = |names: &str| format!("more than one credential: {names}; send one");
        assert_eq!(told(&[("rune", "a"), ("rune", "a")]), of("rune, rune"));
        let two = [("rune", "a"), ("authorization", "Bearer a")];
        assert_eq!(told(&two), of("rune, authorization"));
        assert_eq!(told(&[("x-auth", "a"); 50]), of("x-auth, x-auth, x-auth"));
    }

    #[test]
    fn other_refusals_stay_as_they_are() {
        let headers = HeaderMap::new();
        for refusal in [Status::unauthenticated("used before"), Status::permission_denied(REFUSED)]
        {
            let named = Credentials::of(&headers).named_in(refusal.clone());
            assert_eq!(named.message(), refusal.message());
        }
    }
}
