//! Restrictions: what they are made of, and how they are written.

use std::fmt;
use std::str::FromStr;

use super::{MAX_ALTERNATIVES, MAX_RESTRICTIONS, MAX_RUNE_BYTES, RuneError};

const ESCAPE: char = '\\';
const OR: char = '|';
const AND: char = '&';

/// How the value of a field is compared with that of an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `/`
    NotEqual,
    /// `^`
    StartsWith,
    /// `$`
    EndsWith,
    /// `~`
    Contains,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `{`
    SortsBefore,
    /// `}`
    SortsAfter,
    /// `!`
    Missing,
    /// `#`
    Comment,
}

impl Operator {
    const ALL: [(Self, char); 11] = [
        (Self::Equal, '='),
        (Self::NotEqual, '/'),
        (Self::StartsWith, '^'),
        (Self::EndsWith, '$'),
        (Self::Contains, '~'),
        (Self::Less, '<'),
        (Self::Greater, '>'),
        (Self::SortsBefore, '{'),
        (Self::SortsAfter, '}'),
        (Self::Missing, '!'),
        (Self::Comment, '#'),
    ];

    fn of(symbol: char) -> Result<Self, RuneError> {
        let known = Self::ALL.iter().find(|(_, known)| *known == symbol);
        known.map(|(operator, _)| *operator).ok_or(RuneError::UnknownOperator(symbol))
    }

    /// The character that stands for it.
    pub fn symbol(self) -> char {
        // Every operator is in the list; see the test.
        Self::ALL.iter().find(|(known, _)| *known == self).map_or('#', |(_, symbol)| *symbol)
    }
}

/// One condition: a field, an operator and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    field: String,
    operator: Operator,
    value: String,
}

impl Alternative {
    /// A condition. The field must not be empty, and have no ASCII punctuation but `_`.
    pub fn new(field: &str, operator: Operator, value: &str) -> Result<Self, RuneError> {
        if field.is_empty() {
            return Err(RuneError::MisplacedId);
        }
        if let Some(symbol) = field.chars().find(|character| ends_field(*character)) {
            return Err(RuneError::UnknownOperator(symbol));
        }
        if field.contains('\0') || value.contains('\0') {
            return Err(RuneError::Nul);
        }
        Ok(Self { field: field.to_owned(), operator, value: value.to_owned() })
    }

    fn parse(text: &str) -> Result<Self, RuneError> {
        let no_operator = || RuneError::NoOperator(text.to_owned());
        let (field, rest) = text.split_at(text.find(ends_field).ok_or_else(no_operator)?);
        let mut rest = rest.chars();
        let operator = Operator::of(rest.next().ok_or_else(no_operator)?)?;
        Self::new(field, operator, &unescape(rest.as_str())?)
    }

    /// What is compared, such as `method`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// How it is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it is compared with, not escaped.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// As in a rune: `pname_description=tea\|coffee`.
impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.field, self.operator.symbol(), escape(&self.value))
    }
}

/// Alternatives of which at least one must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    alternatives: Vec<Alternative>,
}

impl Restriction {
    /// A restriction of one to [`MAX_ALTERNATIVES`] alternatives.
    pub fn new(alternatives: Vec<Alternative>) -> Result<Self, RuneError> {
        match alternatives.len() {
            0 => Err(RuneError::NoOperator(String::new())),
            1..=MAX_ALTERNATIVES => Ok(Self { alternatives }),
            _ => Err(RuneError::TooManyAlternatives),
        }
    }

    /// Parses restrictions that are separated by `&`, at most [`MAX_RESTRICTIONS`].
    pub fn parse_list(text: &str) -> Result<Vec<Self>, RuneError> {
        if text.len() > MAX_RUNE_BYTES {
            return Err(RuneError::TooLong);
        }
        let texts: Vec<_> = split(text, AND).collect();
        if texts.len() > MAX_RESTRICTIONS {
            return Err(RuneError::TooManyRestrictions);
        }
        texts.into_iter().map(str::parse).collect()
    }

    /// The alternatives; there is at least one.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }
}

/// Parses `method=GetNodeInfo|group=read`. Also takes escapes that are not necessary.
impl FromStr for Restriction {
    type Err = RuneError;

    fn from_str(text: &str) -> Result<Self, RuneError> {
        if text.len() > MAX_RUNE_BYTES {
            return Err(RuneError::TooLong);
        }
        let texts: Vec<_> = split(text, OR).collect();
        if texts.len() > MAX_ALTERNATIVES {
            return Err(RuneError::TooManyAlternatives);
        }
        Self::new(texts.into_iter().map(Alternative::parse).collect::<Result<_, _>>()?)
    }
}

/// As in a rune, the alternatives separated by `|`.
impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternatives: Vec<_> = self.alternatives.iter().map(ToString::to_string).collect();
        f.write_str(&alternatives.join("|"))
    }
}

/// The first restriction, and what follows it.
pub(super) fn split_first(text: &str) -> (&str, Option<&str>) {
    match unescaped(text, AND) {
        Some(at) => (&text[..at], Some(&text[at + AND.len_utf8()..])),
        None => (text, None),
    }
}

/// Splits at a separator, except where it is escaped.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match unescaped(text, separator) {
            Some(at) => {
                rest = Some(&text[at + separator.len_utf8()..]);
                Some(&text[..at])
            },
            None => rest.take(),
        }
    })
}

/// Where a character first stands without a backslash that escapes it.
fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut is_escaped = false;
    let found = text.char_indices().find(|(_, character)| {
        let is_found = !is_escaped && *character == wanted;
        is_escaped = !is_escaped && *character == ESCAPE;
        is_found
    });
    found.map(|(at, _)| at)
}

/// Whether this character ends the name of a field: an operator, or what may become one.
fn ends_field(character: char) -> bool {
    character.is_ascii_punctuation() && character != '_'
}

pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, ESCAPE | OR | AND) {
            escaped.push(ESCAPE);
        }
        escaped.push(character);
    }
    escaped
}

pub(super) fn unescape(text: &str) -> Result<String, RuneError> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        value.push(match character {
            ESCAPE => characters.next().ok_or(RuneError::UnfinishedEscape)?,
            OR | AND => return Err(RuneError::Unescaped(character)),
            '\0' => return Err(RuneError::Nul),
            other => other,
        });
    }
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_its_symbol() {
        for symbol in "=/^$~<>{}!#".chars() {
            assert_eq!(Operator::of(symbol).unwrap().symbol(), symbol);
        }
        for symbol in "\"%&'()*+,-.:;?@[\\]_`|a\0é".chars() {
            assert_eq!(Operator::of(symbol), Err(RuneError::UnknownOperator(symbol)));
        }
    }

    #[test]
    fn what_separates_is_escaped_in_values() {
        let restriction: Restriction = r"a=1\|2\&3\\|b_c#x|d!".parse().unwrap();
        let alternatives: Vec<_> = restriction
            .alternatives()
            .iter()
            .map(|alternative| (alternative.field(), alternative.operator(), alternative.value()))
            .collect();
        let expected = [
            ("a", Operator::Equal, r"1|2&3\"),
            ("b_c", Operator::Comment, "x"),
            ("d", Operator::Missing, ""),
        ];
        assert_eq!(alternatives, expected);
        assert_eq!(restriction.to_string(), r"a=1\|2\&3\\|b_c#x|d!");
    }

    #[test]
    fn a_restriction_is_one() {
        assert_eq!("a=1&b=2".parse::<Restriction>(), Err(RuneError::Unescaped('&')));
        assert_eq!(Restriction::parse_list("a=1&b=2").unwrap().len(), 2);
        assert_eq!("a=\\b".parse::<Restriction>().unwrap().to_string(), "a=b");
        assert_eq!(Restriction::new(Vec::new()), Err(RuneError::NoOperator(String::new())));
    }

    #[test]
    fn a_field_has_no_punctuation() {
        let new = |field| Alternative::new(field, Operator::Equal, "").map(|_| ());
        assert_eq!(new("pname_a_b"), Ok(()));
        assert_eq!(new("a-b"), Err(RuneError::UnknownOperator('-')));
        assert_eq!(new("a\0"), Err(RuneError::Nul));
        assert_eq!(new(""), Err(RuneError::MisplacedId));
    }
}
