//! Calls that may be made, and what plugins say of them.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::Status;

use super::args::Args;
use super::error::RpcError;
use super::methods::Entry;
use super::plugins::{AskedCall, CallAnswer, PluginMethod};
use super::{Call, Cln, filter};
use crate::caller::Caller;

/// A call of a method, with its parameters, that may be made.
pub(crate) struct Understood {
    pub(super) cln: Cln,
    pub(super) caller: Caller,
    pub(super) target: Target,
    /// What plugins are told of it, if they have to be asked.
    pub(super) asked: Option<AskedCall>,
}

/// What is called.
pub(super) enum Target {
    Own(&'static Entry, Args),
    Plugin(PluginMethod, Option<Value>),
}

/// What comes of a call.
enum Decided {
    Make(Box<Understood>),
    Answer(Result<Value, RpcError>),
}

impl Understood {
    /// Answers the call with what the filter leaves of the answer. What has not been begun when this is
    /// dropped is not begun any more.
    pub(crate) async fn answer(self, filter: Option<&Value>) -> Result<Value, RpcError> {
        let caller = self.caller.clone();
        let answered = caller.answer(async { Ok::<_, Status>(self.run().await) }).await;
        let answer = answered.map_err(|status| RpcError::generic(status.message()))??;
        Ok(match filter {
            Some(filter) => filter::apply(filter, answer),
            None => answer,
        })
    }

    /// Makes the call, unless a plugin decides otherwise.
    pub(super) async fn run(self) -> Result<Value, RpcError> {
        match self.decided().await? {
            Decided::Make(call) => call.make().await,
            Decided::Answer(answer) => answer,
        }
    }

    async fn make(self) -> Result<Value, RpcError> {
        let Self { cln, caller, target, asked: _ } = self;
        match target {
            Target::Own(method, args) => (method.run)(Call { cln, caller }, args).await,
            Target::Plugin(method, params) => method.call(params).await,
        }
    }

    /// Asks the plugins that have to be. They are asked of a call in the place of another, too, which the
    /// caller must be allowed.
    async fn decided(mut self) -> Result<Decided, RpcError> {
        let Some(mut call) = self.asked.take() else { return Ok(Decided::Make(Box::new(self))) };
        let shared = self.cln.clone().0;
        // Plugins run as long as there is a node.
        shared.dispatcher.app()?;
        let mut asked = Vec::new();
        loop {
            let asking = shared.plugins.ask_about(&call, &mut asked);
            let answer = shared.dispatcher.unless_stopping(async { Ok(asking.await) }).await??;
            match answer {
                CallAnswer::Continue => return Ok(Decided::Make(Box::new(self))),
                CallAnswer::Return(answer) => return Ok(Decided::Answer(answer)),
                CallAnswer::Replace { method, params } => {
                    let Self { cln, caller, .. } = self;
                    self = cln.permit(caller, &method, params.clone())?;
                    call = AskedCall { id: call.id, method, params };
                },
            }
        }
    }
}

/// What plugins are told of a call. One without an id gets a number.
pub(super) fn asked_call(id: Option<&Value>, method: &str, params: Option<&Value>) -> AskedCall {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let id = id.cloned().unwrap_or_else(|| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        json!(format!("ldk-server:{method}#{number}"))
    });
    AskedCall { id, method: method.to_owned(), params: params.cloned() }
}
