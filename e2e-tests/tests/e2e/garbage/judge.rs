//! What may be answered to a request, told by where it is different from a sound one.

use ldk_server_client::Code;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value};

use crate::garbage::bases::Base;

/// What a bad request may be answered with.
const REFUSALS: [Code; 6] = [
    // Of a key that another call has, or a label.
    Code::AlreadyExists,
    Code::InvalidArgument,
    Code::NotFound,
    Code::FailedPrecondition,
    Code::OutOfRange,
    Code::Unimplemented,
];

/// The only calls that may say that they, or a part of them, cannot be done.
const UNABLE: [&str; 2] = ["Bolt11SendUnderpaying", "OpenChannel"];

/// The fields whose texts people paste, with white space around them.
const PASTED: [&str; 9] = [
    "invoice",
    "offer",
    "uri",
    "address",
    "node_pubkey",
    "node_id",
    "payee",
    "counterparty_node_id",
    "public_key",
];

/// No message is longer, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// A part of a secret that is as long as this gives it away.
const TELLING_CHARS: usize = 16;
/// Shorter texts of digits are no hashes, keys or ids.
const ID_CHARS: usize = 16;
/// What only those who wrote the server understand.
const INTERNAL: [&str; 6] = ["internal error", "panicked", ".rs", "unwrap", "Err(", "Some("];

/// One field that is not as in the sound request.
pub(crate) struct Difference {
    /// The field, with those it is in.
    pub(crate) field: String,
    sound: Option<Value>,
    /// What it is now. `None` when it is not set.
    pub(crate) value: Option<Value>,
    has_presence: bool,
}

/// An answer, of a call or of the beginning of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) code: Code,
    /// The message of the status.
    pub(crate) message: String,
}

/// Where this message is different from the sound one; `None` when it is no message.
pub(crate) fn differences(sound: &DynamicMessage, bytes: &[u8]) -> Option<Vec<Difference>> {
    let changed = DynamicMessage::decode(sound.descriptor(), bytes).ok()?;
    Some(between("", sound, &changed))
}

fn between(within: &str, sound: &DynamicMessage, changed: &DynamicMessage) -> Vec<Difference> {
    sound.descriptor().fields().flat_map(|field| of_field(within, &field, sound, changed)).collect()
}

fn of_field(
    within: &str,
    field: &FieldDescriptor,
    sound: &DynamicMessage,
    changed: &DynamicMessage,
) -> Vec<Difference> {
    let value = |message: &DynamicMessage| {
        message.has_field(field).then(|| message.get_field(field).into_owned())
    };
    let (was, is) = (value(sound), value(changed));
    if was == is || is_pasted(field.name(), &was, &is) {
        return Vec::new();
    }
    let name = format!("{within}{}", field.name());
    // What is only an unknown field more is the same.
    if let (Some(Value::Message(was)), Some(Value::Message(is))) = (&was, &is) {
        return between(&format!("{name}."), was, is);
    }
    if let (None, Some(Value::Message(is))) = (&was, &is) {
        let inner = between(&format!("{name}."), &DynamicMessage::new(is.descriptor()), is);
        if !inner.is_empty() {
            return inner;
        }
    }
    let has_presence = field.supports_presence() || field.is_list();
    vec![Difference { field: name, sound: was, value: is, has_presence }]
}

/// Whether the same text has white space around it, in a field that people paste into.
fn is_pasted(field: &str, was: &Option<Value>, is: &Option<Value>) -> bool {
    let (Some(Value::String(was)), Some(Value::String(is))) = (was, is) else { return false };
    PASTED.contains(&field) && is.trim() == was
}

/// What is wrong with this answer, if anything.
pub(crate) fn complaint(
    base: &Base,
    differences: Option<&[Difference]>,
    answer: &Answer,
) -> Option<String> {
    let mut expected = expected(base, differences);
    if !UNABLE.contains(&base.method) {
        expected.retain(|code| *code != Code::Unimplemented);
    }
    if !expected.contains(&answer.code) {
        return Some(format!("not one of {expected:?}"));
    }
    if answer.code == Code::Ok {
        return None;
    }
    let message = &answer.message;
    if message.is_empty() || message.len() > MAX_MESSAGE_BYTES {
        return Some(format!("its message has {} bytes", message.len()));
    }
    if message.chars().any(|character| character.is_control() || character == '\u{202e}') {
        return Some("its message has control characters".to_owned());
    }
    if let Some(internal) = INTERNAL.iter().find(|text| message.contains(**text)) {
        return Some(format!("its message says {internal:?}"));
    }
    let different = differences.unwrap_or_default();
    if let Some(secret) = different.iter().find(|difference| gives_away(base, difference, message))
    {
        return Some(format!("its message quotes the secret {}", secret.field));
    }
    match different {
        [unreadable] if answer.code == Code::InvalidArgument && unreadable.is_unreadable() => {
            // Or with the message the field is in, or the fields of which one must be set.
            let names = message.split(": ").next().unwrap_or_default();
            let named = names.split(", ").flat_map(|names| names.split(" or ")).any(|name| {
                let rest = unreadable.field.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            (!named).then(|| "its message does not begin with the field".to_owned())
        },
        _ => None,
    }
}

fn expected(base: &Base, differences: Option<&[Difference]>) -> Vec<Code> {
    let Some(differences) = differences else {
        return vec![Code::InvalidArgument, Code::Unimplemented];
    };
    if differences.is_empty() {
        return base.codes.iter().copied().chain([Code::Unimplemented]).collect();
    }
    if differences.iter().all(|difference| base.accepts(difference)) {
        let sound = base.codes.iter().copied();
        return [Code::Ok].into_iter().chain(REFUSALS).chain(sound).collect();
    }
    match differences {
        [unreadable] if unreadable.is_unreadable() => {
            vec![Code::InvalidArgument, Code::Unimplemented]
        },
        _ => {
            let refused = base.codes.iter().copied().filter(|code| *code != Code::Ok);
            REFUSALS.into_iter().chain(refused).collect()
        },
    }
}

fn gives_away(base: &Base, difference: &Difference, message: &str) -> bool {
    let Some(Value::String(text)) = &difference.value else { return false };
    let part: String = text.chars().take(TELLING_CHARS).collect();
    base.secrets.contains(&difference.field.as_str())
        && part.chars().count() == TELLING_CHARS
        && message.contains(&part)
}

impl Difference {
    /// Whether the field had a hash, a key or another id, and now has what can be none.
    fn is_unreadable(&self) -> bool {
        let Some(Value::String(sound)) = &self.sound else { return false };
        let now = match &self.value {
            Some(Value::String(text)) => text.as_str(),
            Some(_) => return false,
            None if self.has_presence => return false,
            None => "",
        };
        let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if sound.len() < ID_CHARS {
            false
        } else if decimal(sound) {
            !decimal(now) || now.parse::<u128>().is_err()
        } else {
            hex(sound) && (!hex(now) || now.len() != sound.len())
        }
    }

    /// The number it is now.
    pub(crate) fn number(&self) -> Option<u64> {
        match &self.value {
            Some(Value::U32(number)) => Some(u64::from(*number)),
            Some(Value::U64(number)) => Some(*number),
            _ => None,
        }
    }

    /// The text it was.
    pub(crate) fn was_text(&self) -> Option<&str> {
        self.sound.as_ref().and_then(Value::as_str)
    }

    /// The text it is now.
    pub(crate) fn text(&self) -> Option<&str> {
        self.value.as_ref().and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_client::api::Bolt11ClaimForHashRequest;
    use ldk_server_grpc::DESCRIPTOR_SET;
    use prost::Message as _;
    use prost_reflect::DescriptorPool;

    use super::*;

    const PREIMAGE: &str = "7a9c1b35e80f4d62938cde01f4a7b6502d3e94c8af1670b25be3d10c48f69a27";

    fn claim(preimage: &str) -> Bolt11ClaimForHashRequest {
        Bolt11ClaimForHashRequest { preimage: preimage.to_owned(), ..Default::default() }
    }

    /// What is wrong with this answer to a claim with this in place of the preimage.
    fn complaint_about(bytes: &[u8], code: Code, message: &str) -> Option<String> {
        let base = Base::new("Bolt11ClaimForHash", &[Code::FailedPrecondition], claim(PREIMAGE))
            .secret(&["preimage"]);
        let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
        let descriptor = pool.get_message_by_name("api.Bolt11ClaimForHashRequest").unwrap();
        let sound = DynamicMessage::decode(descriptor, base.request.as_slice()).unwrap();
        let answer = Answer { code, message: message.to_owned() };
        complaint(&base, differences(&sound, bytes).as_deref(), &answer)
    }

    #[track_caller]
    fn refused(preimage: &str, code: Code, message: &str, because: &str) {
        let complaint = complaint_about(&claim(preimage).encode_to_vec(), code, message);
        assert!(complaint.as_ref().is_some_and(|text| text.contains(because)), "{complaint:?}");
    }

    #[test]
    fn good_answers_are_not_complained_about() {
        for (request, code, message) in [
            (claim(PREIMAGE), Code::FailedPrecondition, "it has not arrived"),
            (claim(&PREIMAGE[1..]), Code::InvalidArgument, "preimage: must be 64 hex digits"),
            (claim(""), Code::InvalidArgument, "preimage: must be 64 hex digits"),
        ] {
            assert_eq!(complaint_about(&request.encode_to_vec(), code, message), None, "{message}");
        }
        let noise = complaint_about(&[0xff; 16], Code::InvalidArgument, "not a message");
        assert_eq!(noise, None);
    }

    #[test]
    fn statuses_are_those_of_what_was_sent() {
        let short = &PREIMAGE[1..];
        refused(PREIMAGE, Code::Ok, "", "not one of");
        refused(PREIMAGE, Code::Unimplemented, "not yet", "not one of");
        refused(short, Code::Internal, "preimage: no", "not one of");
        refused(short, Code::Ok, "", "not one of");
        refused(short, Code::FailedPrecondition, "preimage: no", "not one of");
        let noise = complaint_about(&[0xff; 16], Code::FailedPrecondition, "no such payment");
        assert!(noise.is_some());
    }

    #[test]
    fn messages_are_for_the_caller() {
        let short = &PREIMAGE[1..];
        let refused = |message: &str, because| {
            refused(short, Code::InvalidArgument, message, because);
        };
        refused("", "has 0 bytes");
        refused(&format!("preimage: {}", "no ".repeat(400)), "bytes");
        refused("it must be 64 hex digits", "does not begin with the field");
        refused("preimage: \u{7} must be 64 hex digits", "control characters");
        refused("preimage: called unwrap on it", "unwrap");
        refused(&format!("preimage: {short} must be 64 hex digits"), "quotes the secret");
    }
}
