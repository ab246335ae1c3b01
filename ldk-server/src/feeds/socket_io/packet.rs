//! Packets of Socket.IO (revision 5 of its protocol) as text, which Engine.IO carries. There is one
//! namespace, and nothing is binary.

use serde_json::{Value, json};

/// The event that each event of the node is sent as.
const MESSAGE: &str = "message";
const ERROR: &str = "error";
const ACK: &str = "ack";

/// Tells a client that nothing more is sent.
pub(super) const DISCONNECT: &str = "1";

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Connect,
    /// Connects to a namespace that there is not.
    ConnectTo(&'a str),
    Disconnect,
    /// Has processed the events up to this one.
    Ack(u64),
    /// What needs no answer.
    Other,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if it is none, or one that has binary data.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(1)?;
        let (namespace, content) = match rest.split_once(',') {
            _ if !rest.starts_with('/') => ("/", rest),
            Some((namespace, content)) => (namespace, content),
            None => (rest, ""),
        };
        match kind {
            "0" if namespace == "/" => Some(Self::Connect),
            "0" => Some(Self::ConnectTo(namespace)),
            "1" => Some(Self::Disconnect),
            "2" => event(content),
            "3" => Some(Self::Other),
            _ => None,
        }
    }
}

/// Reads an event: its name and its arguments, after the number by which an answer is asked for.
fn event<'a>(content: &str) -> Option<Packet<'a>> {
    let arguments = content.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let arguments: Vec<Value> = serde_json::from_str(arguments).ok()?;
    match &*arguments {
        [name, index] if name == ACK => index.as_u64().map(Packet::Ack),
        [Value::String(name), ..] if name != ACK => Some(Packet::Other),
        _ => None,
    }
}

/// Tells a client that it is connected.
pub(super) fn connected(session_id: &str) -> String {
    format!("0{}", json!({"sid": session_id}))
}

/// Refuses a namespace.
pub(super) fn no_namespace(namespace: &str) -> String {
    format!("4{namespace},{}", json!({"message": "Invalid namespace"}))
}

/// An event of the node, which is JSON already.
pub(super) fn message(json: &str) -> String {
    format!("2[\"{MESSAGE}\",{json}]")
}

/// What is wrong.
pub(super) fn error(error: &Value) -> String {
    format!("2{}", json!([ERROR, error]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_is_read() {
        for (text, packet) in [
            ("0", Packet::Connect),
            ("0{\"token\":\"a\"}", Packet::Connect),
            ("0/,", Packet::Connect),
            ("0/admin,", Packet::ConnectTo("/admin")),
            ("0/admin", Packet::ConnectTo("/admin")),
            ("1", Packet::Disconnect),
            ("2[\"ack\",7]", Packet::Ack(7)),
            ("212[\"ack\",7]", Packet::Ack(7)),
            ("2[\"other\",{\"a\":[1]}]", Packet::Other),
            ("2[\"other\"]", Packet::Other),
            ("31[]", Packet::Other),
        ] {
            assert_eq!(Packet::read(text), Some(packet), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let deep = format!("2{}", "[".repeat(100_000));
        for text in [
            "",
            "2",
            "2[]",
            "2[7]",
            "2{}",
            "2[\"ack\"]",
            "2[\"ack\",\"7\"]",
            "2[\"ack\",-7]",
            "2[\"ack\",7,8]",
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "7",
            "é",
            &deep,
        ] {
            assert_eq!(Packet::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_has_the_form_of_the_protocol() {
        assert_eq!(connected("abc"), r#"0{"sid":"abc"}"#);
        assert_eq!(no_namespace("/admin"), r#"4/admin,{"message":"Invalid namespace"}"#);
        assert_eq!(message(r#"{"event_index":1}"#), r#"2["message",{"event_index":1}]"#);
        assert_eq!(error(&json!({"code": "internal"})), r#"2["error",{"code":"internal"}]"#);
    }
}
