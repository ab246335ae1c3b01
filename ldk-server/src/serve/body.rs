//! Request bodies: read whole up to the cap, and checked to be one gRPC frame.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use tonic::Status;

/// One byte of flags and four of length.
const FRAME_HEADER_BYTES: usize = 5;

/// Reads a request body.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = Limited::new(body, MAX_MESSAGE_BYTES).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            Status::invalid_argument(format!("the request body is over {MAX_MESSAGE_BYTES} bytes"))
        } else {
            Status::cancelled("the request body was not sent completely")
        }
    })
}

/// Checks that `body` is exactly one uncompressed frame.
pub(super) fn check_frame(body: &[u8]) -> Result<(), Status> {
    let Some((&[flags, length @ ..], message)) = body.split_first_chunk::<FRAME_HEADER_BYTES>()
    else {
        let found = body.len();
        return Err(Status::invalid_argument(format!(
            "the body has {found} bytes; a gRPC frame has at least {FRAME_HEADER_BYTES}"
        )));
    };
    if flags != 0 {
        return Err(Status::unimplemented("compressed messages are not supported; send identity"));
    }
    let (announced, found) = (u32::from_be_bytes(length) as usize, message.len());
    if announced == found {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!(
            "the gRPC frame announces {announced} bytes, but {found} follow; send exactly one frame"
        )))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    #[test]
    fn one_whole_frame_is_accepted() {
        assert!(check_frame(&[0, 0, 0, 0, 0]).is_ok());
        assert!(check_frame(&[0, 0, 0, 0, 2, 8, 1]).is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        for (body, code) in [
            (&[][..], Code::InvalidArgument),
            (&[0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 0, 0, 0, 3, 8, 1], Code::InvalidArgument),
            (&[0, 0, 0, 0, 1, 8, 1], Code::InvalidArgument),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 255, 255, 255, 255], Code::InvalidArgument),
            (&[1, 0, 0, 0, 0], Code::Unimplemented),
        ] {
            assert_eq!(check_frame(body).unwrap_err().code(), code, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_or_refused(body: Vec<u8>) {
            let _ = check_frame(&body);
        }
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_refused() {
        let at_cap = Bytes::from(vec![0; MAX_MESSAGE_BYTES]);
        assert!(read(Full::new(at_cap)).await.is_ok());
        let over = Bytes::from(vec![0; MAX_MESSAGE_BYTES + 1]);
        assert_eq!(read(Full::new(over)).await.unwrap_err().code(), Code::InvalidArgument);
    }
}
