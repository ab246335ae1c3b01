//! `createrune`.

use ldk_server_grpc::api::CreateRuneRequest;
use ldk_server_grpc::rune::{Alternative, Preset, Restriction, Rune};
use serde::Serialize;
use serde_json::Value;

use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Param};
use crate::cln::error::RpcError;
use crate::cln::methods::Method;

const UNRESTRICTED: &str = "WARNING: This rune has no restrictions! Anyone who has access to this rune could \
                            drain funds from your node. Be careful when giving this to apps that you don't \
                            trust. Consider using the restrictions parameter to only allow access to \
                            specific rpc methods.";
/// What `readonly` stands for.
const READ_ONLY: [&str; 2] = ["method^list|method^get|method=summary", "method/listdatastore"];

/// `createrune`: makes a rune, or restricts one further.
pub(in crate::cln::methods) struct CreateRune {
    rune: Option<String>,
    restrictions: Vec<String>,
}

#[derive(Serialize)]
pub(in crate::cln::methods) struct Created {
    rune: String,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_unrestricted_rune: Option<&'static str>,
}

/// Restrictions that must all hold: `readonly`, one as text, or a list, each a text or a list of alternatives.
struct Restrictions(Vec<String>);

impl Param for Restrictions {
    const EXPECTED: &'static str =
        "'readonly', or an array of restrictions, each a string or an array of alternatives";

    fn read(value: &Value) -> Option<Self> {
        if value == "readonly" {
            return Some(Self(READ_ONLY.map(str::to_owned).to_vec()));
        }
        let restriction = |value| restriction(value).map(|restriction| restriction.to_string());
        match value {
            Value::String(text) => {
                let all = Restriction::parse_list(text).ok()?;
                Some(Self(all.iter().map(ToString::to_string).collect()))
            },
            Value::Array(values) => values.iter().map(restriction).collect::<Option<_>>().map(Self),
            _ => None,
        }
    }
}

/// A restriction: its text, or its alternatives.
fn restriction(value: &Value) -> Option<Restriction> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Array(values) => {
            let alternatives: Vec<_> = values.iter().map(alternatives).collect::<Option<_>>()?;
            Restriction::new(alternatives.concat()).ok()
        },
        _ => None,
    }
}

fn alternatives(value: &Value) -> Option<Vec<Alternative>> {
    let restriction: Restriction = value.as_str()?.parse().ok()?;
    Some(restriction.alternatives().to_vec())
}

impl Method for CreateRune {
    const NAME: &'static str = "createrune";
    const USAGE: &'static str = "[rune] [restrictions]";
    type Answer = Created;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let restrictions = args.optional::<Restrictions>("restrictions")?;
        let restrictions = restrictions.map_or_else(Vec::new, |restrictions| restrictions.0);
        Ok(Self { rune: args.optional("rune")?, restrictions })
    }

    async fn run(self, call: Call) -> Result<Created, RpcError> {
        let Self { rune, restrictions } = self;
        let is_unrestricted = rune.is_none() && restrictions.is_empty();
        let preset = is_unrestricted.then(|| Preset::Admin.name().to_owned());
        let request = CreateRuneRequest {
            restrictions,
            rune: rune.unwrap_or_default(),
            preset: preset.unwrap_or_default(),
            ..Default::default()
        };
        let created = call.ask(rpc::CreateRune, request).await?;
        let parsed = Rune::parse(&created.rune).map_err(|error| RpcError::internal(&error))?;
        let is_unrestricted = parsed.restrictions().is_empty();
        Ok(Created {
            rune: created.rune,
            unique_id: created.id.to_string(),
            warning_unrestricted_rune: is_unrestricted.then_some(UNRESTRICTED),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Option<Vec<String>> {
        Restrictions::read(&value).map(|restrictions| restrictions.0)
    }

    #[test]
    fn a_list_of_lists_is_all_of_any() {
        for (given, expected) in [
            (json!("readonly"), READ_ONLY.to_vec()),
            (json!("method=a|method=b"), vec!["method=a|method=b"]),
            (json!("method=a&rate=5"), vec!["method=a", "rate=5"]),
            (json!(["method=a|method=b", "rate=5"]), vec!["method=a|method=b", "rate=5"]),
            (json!([["method=a"], ["method=b"]]), vec!["method=a", "method=b"]),
            (json!([["method=a", "method=b"], ["time<9"]]), vec!["method=a|method=b", "time<9"]),
            (json!([]), vec![]),
        ] {
            assert_eq!(read(given.clone()).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for given in [json!("method"), json!([[]]), json!([[["method=a"]]]), json!([7]), json!({})]
        {
            assert_eq!(read(given.clone()), None, "{given}");
        }
        // An ampersand in a list is no further restriction.
        let read = read(json!([["method=a&b=c", "method=d"]]));
        assert!(read.is_none_or(|read| read == [r"method=a\&b=c|method=d"]));
    }
}
