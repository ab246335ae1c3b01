//! The definition of a key.

use std::borrow::Cow;
use std::marker::PhantomData;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text: a name, an address, a URL or a path.
    Text,
    /// An integer.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Like [`Boolean`](Self::Boolean), but the flag has no value and can only switch it on.
    Switch,
    /// Texts; the flag may be repeated, the variable holds one.
    List,
}

/// Which values are refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Every value.
    Always(&'static str),
    /// The value `true`.
    IfTrue(&'static str),
}

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its sections and its name in the file, `section.name`; or `--name` if it is only a flag.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The text for `--help`.
    pub help: &'static str,
    /// The placeholder of the value in `--help`.
    pub value_name: &'static str,
    /// Its default, as TOML; `None` if it must be set, is off without a value, or has a default that
    /// depends on other keys.
    pub default: Option<&'static str>,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// The values that this version does not support.
    pub refused: Option<Refused>,
    /// The name that flag and variable derive from, if not the whole name.
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

    /// Whether flag and variable derive from another name.
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

/// A key whose value is a `T`. Values are read with this type, so that a misspelt key or a wrong
/// type does not compile.
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

/// The name in messages.
impl<T> AsRef<str> for Key<T> {
    fn as_ref(&self) -> &str {
        self.definition.name
    }
}

impl<T> Key<T> {
    /// The definition of the key.
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

/// Declares a type for each kind of value, with a constructor of its keys.
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
