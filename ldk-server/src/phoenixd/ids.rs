//! Ids of payments: of 32 bytes in the API, of 16 in phoenixd's interface.

use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::answer::Refusal;

/// The lengths of the parts of a UUID, in hex digits.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];
const UUID_DIGITS: usize = 32;

/// The id of a payment in its text.
pub(super) fn payment_id(text: &str) -> Option<PaymentId> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(PaymentId(id))
}

/// The first half of an id, in the form of a UUID.
pub(super) fn uuid(payment_id: &str) -> String {
    let mut rest = payment_id;
    let mut parts = Vec::new();
    for length in UUID_PARTS {
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        parts.push(part);
        rest = after;
    }
    parts.join("-")
}

/// What the id of a payment begins with that has this UUID.
pub(super) fn beginning(uuid: &str) -> Result<String, Refusal> {
    let digits = uuid.replace('-', "").to_ascii_lowercase();
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uuid =
        is_hex && digits.len() == UUID_DIGITS && self::uuid(&digits) == uuid.to_ascii_lowercase();
    is_uuid.then_some(digits).ok_or_else(|| Refusal::invalid("uuid", "uuid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_half_an_id() {
        let id = "00112233445566778899aabbccddeeff".repeat(2);
        let uuid = uuid(&id);
        assert_eq!(uuid, "00112233-4455-6677-8899-aabbccddeeff");
        assert!(id.starts_with(&beginning(&uuid).unwrap()));
        assert_eq!(beginning(&uuid.to_uppercase()).unwrap(), beginning(&uuid).unwrap());
        for wrong in ["", "a", &id, &uuid[1..], "00112233445566778899aabbccddeeff"] {
            assert!(beginning(wrong).is_err(), "{wrong}");
        }
    }
}
