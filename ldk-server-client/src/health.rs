//! The pages that tell how the server is.

use std::error::Error as StdError;

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service as _, ServiceExt as _};

use crate::answer;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A page has a few lines.
const MAX_PAGE_BYTES: usize = 64 * 1024;

/// Reads a page. Where the server says that it is not well, that is UNAVAILABLE with its reasons.
pub(crate) async fn check(mut channel: Channel, path: &'static str) -> Result<(), Status> {
    let page = async {
        let request = Request::get(path).body(Body::empty())?;
        let (head, body) = channel.ready().await?.call(request).await?.into_parts();
        let text = Limited::new(body, MAX_PAGE_BYTES).collect().await?.to_bytes();
        Ok::<_, BoxError>((head.status, String::from_utf8_lossy(&text).trim_end().to_owned()))
    };
    match page.await.map_err(Status::from_error)? {
        (StatusCode::OK, _) => Ok(()),
        (StatusCode::SERVICE_UNAVAILABLE, reasons) => Err(Status::unavailable(reasons)),
        (status, _) => Err(Status::new(
            answer::code_of(status),
            format!("{path} is answered with HTTP status {status}"),
        )),
    }
}
