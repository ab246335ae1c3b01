//! The password in a request.

use headers::authorization::{Basic, Credentials as _};
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

/// The password of basic authentication (RFC 7617); the user may have any name.
pub(super) fn password(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let given = only(headers, &header::AUTHORIZATION)?;
    let is_basic =
        given.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
    let basic = is_basic.then(|| Basic::decode(given)).flatten()?;
    Some(Zeroizing::new(basic.password().to_owned()))
}

/// The passwords that the names of a WebSocket's protocols may be: browsers cannot send them otherwise.
pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = only(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let named = named.and_then(|named| named.to_str().ok()).unwrap_or_default();
    named.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// A proxy in between may read another of several.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a HeaderValue> {
    let mut given = headers.get_all(name).iter();
    let first = given.next()?;
    given.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |value: &&str| (header::AUTHORIZATION, value.parse().unwrap());
        HeaderMap::from_iter(values.iter().map(value))
    }

    fn of(value: &str) -> Option<String> {
        password(&headers(&[value])).map(|password| password.to_string())
    }

    #[test]
    fn the_user_may_have_any_name() {
        for (login, expected) in
            [(":secret", "secret"), ("user:secret", "secret"), (":a:b", "a:b"), ("user:", "")]
        {
            for scheme in ["Basic", "basic", "BASIC"] {
                let value = format!("{scheme} {}", BASE64_STANDARD.encode(login));
                assert_eq!(of(&value).as_deref(), Some(expected), "{value}");
            }
        }
    }

    #[test]
    fn what_is_no_login_is_none() {
        let login = format!("Basic {}", BASE64_STANDARD.encode(":secret"));
        for value in ["", "Basic", "Basic ", "Basic !!", "Bearer secret", "Basic c2VjcmV0"] {
            assert_eq!(of(value), None, "{value}");
        }
        assert!(password(&headers(&[&login, &login])).is_none());
        assert!(password(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_protocol_may_be_a_password() {
        let value = "chat, secret".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, value)]);
        assert!(protocols(&headers).eq(["chat", "secret"]));
        assert_eq!(protocols(&HeaderMap::new()).count(), 0);
    }
}
