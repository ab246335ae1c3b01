//! `checkrune`.

use std::sync::Arc;

use ldk_server_grpc::api::CheckRuneRequest;
use ldk_server_grpc::rune::Fact;
use serde::Serialize;
use serde_json::Value;

use crate::access::{ForeignCall, Grant};
use crate::api::rpc;
use crate::caller::{Caller, Identity};
use crate::cln::Call;
use crate::cln::args::{Args, Param, fact};
use crate::cln::error::RpcError;
use crate::cln::methods::{Method, find};
use crate::cln::runes::genuine;

/// `checkrune`: whether a rune allows a call, which others then carry out. It counts as one.
pub(in crate::cln::methods) struct CheckRune {
    rune: String,
    node_id: Option<String>,
    method: String,
    params: Value,
}

#[derive(Serialize)]
pub(in crate::cln::methods) struct Checked {
    valid: bool,
}

/// The parameters of another call.
struct Params(Value);

impl Param for Params {
    const EXPECTED: &'static str = "an array or object";

    fn read(value: &Value) -> Option<Self> {
        let is_list = value.is_array() || value.is_object();
        is_list.then(|| Self(value.clone()))
    }
}

/// The parameters of a call of this method, as far as they are known here.
fn facts(method: &str, params: Value) -> Vec<(String, Fact<'static>)> {
    let args = find(method).and_then(|found| {
        let args = Args::of(found.usage, Some(params.clone()))?;
        Ok(args.facts(found.usage))
    });
    args.unwrap_or_else(|_| match params {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), fact(value))).collect()
        },
        Value::Array(values) => values.iter().map(|value| (String::new(), fact(value))).collect(),
        _ => Vec::new(),
    })
}

impl Method for CheckRune {
    const NAME: &'static str = "checkrune";
    const USAGE: &'static str = "rune [nodeid] [method] [params]";
    type Answer = Checked;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            rune: args.required("rune")?,
            node_id: args.optional("nodeid")?,
            method: args.optional("method")?.unwrap_or_default(),
            params: args.optional::<Params>("params")?.map_or(Value::Null, |params| params.0),
        })
    }

    async fn run(self, call: Call) -> Result<Checked, RpcError> {
        let Self { rune, node_id, method, params } = self;
        let permissions = call.cln.0.dispatcher.app()?.permissions.clone();
        let found = genuine(&permissions.runes, &rune)?;
        // Whether the caller may check runes.
        let request = CheckRuneRequest { rune, ..Default::default() };
        call.ask(rpc::CheckRune, request).await?;
        let label = Arc::from(node_id.unwrap_or(found.label));
        let identity = Identity::Rune { id: found.id, label };
        let parameters = facts(&method, params);
        let checked = Caller::known(identity, Grant::of_rune(found.rune))
            .with_foreign_call(ForeignCall::new(method, parameters).of_another());
        permissions.admit_foreign(&checked)?;
        Ok(Checked { valid: true })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_known_by_name_and_place_if_the_method_is() {
        let by_place = facts("pay", json!(["lnbc1", 5]));
        let by_name = facts("pay", json!({"bolt11": "lnbc1", "amount_msat": 5}));
        assert_eq!(by_place, by_name);
        assert_eq!(by_place[0], ("bolt11".to_owned(), Fact::text("lnbc1")));
        let unknown = facts("of-a-plugin", json!({"a": [1], "b": "c"}));
        let expected = [("a".to_owned(), Fact::Unknown), ("b".to_owned(), Fact::text("c"))];
        assert_eq!(unknown, expected);
        assert_eq!(facts("of-a-plugin", json!([7]))[0].1, Fact::number(7));
    }
}
