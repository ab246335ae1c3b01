//! Texts of others, as they are. The library's `Display` replaces all that a terminal may not like,
//! joiners and line ends among it; who prints a text looks after that.

use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::routing::gossip::NodeAlias;

/// An alias, which is padded with zeros. In one that is no UTF-8, U+FFFD stands for each byte that
/// is not printable ASCII.
pub fn alias(alias: &NodeAlias) -> String {
    let bytes = alias.0.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => alias.to_string(),
    }
}

/// The library's sentence for a reason, with the text of the peer as it is.
pub fn closure(reason: &ClosureReason) -> String {
    match reason {
        ClosureReason::CounterpartyForceClosed { peer_msg } => {
            let sentence = reason.to_string();
            let replaced = peer_msg.to_string();
            let words = sentence.strip_suffix(replaced.as_str()).unwrap_or(&sentence);
            format!("{words}{}", peer_msg.0)
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning_types::string::UntrustedString;

    use super::*;

    fn of_bytes(bytes: &[u8]) -> String {
        let mut padded = [0; 32];
        padded[..bytes.len()].copy_from_slice(bytes);
        alias(&NodeAlias(padded))
    }

    #[test]
    fn an_alias_is_handed_out_as_it_is() {
        for text in ["käse", "a\u{1b}[31m\n", "👩\u{200d}🚀", "\u{202e}x", ""] {
            assert_eq!(of_bytes(text.as_bytes()), text);
        }
        assert_eq!(of_bytes(&[b'x'; 32]), "x".repeat(32));
        assert_eq!(of_bytes(&[b'a', 0xff]), "a\u{fffd}");
    }

    #[test]
    fn the_text_of_a_peer_is_in_the_reason_as_it_is() {
        let peer_msg = UntrustedString("bye\n\u{200d}!".to_owned());
        let text = closure(&ClosureReason::CounterpartyForceClosed { peer_msg });
        assert!(text.starts_with("Channel closed because"), "{text}");
        assert!(text.ends_with(": bye\n\u{200d}!"), "{text}");
    }
}
