//! The server's message codec: protobuf, with a malformed request being the caller's fault. A message for
//! many is encoded once.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

/// Like [`ProstCodec`], but bytes that are not the request message are answered with
/// `INVALID_ARGUMENT`, where tonic's own codec says `INTERNAL`.
#[derive(Clone, Debug)]
pub struct ServerCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ServerCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ServerCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = RequestDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder(PhantomData)
    }
}

/// Decodes a request message.
#[derive(Clone, Debug)]
pub struct RequestDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for RequestDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer).map(Some).map_err(|error| {
            Status::invalid_argument(format!(
                "the request is not a valid protobuf message: {error}"
            ))
        })
    }
}

/// A message that many are sent: whoever sends it first encodes it for all. Clones share it.
#[derive(Debug, Default)]
pub struct Shared<M>(Arc<Encoded<M>>);

#[derive(Debug, Default)]
struct Encoded<M> {
    message: M,
    bytes: OnceLock<Bytes>,
}

impl<M: Message> Shared<M> {
    /// The message in protobuf.
    pub fn bytes(&self) -> &Bytes {
        self.0.bytes.get_or_init(|| self.0.message.encode_to_vec().into())
    }
}

impl<M: Message + Default> Shared<M> {
    /// The message with these bytes, which are sent as they are.
    pub fn of_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        let message = M::decode(bytes.clone())?;
        Ok(Self(Arc::new(Encoded { message, bytes: bytes.into() })))
    }
}

impl<M> From<M> for Shared<M> {
    fn from(message: M) -> Self {
        Self(Arc::new(Encoded { message, bytes: OnceLock::new() }))
    }
}

impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> Deref for Shared<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0.message
    }
}

impl<M: Message + Clone + Default> Message for Shared<M> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(self.bytes());
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut message = self.0.message.clone();
        message.merge_field(tag, wire_type, buffer, context)?;
        *self = message.into();
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.bytes().len()
    }

    fn clear(&mut self) {
        *self = M::default().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventEnvelope;

    #[test]
    fn a_shared_message_is_encoded_as_it_is_and_once() {
        let message = EventEnvelope { event_index: 7, created_at: 9, event: None };
        let shared = Shared::from(message.clone());
        assert_eq!(shared.encode_to_vec(), message.encode_to_vec());
        assert_eq!(shared.encoded_len(), message.encoded_len());
        assert_eq!(shared.bytes().as_ptr(), shared.clone().bytes().as_ptr());
        let read = Shared::<EventEnvelope>::of_bytes(shared.bytes().clone()).unwrap();
        assert_eq!(*read, message);
        assert_eq!(read.bytes().as_ptr(), shared.bytes().as_ptr());
        let mut decoded = Shared::<EventEnvelope>::decode(shared.bytes().clone()).unwrap();
        assert_eq!(*decoded, message);
        decoded.clear();
        assert_eq!(*decoded, EventEnvelope::default());
    }
}
