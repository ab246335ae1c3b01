//! Text of others is printed so that it cannot act on the terminal.

use std::fmt::Write as _;

/// Writes control characters, except line ends, and those that turn the direction of writing as
/// `\uXXXX`. JSON stays the same JSON by that: such characters occur inside its strings only.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if (character.is_control() && character != '\n') || turns_direction(character) {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn turns_direction(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_the_rest_is_kept() {
        assert_eq!(escape("a\u{1b}[31m\u{7f}\u{9b}\rb"), "a\\u001b[31m\\u007f\\u009b\\u000db");
        assert_eq!(escape("\u{200e}\u{202e}\u{2066}\u{2069}"), "\\u200e\\u202e\\u2066\\u2069");
        assert_eq!(escape("⚡ שלום\nзмея 蛇"), "⚡ שלום\nзмея 蛇");
    }

    proptest! {
        #[test]
        fn escaped_json_is_the_same_json(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let read: String = serde_json::from_str(&escape(&json)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
