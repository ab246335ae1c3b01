//! What a plugin says of itself, in its answer to `getmanifest`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::PluginError;
use super::hooks::{Hook, Registered};

/// What a plugin says of itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    options: Vec<Declared>,
    #[serde(default)]
    pub(super) rpcmethods: Vec<RpcMethod>,
    #[serde(default)]
    subscriptions: Vec<String>,
    #[serde(default)]
    pub(super) hooks: Vec<Registered>,
    /// The topics that it notifies others of.
    #[serde(default)]
    notifications: Vec<OwnTopic>,
    /// Why it does not want to run.
    pub(super) disable: Option<String>,
}

/// An option of a plugin.
#[derive(Debug, Deserialize)]
struct Declared {
    name: String,
    #[serde(rename = "type", default = "text")]
    kind: String,
    #[serde(default)]
    default: Value,
    #[serde(default)]
    multi: bool,
}

fn text() -> String {
    "string".to_owned()
}

/// A method that a plugin answers.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RpcMethod {
    pub(super) name: String,
    #[serde(default)]
    pub(super) usage: String,
}

#[derive(Debug, Deserialize)]
struct OwnTopic {
    method: String,
}

impl Manifest {
    /// Refuses a plugin that would not be asked what it must be asked.
    pub(super) fn check(&self, is_taken: impl Fn(&str) -> bool) -> Result<(), PluginError> {
        if let Some(hook) = self.hooks.iter().find(|hook| !hook.is_served()) {
            return Err(PluginError::Hook(hook.name().to_owned()));
        }
        match self.rpcmethods.iter().find(|method| is_taken(&method.name)) {
            Some(method) => Err(PluginError::Taken(method.name.clone())),
            None => Ok(()),
        }
    }

    /// Whether it wants to be asked about this.
    pub(super) fn has_hook(&self, hook: Hook) -> bool {
        self.hooks.iter().any(|registered| registered.is(hook))
    }

    /// The names of its options.
    pub(super) fn option_names(&self) -> Vec<String> {
        self.options.iter().map(|option| option.name.clone()).collect()
    }

    /// Whether it wants to hear of this topic.
    pub(super) fn subscribes(&self, topic: &str) -> bool {
        self.subscriptions.iter().any(|subscribed| subscribed == topic || subscribed == "*")
    }

    /// Whether it wants to hear of anything.
    pub(super) fn subscribes_to_any(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Whether it may notify others of this topic.
    pub(super) fn notifies(&self, topic: &str) -> bool {
        self.notifications.iter().any(|own| own.method == topic)
    }

    /// The values of its options: those that are configured, else their defaults. An option without either is
    /// left out.
    pub(super) fn options(
        &self,
        configured: &[(String, String)],
    ) -> Result<Map<String, Value>, PluginError> {
        let mut values = Map::new();
        for option in &self.options {
            let given = configured.iter().filter(|(name, _)| *name == option.name);
            let given: Vec<_> =
                given.map(|(_, text)| option.value(text)).collect::<Result<_, _>>()?;
            let value = match (option.multi, given.is_empty()) {
                (_, true) => option.default.clone(),
                (true, false) => Value::Array(given),
                (false, false) => given.into_iter().next_back().unwrap_or_default(),
            };
            if !value.is_null() {
                values.insert(option.name.clone(), value);
            }
        }
        Ok(values)
    }
}

impl Declared {
    fn value(&self, text: &str) -> Result<Value, PluginError> {
        let value = match self.kind.as_str() {
            "int" => text.parse::<i64>().map(Value::from).ok(),
            "bool" | "flag" => text.parse::<bool>().map(Value::from).ok(),
            _ => Some(Value::from(text)),
        };
        let refused = || PluginError::Option { name: self.name.clone(), kind: self.kind.clone() };
        value.ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(value: Value) -> Manifest {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn options_have_their_types() {
        let manifest = manifest(json!({"options": [
            {"name": "greeting", "type": "string", "default": "Hello", "description": "a"},
            {"name": "times", "type": "int", "default": 1},
            {"name": "loud", "type": "flag", "default": false},
            {"name": "names", "type": "string", "multi": true},
            {"name": "none", "type": "string", "default": null},
        ]}));
        let given = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            manifest.options(&pairs).map(Value::Object)
        };
        let defaults = json!({"greeting": "Hello", "times": 1, "loud": false});
        assert_eq!(given(&[]).unwrap(), defaults);
        let configured = [
            ("greeting", "Ciao"),
            ("times", "3"),
            ("loud", "true"),
            ("names", "a"),
            ("names", "b"),
        ];
        let expected = json!({"greeting": "Ciao", "times": 3, "loud": true, "names": ["a", "b"]});
        assert_eq!(given(&configured).unwrap(), expected);
        let refused = given(&[("times", "often")]).unwrap_err().to_string();
        assert!(refused.contains("times") && refused.contains("int"), "{refused}");
    }

    #[test]
    fn who_has_to_be_asked_is_refused() {
        let free = |_: &str| false;
        for hooks in [json!(["htlc_accepted"]), json!([{"name": "htlc_accepted", "before": []}])] {
            let refused = manifest(json!({"hooks": hooks})).check(free).unwrap_err().to_string();
            assert!(refused.contains("htlc_accepted"), "{refused}");
        }
        let served = json!(["invoice_payment", {"name": "rpc_command", "before": ["a"]}]);
        let served = manifest(json!({"hooks": served}));
        assert!(served.check(free).is_ok());
        assert!(
            served.has_hook(Hook::RpcCommand) && !manifest(json!({})).has_hook(Hook::RpcCommand)
        );
        let some = json!(["rpc_command", "db_write"]);
        let refused = manifest(json!({"hooks": some})).check(free).unwrap_err().to_string();
        assert!(refused.contains("db_write"), "{refused}");
        let own =
            manifest(json!({"rpcmethods": [{"name": "pay", "usage": "", "description": ""}]}));
        assert!(own.check(free).is_ok());
        let refused = own.check(|name| name == "pay").unwrap_err().to_string();
        assert!(refused.contains("pay"), "{refused}");
    }

    #[test]
    fn a_star_subscribes_to_everything() {
        let some = manifest(json!({"subscriptions": ["connect"]}));
        assert!(some.subscribes("connect") && !some.subscribes("disconnect"));
        assert!(manifest(json!({"subscriptions": ["*"]})).subscribes("disconnect"));
    }
}
