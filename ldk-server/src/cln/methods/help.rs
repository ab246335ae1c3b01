//! What there is, and whether a call would be understood.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Entry, METHODS, Method, quoted_text, unknown};
use crate::cln::Call;
use crate::cln::args::{Args, Param};
use crate::cln::error::RpcError;

/// `help`: the usage of one method, or of all.
pub(super) struct Help {
    command: Option<String>,
}

#[derive(Serialize)]
pub(super) struct HelpAnswer {
    help: Vec<Usage>,
    #[serde(rename = "format-hint")]
    format_hint: &'static str,
}

#[derive(Serialize)]
struct Usage {
    command: String,
}

fn usage(name: &str, usage: &str) -> Usage {
    Usage { command: format!("{name} {usage}").trim_end().to_owned() }
}

impl Method for Help {
    const NAME: &'static str = "help";
    const USAGE: &'static str = "[command]";
    type Answer = HelpAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { command: args.optional("command")? })
    }

    async fn run(self, call: Call) -> Result<HelpAnswer, RpcError> {
        let is_wanted = |name: &str| self.command.as_deref().is_none_or(|wanted| wanted == name);
        let own = METHODS.iter().filter(|method| is_wanted(method.name));
        let of_plugins = call.cln.plugin_methods();
        let of_plugins = of_plugins.iter().filter(|method| is_wanted(&method.name));
        let help: Vec<_> = own
            .map(|method| usage(method.name, method.usage))
            .chain(of_plugins.map(|method| usage(&method.name, &method.usage)))
            .collect();
        match self.command {
            Some(command) if help.is_empty() => Err(unknown(&quoted_text(&command))),
            _ => Ok(HelpAnswer { help, format_hint: "simple" }),
        }
    }
}

/// `check`: whether the parameters of a call are those of its method.
pub(super) struct Check {
    command_to_check: String,
}

#[derive(Serialize)]
pub(super) struct CheckAnswer {
    command_to_check: String,
}

/// The parameters of `check`: the name of a method, and its parameters.
fn checked(params: Option<Value>) -> Result<(String, Value), RpcError> {
    const NAME: &str = "command_to_check";
    let (name, rest) = match params {
        Some(Value::Array(mut values)) if !values.is_empty() => {
            (values.remove(0), Value::Array(values))
        },
        Some(Value::Object(mut values)) => {
            let name = values.remove(NAME).unwrap_or_default();
            (name, Value::Object(values))
        },
        _ => (Value::Null, Value::Object(Map::new())),
    };
    let missing = || RpcError::params(format!("missing required parameter: {NAME}"));
    Ok((String::read(&name).ok_or_else(missing)?, rest))
}

/// The arguments of a call, which for `check` are those of another method, and are checked with this.
pub(in crate::cln) fn arguments(
    method: &'static Entry,
    params: Option<Value>,
) -> Result<Args, RpcError> {
    if method.name != Check::NAME {
        return Args::of(method.usage, params);
    }
    let (name, params) = checked(params)?;
    let to_check = super::find(&name)?;
    let args = arguments(to_check, Some(params))?;
    (to_check.check)(&args)?;
    Args::of(Check::USAGE, Some(Value::Array(vec![name.into()])))
}

impl Method for Check {
    const NAME: &'static str = "check";
    const USAGE: &'static str = "command_to_check";
    type Answer = CheckAnswer;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { command_to_check: args.required("command_to_check")? })
    }

    async fn run(self, _: Call) -> Result<CheckAnswer, RpcError> {
        Ok(CheckAnswer { command_to_check: self.command_to_check })
    }
}

/// `notifications`: whether the client wants to hear of the progress of its calls. There is none to tell.
pub(super) struct Notifications;

#[derive(Serialize)]
pub(super) struct Nothing {}

impl Method for Notifications {
    const NAME: &'static str = "notifications";
    const USAGE: &'static str = "enable";
    type Answer = Nothing;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.required::<bool>("enable").map(|_| Self)
    }

    async fn run(self, _: Call) -> Result<Nothing, RpcError> {
        Ok(Nothing {})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cln::methods::find;

    #[test]
    fn the_parameters_of_another_method_are_checked() {
        let check = |params| arguments(find("check").unwrap(), Some(params));
        for params in [
            json!({"command_to_check": "invoice", "amount_msat": "any", "label": "a", "description": ""}),
            json!(["invoice", "1sat", "a", ""]),
            json!(["check", "getinfo"]),
        ] {
            check(params).unwrap();
        }
        for (params, refusal) in [
            (json!(["invoice", 1]), "missing required parameter: label"),
            (json!(["nosuch"]), "Unknown command 'nosuch'"),
            (json!([]), "missing required parameter: command_to_check"),
            (json!(["invoice", 0, "a", ""]), "amount_msat: should be positive msat or 'any'"),
        ] {
            let refused = check(params).unwrap_err();
            assert!(refused.message.starts_with(refusal), "{refused:?}");
        }
    }

    #[test]
    fn a_usage_is_what_clients_look_for_their_parameters_in() {
        let usage = |name| {
            let method = find(name).unwrap();
            super::usage(method.name, method.usage).command
        };
        let invoice = usage("invoice");
        assert!(invoice.starts_with("invoice amount_msat label description [expiry]"), "{invoice}");
        assert!(invoice.contains("[deschashonly]"));
        assert_eq!(usage("getinfo"), "getinfo");
    }
}
