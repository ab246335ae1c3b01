//! Text of others on a terminal or in a log. The API hands it out as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes what acts on a terminal as `\uXXXX`: control characters except line ends, those that turn
/// the direction of writing, and the separators of lines and paragraphs. What joins letters or keeps
/// them apart stays. JSON remains the same JSON: such characters occur inside its strings only.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_if(text, |character| acts_on_terminal(character) && character != '\n')
}

/// As [`escape`], and line ends as well: what is one line stays one.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape_if(text, acts_on_terminal)
}

fn escape_if(text: &str, is_harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' if is_harmful('\n') => escaped.push_str("\\n"),
            harmful if is_harmful(harmful) => {
                // Writing to a `String` cannot fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(harmful));
            },
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

fn acts_on_terminal(character: char) -> bool {
    character.is_control()
        || turns_direction(character)
        || matches!(character, '\u{2028}' | '\u{2029}')
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
        assert_eq!(escape("\u{2028}\u{2029}"), "\\u2028\\u2029");
        for kept in ["⚡ שלום\nзмея 蛇", "नी\u{200d}क\u{200c}ा", "soft\u{ad}hyphen", "👩\u{200d}🚀"]
        {
            assert_eq!(escape(kept), kept);
        }
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(escape_line("tea\n[2026 ERROR] x\t"), "tea\\n[2026 ERROR] x\\u0009");
        assert_eq!(escape_line("नी\u{200d}क"), "नी\u{200d}क");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text: String) {
            prop_assert!(!escape_line(&text).chars().any(acts_on_terminal));
        }
    }
}
