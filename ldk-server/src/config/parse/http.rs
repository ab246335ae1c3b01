//! JSON over HTTP, and web pages.

use http::HeaderValue;

use crate::config::keys::{self, Key, List, Text};
use crate::config::values::Values;
use crate::config::{ConfigError, CorsOrigins, HttpConfig};

const CSP: Key<Text> = keys::HTTP_CSP;
const CORS_ORIGINS: Key<List> = keys::HTTP_CORS_ORIGINS;

pub(in crate::config) fn http(values: &Values) -> Result<HttpConfig, ConfigError> {
    let csp = values.text(CSP).unwrap_or_default();
    let csp = HeaderValue::try_from(&csp).map_err(|_| {
        ConfigError::new(CSP, format!("{csp:?}; accepted is the text of a header, in one line"))
    })?;
    let cors_origins = CorsOrigins::parse(&values.list(CORS_ORIGINS))
        .map_err(|reason| ConfigError::new(CORS_ORIGINS, reason))?;
    let (enabled, docs) = (values.is_on(keys::HTTP_ENABLED), values.is_on(keys::HTTP_DOCS));
    Ok(HttpConfig { enabled, docs, csp, cors_origins })
}
