//! What a key of the configuration is.

use std::borrow::Cow;
use std::marker::PhantomData;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, be it a name, an address, a URL or a path.
    Text,
    /// An integer.
    Number,
    /// `true` or `false`.
    Boolean,
    /// As [`Boolean`](Self::Boolean), with a flag that has no value and can only switch it on.
    Switch,
    /// Texts; the flag may be repeated, the variable holds one.
    List,
}

/// When a value is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Whatever it is.
    Always(&'static str),
    /// If it is `true`.
    IfTrue(&'static str),
}

/// What is known of a key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its sections and its name in the file, `section.name`; or `--name` if it is only a flag.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it does, for `--help`.
    pub help: &'static str,
    /// What stands for the value in `--help`.
    pub value_name: &'static str,
    /// Its default, as TOML; none if it must be set, is off without a value, or has a default that
    /// depends on others.
    pub default: Option<&'static str>,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// If it cannot be honoured.
    pub refused: Option<Refused>,
    /// What flag and variable are named after, if not after all of the name.
    short_name: Option<&'static str>,
}

impl Definition {
    /// Whether it can be set in the file.
    pub fn is_in_file(&self) -> bool {
        !self.name.starts_with("--")
    }

    /// The flag, without the dashes before it.
    pub fn flag(&self) -> String {
        self.words().replace(['.', '_'], "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("LDK_SERVER_{}", self.words().replace(['.', '-'], "_").to_uppercase())
    }

    /// Whether flag and variable are not named as the rule has it.
    pub fn has_short_name(&self) -> bool {
        self.short_name.is_some()
    }

    fn words(&self) -> Cow<'static, str> {
        self.short_name.unwrap_or(self.name).trim_start_matches("--").into()
    }

    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let value_name = match kind {
            Kind::Text | Kind::List => "TEXT",
            Kind::Number => "NUMBER",
            Kind::Boolean | Kind::Switch => "BOOL",
        };
        Self {
            name,
            kind,
            help,
            value_name,
            default: None,
            is_secret: false,
            refused: None,
            short_name: None,
        }
    }
}

/// A key whose value is a `T`. Its value is read by this, and not by its name, so that a misspelt key
/// and one of another kind do not compile.
#[derive(Debug)]
pub struct Key<T> {
    definition: Definition,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

/// Its name, as messages have it.
impl<T> AsRef<str> for Key<T> {
    fn as_ref(&self) -> &str {
        self.definition.name
    }
}

impl<T> Key<T> {
    /// What is known of it.
    pub const fn definition(self) -> Definition {
        self.definition
    }

    /// Its sections and its name in the file.
    pub const fn name(self) -> &'static str {
        self.definition.name
    }

    pub(super) const fn value(mut self, value_name: &'static str) -> Self {
        self.definition.value_name = value_name;
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.definition.default = Some(default);
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.definition.is_secret = true;
        self
    }

    pub(super) const fn short(mut self, short_name: &'static str) -> Self {
        self.definition.short_name = Some(short_name);
        self
    }

    pub(super) const fn refused(mut self, refused: Refused) -> Self {
        self.definition.refused = Some(refused);
        self
    }
}

/// Kinds whose value is `true` or `false`.
pub(in crate::config) trait OnOff {}

impl OnOff for Boolean {}
impl OnOff for Switch {}

/// Declares a type for each kind of value, and how a key of that kind is made.
macro_rules! kinds {
    ($($kind:ident)+) => {
        $(
            #[doc = concat!("Values of [`Kind::", stringify!($kind), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub(crate) enum $kind {}

            impl Key<$kind> {
                pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
                    let definition = Definition::new(name, Kind::$kind, help);
                    Self { definition, kind: PhantomData }
                }
            }
        )+
    };
}

kinds! { Text Number Boolean Switch List }
