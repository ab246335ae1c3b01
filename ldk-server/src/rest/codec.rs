//! From text to messages and back. What is large is translated on a thread for work that takes long, a
//! few at a time: as values, a message takes several times the memory of its text.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost_reflect::MessageDescriptor;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tonic::Status;

use crate::json;

/// One byte of flags and four bytes of length, before each message of a stream, as in gRPC.
pub(super) const ENVELOPE_HEADER_BYTES: usize = 5;
/// What is larger is not translated between other work.
const SMALL_BYTES: usize = 64 * 1024;
/// How many large texts are translated at once; further ones wait.
static LARGE: Semaphore = Semaphore::const_new(2);

/// Reads a message from JSON.
pub(super) async fn decode(message: &MessageDescriptor, text: Bytes) -> Result<Bytes, Status> {
    let message = message.clone();
    let decode = move |text: &[u8]| {
        let decoded = json::decode(&message, text);
        decoded.map_err(|error| Status::invalid_argument(error.to_string()))
    };
    apart(text, decode).await
}

/// Writes a message as JSON.
pub(super) async fn encode(message: &MessageDescriptor, binary: Bytes) -> Result<Bytes, Status> {
    let message = message.clone();
    apart(binary, move |binary: &[u8]| encode_here(&message, binary)).await
}

/// As [`encode`], for one message of a stream.
pub(super) fn encode_here(message: &MessageDescriptor, binary: &[u8]) -> Result<Vec<u8>, Status> {
    json::encode(message, binary).map_err(internal)
}

async fn apart<F>(input: Bytes, translate: F) -> Result<Bytes, Status>
where
    F: FnOnce(&[u8]) -> Result<Vec<u8>, Status> + Send + 'static,
{
    if input.len() <= SMALL_BYTES {
        return translate(&input).map(Bytes::from);
    }
    let permit = LARGE.acquire().await.map_err(internal)?;
    let work = move || {
        let _permit = permit;
        translate(&input)
    };
    spawn_blocking(work).await.map_err(internal)?.map(Bytes::from)
}

/// The message in an envelope, which must be the only one.
pub(super) fn in_envelope(body: &Bytes) -> Result<Bytes, Status> {
    let wrong = |what: &str| Err(Status::invalid_argument(format!("the envelope {what}")));
    let Some((&[flags, length @ ..], text)) = body.split_first_chunk::<ENVELOPE_HEADER_BYTES>()
    else {
        return wrong("has fewer than 5 bytes");
    };
    if flags & 1 != 0 {
        return Err(Status::unimplemented("compressed messages are not supported; send identity"));
    }
    if flags != 0 {
        return wrong("has flags that no message has");
    }
    if u32::from_be_bytes(length) as usize != text.len() {
        return wrong("has another length than it says; send exactly one");
    }
    Ok(body.slice(ENVELOPE_HEADER_BYTES..))
}

/// Puts a text into an envelope.
pub(super) fn put_envelope(out: &mut BytesMut, flags: u8, text: &[u8]) -> Result<(), Status> {
    let length = u32::try_from(text.len()).map_err(internal)?;
    out.put_u8(flags);
    out.put_u32(length);
    out.put_slice(text);
    Ok(())
}

/// A failure of this server, which only its log explains.
pub(super) fn internal(error: impl std::fmt::Display) -> Status {
    tracing::error!(%error, "an answer cannot be written as JSON");
    Status::internal("internal error; the server's log has the details")
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn one_envelope_is_read() {
        let mut envelope = BytesMut::new();
        put_envelope(&mut envelope, 0, b"{}").unwrap();
        assert_eq!(in_envelope(&envelope.freeze()).unwrap(), "{}");
    }

    #[test]
    fn anything_else_is_refused() {
        for (body, code) in [
            (&[][..], Code::InvalidArgument),
            (&[0, 0, 0, 0], Code::InvalidArgument),
            (&[0, 0, 0, 0, 3, b'{', b'}'], Code::InvalidArgument),
            (&[0, 0, 0, 0, 1, b'{', b'}'], Code::InvalidArgument),
            (&[2, 0, 0, 0, 2, b'{', b'}'], Code::InvalidArgument),
            (&[1, 0, 0, 0, 2, b'{', b'}'], Code::Unimplemented),
        ] {
            let refused = in_envelope(&Bytes::from_static(body)).unwrap_err();
            assert_eq!(refused.code(), code, "{body:?}");
        }
    }

    #[tokio::test]
    async fn what_is_large_is_read_as_what_is_small() {
        let request = &json::method("DecodeOffer").unwrap().request;
        for length in [1, SMALL_BYTES, 10 * SMALL_BYTES] {
            let text = format!("{{\"offer\":\"{}\"}}", "o".repeat(length));
            let binary = decode(request, text.clone().into()).await.unwrap();
            let back = encode(request, binary).await.unwrap();
            assert_eq!(back, text.as_bytes());
        }
    }
}
