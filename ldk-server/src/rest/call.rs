//! How a call was sent: what its method, its content type and its query say.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tonic::Status;

use super::codec;
use super::credentials::Credentials;
use super::form::{self, pairs};
use super::method::SHORT_PREFIX;
use crate::api::table::spec;
use crate::api::{Impact, Kind};
use crate::json;

/// A call that is not sent as gRPC, in the extensions of its request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    form: Form,
    refused: Option<Refused>,
    credentials: Credentials,
}

/// Where the message is, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON in the body.
    Json,
    /// The fields of an HTML form in the body.
    Fields,
    /// JSON in the query, for calls that change nothing.
    Query,
    /// JSON in an envelope in the body; the answer is a stream of envelopes.
    Envelopes,
}

/// Why a request is none that calls are made with.
#[derive(Clone, Debug)]
struct Refused {
    status: StatusCode,
    reason: Status,
}

impl Call {
    /// Reads how a call was sent. What is wrong with that is told by [`check`](Self::check).
    pub(crate) fn of(parts: &Parts) -> Self {
        let credentials = Credentials::of(&parts.headers);
        match form_of(parts) {
            Ok(form) => Self { form, refused: None, credentials },
            Err(refused) => Self { form: Form::Json, refused: Some(refused), credentials },
        }
    }

    /// Whether a request at a path of gRPC is in one of these forms, and so no gRPC call.
    pub(crate) fn is_in(parts: &Parts) -> bool {
        match parts.method {
            Method::GET => query_of(parts).any(|(name, _)| name == "connect" || name == "message"),
            Method::POST => {
                media_type(&parts.headers).is_some_and(|given| form_in(&given).is_some())
            },
            _ => false,
        }
    }

    /// Says why the request is none that calls are made with.
    pub(crate) fn check(&self) -> Result<(), Status> {
        self.refused.as_ref().map_or(Ok(()), |refused| Err(refused.reason.clone()))
    }

    /// The HTTP status of a refusal that has another than its code.
    pub(super) fn refused_with(&self) -> Option<StatusCode> {
        self.refused.as_ref().map(|refused| refused.status)
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Whether the body is the whole message, which a signature of the body then covers.
    pub(crate) fn is_in_body(&self) -> bool {
        self.form != Form::Query
    }

    /// The message of this call in binary.
    pub(crate) async fn message(
        &self,
        parts: &Parts,
        name: &str,
        body: Bytes,
    ) -> Result<Bytes, Status> {
        self.check_kind(name)?;
        let method = json::method(name).ok_or_else(|| Status::internal("no such message"))?;
        let text = match self.form {
            Form::Json => body,
            Form::Fields => form::to_json(&method.request, &body)?,
            Form::Query => message_in_query(parts)?,
            Form::Envelopes => codec::in_envelope(&body)?,
        };
        check_charset(&text)?;
        codec::decode(&method.request, text).await
    }

    /// Checks that the call is one of those that are made in this form.
    fn check_kind(&self, name: &str) -> Result<(), Status> {
        let spec = spec(name);
        let is_stream = spec.is_some_and(|spec| spec.kind == Kind::Stream);
        let is_read = spec.is_some_and(|spec| spec.impact == Impact::Reads);
        match self.form {
            Form::Envelopes if !is_stream => Err(Status::invalid_argument(format!(
                "content-type: the answer of {name} is no stream; send application/json"
            ))),
            Form::Json | Form::Fields | Form::Query if is_stream => {
                Err(Status::invalid_argument(format!(
                    "content-type: the answer of {name} is a stream; send application/connect+json"
                )))
            },
            Form::Query if !is_read => Err(Status::invalid_argument(format!(
                "{name} changes something; send it with POST"
            ))),
            _ => Ok(()),
        }
    }
}

fn form_of(parts: &Parts) -> Result<Form, Refused> {
    match parts.method {
        Method::GET if !parts.uri.path().starts_with(SHORT_PREFIX) => {
            check_query(parts)?;
            Ok(Form::Query)
        },
        Method::POST => form_of_post(parts),
        _ => Err(Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            reason: Status::unimplemented("calls are made with POST"),
        }),
    }
}

fn form_of_post(parts: &Parts) -> Result<Form, Refused> {
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        let reason = "the query of a POST is not read; send the fields in the body";
        return Err(Refused::invalid(Status::invalid_argument(reason)));
    }
    check_encoding(&parts.headers)?;
    let Some(given) = media_type(&parts.headers) else { return Ok(Form::Json) };
    form_in(&given).ok_or_else(|| Refused {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        reason: Status::invalid_argument(
            "content-type: accepted are application/json and application/x-www-form-urlencoded, and \
             application/connect+json for streams, in UTF-8",
        ),
    })
}

/// The form with this content type; `None` if it is none of these, or in another charset than UTF-8.
fn form_in(content_type: &str) -> Option<Form> {
    let mut parts = content_type.split(';').map(str::trim);
    let form = match parts.next()? {
        "application/json" => Form::Json,
        "application/x-www-form-urlencoded" => Form::Fields,
        "application/connect+json" => Form::Envelopes,
        _ => return None,
    };
    let is_utf_8 = |parameter: &str| {
        parameter.strip_prefix("charset=").is_some_and(|set| set.trim_matches('"') == "utf-8")
    };
    parts.all(is_utf_8).then_some(form)
}

/// The content type in lower case; `None` if there is none.
fn media_type(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let given = headers.get(header::CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(given.as_bytes());
    Some(if text.bytes().any(|letter| letter.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        text
    })
}

/// Refuses compressed bodies: what they would grow to is not known before they are read.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refused> {
    let names = ["content-encoding", "connect-content-encoding"];
    let is_plain = |value: &HeaderValue| value.as_bytes() == b"identity";
    let compressed = names.into_iter().find(|name| !headers.get_all(*name).iter().all(is_plain));
    compressed.map_or(Ok(()), |name| {
        Err(Refused {
            status: StatusCode::NOT_IMPLEMENTED,
            reason: Status::unimplemented(format!(
                "{name}: compressed messages are not supported; send identity"
            )),
        })
    })
}

fn query_of(parts: &Parts) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pairs(parts.uri.query().unwrap_or_default().as_bytes())
}

/// Checks what the query says about the message in it.
fn check_query(parts: &Parts) -> Result<(), Refused> {
    for (name, value) in query_of(parts) {
        let is_known = match &*name {
            "connect" => value == "v1",
            "encoding" => value == "json",
            "base64" => value == "1" || value == "0",
            "compression" => value == "identity" || value.is_empty(),
            "message" => true,
            _ => false,
        };
        if !is_known {
            return Err(Refused::invalid(Status::invalid_argument(format!(
                "{}: accepted are connect=v1, encoding=json, base64=1, and message",
                crate::error::quoted(&format!("{name}={value}"))
            ))));
        }
    }
    Ok(())
}

/// The message in the query.
fn message_in_query(parts: &Parts) -> Result<Bytes, Status> {
    let of = |wanted: &str| {
        query_of(parts).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let message = of("message").unwrap_or_default();
    if of("base64").as_deref() != Some("1") {
        return Ok(message.into());
    }
    form::from_base64(&message)
        .map(Bytes::from)
        .ok_or_else(|| Status::invalid_argument("message: is not base64"))
}

fn check_charset(text: &[u8]) -> Result<(), Status> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Status::invalid_argument(format!(
            "the text is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))),
    }
}

impl Refused {
    fn invalid(reason: Status) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason }
    }
}
