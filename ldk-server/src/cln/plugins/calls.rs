//! The hook `rpc_command`: plugins are asked about calls before they are made.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::hooks::{CallAnswer, Hook};
use super::places::{Next, Plugins};
use super::{Plugin, RpcError};
use crate::cln::error::code;

/// How long a plugin may take to run again, and to say what is to become of a call.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call as plugins are told of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cln) struct AskedCall {
    /// The id of the request, or what stands for it.
    pub(in crate::cln) id: Value,
    /// The method.
    pub(in crate::cln) method: String,
    /// The parameters as the caller has given them.
    pub(in crate::cln) params: Option<Value>,
}

impl Plugins {
    /// Asks the plugins that come after these, which are added, until one does not let the call be made as
    /// it is. The call must not be made if this fails.
    pub(in crate::cln) async fn ask_about(
        &self,
        call: &AskedCall,
        asked: &mut Vec<usize>,
    ) -> Result<CallAnswer, RpcError> {
        loop {
            let next = timeout(PATIENCE, self.next(Hook::RpcCommand, asked)).await;
            let (place, plugin) = match next {
                Ok(Next::Nobody) => return Ok(CallAnswer::Continue),
                Ok(Next::Ask(place, plugin)) => (place, plugin),
                Ok(Next::LeftOut(name)) => {
                    return Err(refused(&name, "is left out, as the log says"));
                },
                Err(_) => {
                    let name = self.awaited(Hook::RpcCommand, asked);
                    return Err(refused(&name, "does not run"));
                },
            };
            asked.push(place);
            match plugin.decide(call).await? {
                CallAnswer::Continue => {},
                other => return Ok(other),
            }
        }
    }
}

impl Plugin {
    async fn decide(&self, call: &AskedCall) -> Result<CallAnswer, RpcError> {
        let AskedCall { id, method, params } = call;
        let params = params.as_ref().filter(|params| !params.is_null());
        let params = params.cloned().unwrap_or_else(|| json!({}));
        let told = json!({"rpc_command": {"id": id, "method": method, "params": params}});
        let asking = self.link.ask(Hook::RpcCommand.name(), &told);
        let Ok(answered) = timeout(PATIENCE, asking).await else {
            let secs = PATIENCE.as_secs();
            return Err(refused(
                &self.name,
                &format!("has not said within {secs} s whether it may be made"),
            ));
        };
        let answer = answered.map_err(|error| refused(&self.name, error.message()))?;
        CallAnswer::read(answer).ok_or_else(|| {
            refused(&self.name, "has answered rpc_command with neither result, replace nor return")
        })
    }
}

/// The call was not made, because of a plugin.
fn refused(plugin: &str, reason: &str) -> RpcError {
    let reason = format!("the call was not made; plugin {plugin}, which has to be asked: {reason}");
    RpcError::new(code::PLUGIN_ERROR, reason)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::mpsc::Receiver;

    use super::*;
    use crate::cln::plugins::link::{Link, Message};

    fn call() -> AskedCall {
        AskedCall { id: json!(7), method: "ping".to_owned(), params: None }
    }

    /// A plugin, and what it has to read.
    type Running = (Arc<Plugin>, Receiver<Vec<u8>>);

    /// Plugins that have the hook.
    fn plugins(number: usize) -> (Plugins, Vec<Running>) {
        let path = |number| PathBuf::from(format!("/plugins/{number}.py"));
        let plugins = Plugins::new(&(0..number).map(path).collect::<Vec<_>>());
        let start = |place| {
            let (link, unread) = Link::new();
            let manifest = || serde_json::from_value(json!({"hooks": ["rpc_command"]})).unwrap();
            let (name, link) = (plugins.name(place), Arc::new(link));
            plugins.learn(place, &manifest());
            let plugin = Arc::new(Plugin { name, manifest: manifest(), link });
            plugins.add(place, &plugin).unwrap();
            (plugin, unread)
        };
        let running = (0..number).map(start).collect();
        (plugins, running)
    }

    /// Answers what a plugin is asked, and returns it.
    async fn answer((plugin, unread): &mut Running, result: Value) -> Value {
        let mut request: Value = serde_json::from_slice(&unread.recv().await.unwrap()).unwrap();
        let answer = json!({"id": request["id"], "result": result}).to_string();
        let Some(Message::Answer { id, answer }) = Message::parse(answer.as_bytes()) else {
            panic!("no answer")
        };
        plugin.link.answered(id, answer);
        request["params"].take()
    }

    #[tokio::test]
    async fn plugins_are_asked_one_after_the_other_until_one_decides() {
        let (plugins, mut running) = plugins(3);
        let (call, mut asked) = (call(), Vec::new());
        let replace = json!({"replace": {"method": "getinfo"}});
        let answering = async {
            let told = answer(&mut running[0], json!({"result": "continue"})).await;
            let expected = json!({"rpc_command": {"id": 7, "method": "ping", "params": {}}});
            assert_eq!(told, expected);
            answer(&mut running[1], replace).await;
        };
        let (decided, ()) = tokio::join!(plugins.ask_about(&call, &mut asked), answering);
        let replaced = CallAnswer::Replace { method: "getinfo".to_owned(), params: None };
        assert_eq!((decided, &asked[..]), (Ok(replaced), &[0, 1][..]));
        // The call in its place is for those to judge that were not asked yet.
        let answering = answer(&mut running[2], json!({"result": "continue"}));
        let (decided, _) = tokio::join!(plugins.ask_about(&call, &mut asked), answering);
        assert_eq!(decided, Ok(CallAnswer::Continue));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_a_call_is_not_made() {
        let (plugins, mut running) = plugins(1);
        let (call, mut asked) = (call(), Vec::new());
        let hanging = plugins.ask_about(&call, &mut Vec::new()).await.unwrap_err();
        assert!(
            hanging.message.contains("0.py") && hanging.message.contains("30 s"),
            "{hanging:?}"
        );
        // Nobody waits for that answer any more.
        running[0].1.recv().await.unwrap();
        let garbage = answer(&mut running[0], json!({"result": "maybe"}));
        let (refused, _) = tokio::join!(plugins.ask_about(&call, &mut asked), garbage);
        assert!(refused.unwrap_err().message.contains("neither"));
        plugins.remove(0);
        let absent = plugins.ask_about(&call, &mut Vec::new()).await.unwrap_err();
        assert!(absent.message.contains("does not run"), "{absent:?}");
        plugins.leave_out(0);
        let left_out = plugins.ask_about(&call, &mut Vec::new()).await.unwrap_err();
        assert!(left_out.message.contains("left out"), "{left_out:?}");
    }
}
