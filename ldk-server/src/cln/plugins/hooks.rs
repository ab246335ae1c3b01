//! What plugins want to be asked before it is done, and in which order they are.

use serde::Deserialize;
use serde_json::Value;

use super::link::failure;
use crate::cln::error::RpcError;

/// What this node asks plugins about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cln) enum Hook {
    /// A payment of an invoice, before its preimage is given away.
    InvoicePayment,
    /// A call of a method, before it is made.
    RpcCommand,
}

/// A hook as a plugin registers it: a name, or an object with a name and an order.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Registered {
    Name(String),
    Ordered {
        name: String,
        /// The plugins that are asked later.
        #[serde(default)]
        before: Vec<String>,
        /// The plugins that are asked earlier.
        #[serde(default)]
        after: Vec<String>,
    },
}

/// A plugin that is asked: its name, and how it registered the hook.
pub(super) type Candidate<'a> = (&'a str, &'a Registered);

impl Hook {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InvoicePayment => "invoice_payment",
            Self::RpcCommand => "rpc_command",
        }
    }
}

impl Registered {
    pub(super) fn name(&self) -> &str {
        let (Self::Name(name) | Self::Ordered { name, .. }) = self;
        name
    }

    pub(super) fn is(&self, hook: Hook) -> bool {
        self.name() == hook.name()
    }

    /// Whether this node asks about it at all.
    pub(super) fn is_served(&self) -> bool {
        self.is(Hook::InvoicePayment) || self.is(Hook::RpcCommand)
    }

    fn is_before(&self, name: &str) -> bool {
        matches!(self, Self::Ordered { before, .. } if before.iter().any(|later| later == name))
    }

    fn is_after(&self, name: &str) -> bool {
        matches!(self, Self::Ordered { after, .. } if after.iter().any(|earlier| earlier == name))
    }
}

/// The places of the candidates in the order in which they are asked: theirs, unless one wants to be asked
/// before or after another. Wishes that contradict each other count for nothing.
pub(super) fn order(candidates: &[Candidate<'_>]) -> Vec<usize> {
    let precedes = |earlier: usize, later: usize| {
        let ((earlier, its), (later, others)) = (candidates[earlier], candidates[later]);
        its.is_before(later) || others.is_after(earlier)
    };
    let mut left: Vec<_> = (0..candidates.len()).collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let is_free =
            |one: &usize| !left.iter().any(|other| other != one && precedes(*other, *one));
        let next = left.iter().position(is_free).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

/// What a plugin says of a payment.
#[derive(Debug, PartialEq)]
pub(super) enum PaymentAnswer {
    Continue,
    Reject,
}

impl PaymentAnswer {
    /// Reads an answer; nothing if it is none. As in Core Lightning, an object that says neither is a
    /// rejection.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let answer = answer.as_object()?;
        match answer.get("result") {
            Some(Value::String(result)) if result == "continue" => Some(Self::Continue),
            Some(Value::String(result)) if result == "reject" => Some(Self::Reject),
            Some(_) => None,
            None => Some(Self::Reject),
        }
    }
}

/// What a plugin says of a call.
#[derive(Debug, PartialEq)]
pub(in crate::cln) enum CallAnswer {
    /// It may be made.
    Continue,
    /// Another is to be made in its place.
    Replace {
        /// The method of the other.
        method: String,
        /// Its parameters.
        params: Option<Value>,
    },
    /// It is answered without being made.
    Return(Result<Value, RpcError>),
}

impl CallAnswer {
    /// Reads an answer; nothing if it is none.
    pub(super) fn read(mut answer: Value) -> Option<Self> {
        if answer["result"] == "continue" {
            return Some(Self::Continue);
        }
        if let Some(replaced) = answer.get_mut("replace") {
            let method = replaced["method"].as_str()?.to_owned();
            let params = replaced.get_mut("params").map(Value::take);
            return Some(Self::Replace { method, params });
        }
        let returned = answer.get_mut("return")?.as_object_mut()?;
        let answered = match (returned.remove("error"), returned.remove("result")) {
            (Some(error), None) => Err(failure(&error)),
            (None, Some(result)) => Ok(result),
            _ => return None,
        };
        Some(Self::Return(answered))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ordered(plugins: &[(&str, &[&str], &[&str])]) -> String {
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let registered: Vec<_> = plugins
            .iter()
            .map(|(_, before, after)| Registered::Ordered {
                name: "rpc_command".to_owned(),
                before: strings(before),
                after: strings(after),
            })
            .collect();
        let candidates: Vec<_> =
            plugins.iter().zip(&registered).map(|((name, ..), hook)| (*name, hook)).collect();
        order(&candidates).into_iter().map(|place| plugins[place].0).collect()
    }

    #[test]
    fn plugins_are_asked_in_their_order_unless_they_want_another() {
        assert_eq!(ordered(&[("a", &[], &[]), ("b", &[], &[]), ("c", &[], &[])]), "abc");
        assert_eq!(ordered(&[("a", &[], &[]), ("b", &[], &[]), ("c", &["a"], &[])]), "bca");
        assert_eq!(ordered(&[("a", &[], &["c"]), ("b", &[], &[]), ("c", &[], &[])]), "bca");
        assert_eq!(ordered(&[("a", &[], &["b"]), ("b", &[], &["c"]), ("c", &[], &[])]), "cba");
        assert_eq!(ordered(&[("a", &["x"], &["y", "a"]), ("b", &[], &[])]), "ab");
    }

    #[test]
    fn wishes_that_contradict_each_other_count_for_nothing() {
        assert_eq!(ordered(&[("a", &["b"], &[]), ("b", &["a"], &[])]), "ab");
        assert_eq!(ordered(&[("a", &[], &["b"]), ("b", &[], &["a"]), ("c", &["a"], &[])]), "cab");
    }

    #[test]
    fn a_payment_is_accepted_in_so_many_words_only() {
        for (answer, expected) in [
            (json!({"result": "continue"}), Some(PaymentAnswer::Continue)),
            (json!({"result": "reject"}), Some(PaymentAnswer::Reject)),
            (json!({"failure_message": "2002"}), Some(PaymentAnswer::Reject)),
            (json!({}), Some(PaymentAnswer::Reject)),
            (json!({"result": "go on"}), None),
            (json!({"result": true}), None),
            (json!("continue"), None),
            (Value::Null, None),
        ] {
            assert_eq!(PaymentAnswer::read(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn a_call_is_made_or_replaced_or_answered() {
        let replace = |params| CallAnswer::Replace { method: "ping".to_owned(), params };
        let error = RpcError::new(-5, "no");
        for (answer, expected) in [
            (json!({"result": "continue"}), Some(CallAnswer::Continue)),
            (
                json!({"replace": {"method": "ping", "params": [1]}}),
                Some(replace(Some(json!([1])))),
            ),
            (json!({"replace": {"id": 3, "method": "ping"}}), Some(replace(None))),
            (
                json!({"return": {"result": {"a": 1}}}),
                Some(CallAnswer::Return(Ok(json!({"a": 1})))),
            ),
            (
                json!({"return": {"error": {"code": -5, "message": "no"}}}),
                Some(CallAnswer::Return(Err(error))),
            ),
            (json!({"return": {}}), None),
            (json!({"return": {"result": 1, "error": 2}}), None),
            (json!({"replace": {}}), None),
            (json!({"result": "reject"}), None),
            (json!("continue"), None),
            (json!([]), None),
            (Value::Null, None),
        ] {
            assert_eq!(CallAnswer::read(answer.clone()), expected, "{answer}");
        }
    }
}
