//! Messages that many streams have at the same time, such as events: each is put into an envelope once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use prost_reflect::MessageDescriptor;
use tonic::Status;

use super::codec::{encode_here, put_envelope};

/// How many envelopes are kept.
const KEPT: usize = 32;
/// Larger messages, such as parts of backups, are in one stream only.
const MAX_SHARED_BYTES: usize = 16 * 1024;

/// The newest envelopes of all streams.
static NEWEST: Newest = Newest(Mutex::new(VecDeque::new()));

struct Newest(Mutex<VecDeque<Envelope>>);

struct Envelope {
    message: MessageDescriptor,
    binary: Bytes,
    text: Bytes,
}

/// The message with these bytes, as JSON in an envelope.
pub(super) fn envelope(message: &MessageDescriptor, binary: &[u8]) -> Result<Bytes, Status> {
    if binary.len() > MAX_SHARED_BYTES {
        write(message, binary)
    } else {
        NEWEST.of(message, binary)
    }
}

fn write(message: &MessageDescriptor, binary: &[u8]) -> Result<Bytes, Status> {
    let mut envelope = BytesMut::new();
    put_envelope(&mut envelope, 0, &encode_here(message, binary)?)?;
    Ok(envelope.freeze())
}

impl Newest {
    /// The envelope of a message. Of all who ask at once, one writes it.
    fn of(&self, message: &MessageDescriptor, binary: &[u8]) -> Result<Bytes, Status> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = newest.iter().rev();
        if let Some(same) = kept.find(|kept| kept.binary == binary && kept.message == *message) {
            return Ok(same.text.clone());
        }
        let text = write(message, binary)?;
        if newest.len() >= KEPT {
            newest.pop_front();
        }
        let (message, binary) = (message.clone(), Bytes::copy_from_slice(binary));
        newest.push_back(Envelope { message, binary, text: text.clone() });
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn event(number: u8) -> [u8; 2] {
        // The first field of both messages.
        [8, number]
    }

    #[test]
    fn an_envelope_is_written_once_as_long_as_it_is_new() {
        let newest = Newest(Mutex::default());
        let message = &json::method("SubscribeEvents").unwrap().response;
        let first = newest.of(message, &event(1)).unwrap();
        assert_eq!(first, [&[0, 0, 0, 0, 32][..], br#"{"event_index":1,"created_at":0}"#].concat());
        let is_first = |other: Bytes| other.as_ptr() == first.as_ptr();
        assert!(is_first(newest.of(message, &event(1)).unwrap()));
        for number in 2..=KEPT as u8 {
            assert!(!is_first(newest.of(message, &event(number)).unwrap()));
        }
        assert!(is_first(newest.of(message, &event(1)).unwrap()));
        newest.of(message, &event(100)).unwrap();
        assert!(!is_first(newest.of(message, &event(1)).unwrap()));
        assert_eq!(newest.0.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn the_same_bytes_of_another_message_are_another_envelope() {
        let newest = Newest(Mutex::default());
        let of = |name: &str| newest.of(&json::method(name).unwrap().response, &[]).unwrap();
        assert_ne!(of("SubscribeEvents"), of("GetNodeInfo"));
    }
}
