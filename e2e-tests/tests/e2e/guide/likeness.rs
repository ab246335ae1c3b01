//! Whether an answer looks like the one in the guide.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Checks that `found` has the fields of `shown` and the same kinds of values in them. Numbers, names
/// and ids differ from one run to the next; whether something is there, true, or in a certain state
/// does not.
pub(crate) fn check(shown: &Value, found: &Value) -> Result<()> {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<BTreeSet<_>>()
            };
            ensure!(names(shown) == names(found), "{:?}, not {:?}", names(found), names(shown));
            for (name, shown) in shown {
                // A node is announced within a minute, which may be over by then.
                let is_in_time = name.ends_with("_timestamp") || name == "announcement_info";
                let either = is_in_time && (shown.is_null() || found[name].is_null());
                // Which of two keys is the greater is chance.
                let is_chance = name == "introduction_direction" && found[name].is_string();
                if !either && !is_chance {
                    check(shown, &found[name]).with_context(|| name.clone())?;
                }
            }
            Ok(())
        },
        (Value::Array(shown), Value::Array(found)) => {
            ensure!(shown.is_empty() == found.is_empty(), "{found:?}, not {shown:?}");
            for found in found {
                let closest = shown.iter().map(|shown| check(shown, found));
                let mut failures = Vec::new();
                for likeness in closest {
                    match likeness {
                        Ok(()) => {
                            failures.clear();
                            break;
                        },
                        Err(error) => failures.push(error),
                    }
                }
                if let Some(error) = failures.pop() {
                    return Err(error);
                }
            }
            Ok(())
        },
        (Value::String(shown), Value::String(found)) => text(shown, found),
        (Value::Number(_), Value::Number(_)) => Ok(()),
        (shown, found) if shown == found => Ok(()),
        _ => bail!("{found}, not {shown}"),
    }
}

/// Whether two messages say the same, of ids that may differ.
pub(crate) fn same_words(shown: &str, found: &str) -> bool {
    let is_id = |word: &str| word.len() >= 64 && hex::decode(word).is_ok();
    let (shown, found) = (shown.split(' '), found.split(' '));
    shown.clone().count() == found.clone().count()
        && shown.zip(found).all(|(one, other)| one == other || is_id(one) && is_id(other))
}

fn text(shown: &str, found: &str) -> Result<()> {
    let is_state = |text: &str| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
    };
    let is_hex =
        |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_hexdigit());
    let alike = if is_state(shown) {
        shown == found
    } else if is_hex(shown) && shown.len() >= 64 {
        is_hex(found) && shown.len() == found.len()
    } else {
        shown.is_empty() == found.is_empty()
    };
    ensure!(alike, "{found:?}, not {shown:?}");
    Ok(())
}
