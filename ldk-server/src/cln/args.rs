//! The parameters of a call: by name or by position, as its usage names them.

use ldk_server_grpc::rune::Fact;
use serde_json::Value;

use super::amount::parse_msat;
use super::error::RpcError;
use crate::error::quoted;

/// The parameters that were given.
#[derive(Debug, Default)]
pub(super) struct Args(Vec<(&'static str, Value)>);

/// The parameters in a usage, such as `label [timeout]`, and whether each must be given.
fn parameters(usage: &'static str) -> impl Iterator<Item = (&'static str, bool)> {
    usage.split_whitespace().map(|word| match word.strip_prefix('[') {
        Some(optional) => (optional.trim_end_matches(']'), false),
        None => (word, true),
    })
}

impl Args {
    /// Reads the parameters of a call with this usage; what is null was not given.
    pub(super) fn of(usage: &'static str, params: Option<Value>) -> Result<Self, RpcError> {
        let args = match params {
            None | Some(Value::Null) => Self::default(),
            Some(Value::Array(values)) => Self::by_position(usage, values)?,
            Some(Value::Object(values)) => Self::by_name(usage, values)?,
            Some(_) => return Err(RpcError::params("Expected array or object for params")),
        };
        for (name, is_required) in parameters(usage) {
            if is_required && args.given(name).is_none() {
                return Err(RpcError::params(format!("missing required parameter: {name}")));
            }
        }
        Ok(args)
    }

    fn by_position(usage: &'static str, values: Vec<Value>) -> Result<Self, RpcError> {
        let names: Vec<_> = parameters(usage).map(|(name, _)| name).collect();
        let (count, most) = (values.len(), names.len());
        if count > most {
            let reason = format!("too many parameters: got {count}, expected {most}");
            return Err(RpcError::params(reason));
        }
        let given = names.into_iter().zip(values).filter(|(_, value)| !value.is_null());
        Ok(Self(given.collect()))
    }

    fn by_name(
        usage: &'static str,
        values: serde_json::Map<String, Value>,
    ) -> Result<Self, RpcError> {
        let mut given = Vec::new();
        for (name, value) in values {
            let known = parameters(usage).find(|(known, _)| *known == name);
            let Some((known, _)) = known else {
                let reason = format!("unknown parameter: {}", quoted(&name));
                return Err(RpcError::params(reason));
            };
            if !value.is_null() {
                given.push((known, value));
            }
        }
        Ok(Self(given))
    }

    fn given(&self, name: &'static str) -> Option<&Value> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    /// The parameter with this name, if it was given.
    pub(super) fn optional<T: Param>(&self, name: &'static str) -> Result<Option<T>, RpcError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let refused = || {
            let token = if T::IS_SECRET { String::new() } else { format!(" '{}'", token(value)) };
            RpcError::params(format!("{name}: should be {}: invalid token{token}", T::EXPECTED))
        };
        T::read(value).map(Some).ok_or_else(refused)
    }

    /// The parameter with this name, which the usage requires.
    pub(super) fn required<T: Param>(&self, name: &'static str) -> Result<T, RpcError> {
        let missing = || RpcError::params(format!("missing required parameter: {name}"));
        self.optional(name)?.ok_or_else(missing)
    }

    /// What restrictions can ask about the parameters of a call with this usage.
    pub(super) fn facts(&self, usage: &'static str) -> Vec<(String, Fact<'static>)> {
        let fact = |name| self.given(name).map_or(Fact::Missing, fact);
        parameters(usage).map(|(name, _)| (name.to_owned(), fact(name))).collect()
    }

    /// Refuses these parameters: what they ask for cannot be done, and must not be passed over.
    pub(super) fn refuse(&self, names: &[&'static str], reason: &str) -> Result<(), RpcError> {
        match names.iter().find(|name| self.given(name).is_some()) {
            Some(name) => Err(RpcError::params(format!("{name}: is not supported: {reason}"))),
            None => Ok(()),
        }
    }
}

/// What restrictions can ask about the parameters of a call whose usage is not known here.
pub(super) fn facts_of_another(params: Option<&Value>) -> Vec<(String, Fact<'static>)> {
    match params {
        Some(Value::Object(given)) => {
            given.iter().map(|(name, value)| (name.clone(), fact(value))).collect()
        },
        // Their names are the plugin's to know.
        Some(Value::Array(given)) => {
            given.iter().map(|value| (String::new(), fact(value))).collect()
        },
        _ => Vec::new(),
    }
}

/// What restrictions can ask about a value: its text, if it is no list and no object.
pub(super) fn fact(value: &Value) -> Fact<'static> {
    match value {
        Value::Null => Fact::Missing,
        Value::String(text) => Fact::text(text.clone()),
        Value::Bool(_) | Value::Number(_) => Fact::text(value.to_string()),
        Value::Array(_) | Value::Object(_) => Fact::Unknown,
    }
}

/// The beginning of a value, as it was sent.
fn token(value: &Value) -> String {
    const SHOWN_CHARS: usize = 80;
    value.to_string().chars().take(SHOWN_CHARS).collect()
}

/// What a parameter can be.
pub(super) trait Param: Sized {
    /// What is told if it is something else.
    const EXPECTED: &'static str;
    /// Whether the value must not be quoted.
    const IS_SECRET: bool = false;
    /// Reads a value, which is not null.
    fn read(value: &Value) -> Option<Self>;
}

/// A number that is sent as such, or as its digits.
fn digits(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

impl Param for u64 {
    const EXPECTED: &'static str = "an unsigned 64 bit integer";

    fn read(value: &Value) -> Option<Self> {
        digits(value)
    }
}

impl Param for u32 {
    const EXPECTED: &'static str = "an integer";

    fn read(value: &Value) -> Option<Self> {
        digits(value)?.try_into().ok()
    }
}

impl Param for u16 {
    const EXPECTED: &'static str = "an integer below 65536";

    fn read(value: &Value) -> Option<Self> {
        digits(value)?.try_into().ok()
    }
}

impl Param for f64 {
    const EXPECTED: &'static str = "a positive number";

    fn read(value: &Value) -> Option<Self> {
        let number: Self = match value {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        };
        (number.is_finite() && number >= 0.0).then_some(number)
    }
}

impl Param for bool {
    const EXPECTED: &'static str = "'true' or 'false'";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Param for String {
    const EXPECTED: &'static str = "a string";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

/// A name that may also be a number.
pub(super) struct Label(pub(super) String);

impl Param for Label {
    const EXPECTED: &'static str = "a string or number";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(text.clone())),
            Value::Number(number) => Some(Self(number.to_string())),
            _ => None,
        }
    }
}

/// An amount in millisatoshis.
pub(super) struct Msat(pub(super) u64);

impl Param for Msat {
    const EXPECTED: &'static str = "a millisatoshi amount";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self),
            Value::String(text) => parse_msat(text).map(Self),
            _ => None,
        }
    }
}

/// An amount of more than nothing, or any.
pub(super) struct MsatOrAny(pub(super) Option<u64>);

impl Param for MsatOrAny {
    const EXPECTED: &'static str = "positive msat or 'any'";

    fn read(value: &Value) -> Option<Self> {
        if value == "any" {
            return Some(Self(None));
        }
        let Msat(msat) = Msat::read(value)?;
        (msat > 0).then_some(Self(Some(msat)))
    }
}

/// 32 bytes in hexadecimal.
fn hex_32(value: &Value) -> Option<String> {
    let text = value.as_str()?.to_ascii_lowercase();
    hex::decode_to_slice(&text, &mut [0; 32]).ok().map(|()| text)
}

/// A hash, as its hexadecimal text in lower case.
pub(super) struct Hash(pub(super) String);

impl Param for Hash {
    const EXPECTED: &'static str = "a 32 byte hex value";

    fn read(value: &Value) -> Option<Self> {
        hex_32(value).map(Self)
    }
}

/// A secret, as its hexadecimal text.
pub(super) struct Secret(pub(super) String);

impl Param for Secret {
    const EXPECTED: &'static str = "a 32 byte hex value";
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Option<Self> {
        hex_32(value).map(Self)
    }
}

/// The public key of a node, as its hexadecimal text in lower case.
pub(super) struct NodeId(pub(super) String);

impl Param for NodeId {
    const EXPECTED: &'static str = "a node id";

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?.to_ascii_lowercase();
        let bytes = hex::decode(&text).ok()?;
        ldk_node::bitcoin::secp256k1::PublicKey::from_slice(&bytes).ok().map(|_| Self(text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cln::error::code;

    const USAGE: &str = "amount_msat label [expiry] [deschashonly]";

    fn args(params: Value) -> Result<Args, RpcError> {
        Args::of(USAGE, Some(params))
    }

    fn refusal(params: Value) -> String {
        let refusal = args(params).unwrap_err();
        assert_eq!(refusal.code, code::INVALID_PARAMS);
        refusal.message
    }

    #[test]
    fn parameters_are_named_or_in_order() {
        for params in [
            json!([1000, "a", null, true]),
            json!({"label": "a", "amount_msat": "1sat", "deschashonly": "true", "expiry": null}),
        ] {
            let args = args(params).unwrap();
            assert_eq!(args.required::<Msat>("amount_msat").unwrap().0, 1000);
            assert_eq!(args.required::<Label>("label").unwrap().0, "a");
            assert_eq!(args.optional::<u64>("expiry").unwrap(), None);
            assert_eq!(args.optional::<bool>("deschashonly").unwrap(), Some(true));
        }
        assert!(Args::of("[a]", None).unwrap().given("a").is_none());
    }

    #[test]
    fn what_core_lightning_refuses_is_refused_in_its_words() {
        assert_eq!(refusal(json!({"amount_msat": 1})), "missing required parameter: label");
        assert_eq!(refusal(json!([1, null])), "missing required parameter: label");
        let too_many = refusal(json!([1, "a", 2, true, 5]));
        assert_eq!(too_many, "too many parameters: got 5, expected 4");
        let unknown = refusal(json!({"amount_msat": 1, "label": "a", "colour": 1}));
        assert!(unknown.starts_with("unknown parameter: "), "{unknown}");
        assert!(refusal(json!("text")).starts_with("Expected array or object"));
    }

    #[test]
    fn a_wrong_value_is_quoted_unless_it_is_secret() {
        let args = args(json!(["abc", 7])).unwrap();
        let refused = args.required::<MsatOrAny>("amount_msat").err().unwrap();
        assert_eq!(
            refused.message,
            "amount_msat: should be positive msat or 'any': invalid token '\"abc\"'"
        );
        let refused = args.required::<Secret>("amount_msat").err().unwrap();
        assert!(!refused.message.contains("abc"), "{}", refused.message);
        assert_eq!(args.required::<Label>("label").unwrap().0, "7");
    }

    #[test]
    fn amounts_may_be_any_but_not_nothing() {
        let read = |value| MsatOrAny::read(&value).map(|amount| amount.0);
        assert_eq!(read(json!("any")), Some(None));
        assert_eq!(read(json!(5)), Some(Some(5)));
        assert_eq!(read(json!("0.1btc")), Some(Some(10_000_000_000)));
        for value in [json!(0), json!("0msat"), json!(-1), json!(1.5), json!(true), json!("all")] {
            assert_eq!(read(value), None);
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let args = args(json!([1, "a", 5])).unwrap();
        args.refuse(&["deschashonly"], "no").unwrap();
        let refused = args.refuse(&["deschashonly", "expiry"], "why").unwrap_err();
        assert_eq!(refused.message, "expiry: is not supported: why");
    }
}
