//! Executes every call, from whichever transport it came: checks the caller's access and the server's
//! state, runs the handler on a thread or as a future, and answers when all that the answer reports is
//! on disk.

use std::future::ready;
use std::sync::Arc;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::canonical::Defaults;
use super::once::{self, Once, OnceReply as _};
use super::{Impact, Kind, Rpc, Stream};
use crate::access::Access;
use crate::app::App;
use crate::audit::{self, Written};
use crate::caller::Caller;
use crate::crash_points::{self, CrashPoint};
use crate::error::Error;
use crate::executor::Executor;
use crate::intents::Begun;
use crate::ops::waits::{self, Waited};
use crate::permissions::Permissions;
use crate::store::{NewAuditEntry, Payment};
use crate::wire;

/// Whether the server has started.
#[derive(Clone)]
pub enum Phase {
    /// Not yet; the text describes the current step.
    Starting(String),
    /// Serving.
    Ready(Arc<App>),
}

/// Executes calls. Clones share their state.
#[derive(Clone)]
pub struct Dispatcher {
    phase: watch::Receiver<Phase>,
    executor: Executor,
    stopping: CancellationToken,
    permissions: Permissions,
}

/// A call that its caller may make.
pub struct Admitted {
    caller: Caller,
    /// What is recorded of it, if anything is.
    entry: Option<NewAuditEntry>,
    /// What it changes may be outside of the database.
    changes_files: bool,
}

/// The context of a call whose handler is a future.
pub(super) struct Call {
    dispatcher: Dispatcher,
    /// Who made it.
    pub(super) caller: Caller,
}

impl Call {
    /// Cancelled when the server stops.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.dispatcher.stopping
    }

    /// Returns what operations work with, or UNAVAILABLE.
    pub(super) fn app(&self) -> Result<Arc<App>, Error> {
        self.dispatcher.app()
    }

    /// Waits for this, unless the server begins to stop meanwhile.
    pub(super) async fn unless_stopping<T>(
        &self,
        waiting: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.dispatcher.unless_stopping(waiting).await
    }
}

impl Dispatcher {
    /// Answers UNAVAILABLE until `phase` is ready, and ends streams when `stopping` is cancelled.
    pub fn new(
        phase: watch::Receiver<Phase>,
        executor: Executor,
        stopping: CancellationToken,
        permissions: Permissions,
    ) -> Self {
        Self { phase, executor, stopping, permissions }
    }

    /// Executes a call, if the caller may make it.
    pub async fn call<R: Rpc>(
        &self,
        _method: R,
        caller: Caller,
        request: R::Request,
    ) -> Result<R::Reply, Error> {
        let name = R::SPEC.name;
        let budgets = match self.permissions.admit(&caller, (name, R::SPEC.access), &request) {
            Ok(budgets) => budgets,
            Err(refusal) => {
                if let Phase::Ready(app) = &*self.phase.borrow() {
                    app.audit.refused(&caller, name, &request, &refusal);
                }
                return Err(refusal);
            },
        };
        let is_recorded = R::SPEC.impact != Impact::Reads;
        let entry = is_recorded.then(|| audit::entry_of(&caller, name, &request));
        let caller = caller.with_budgets(budgets);
        let caller = match R::SPEC.kind {
            Kind::Stream => self.permissions.watch(caller, (name, R::SPEC.access), &request),
            Kind::Blocking | Kind::Async => caller,
        };
        // That is where the API keys are.
        let changes_files = R::SPEC.access == Access::Admin;
        R::serve(self, Admitted { caller, entry, changes_files }, request).await
    }

    /// Lets a call of other software pass, which is made of calls of the API, if the caller may make it.
    pub(crate) fn admit_foreign(
        &self,
        method: &'static str,
        caller: Caller,
    ) -> Result<Caller, Error> {
        if let Err(refusal) = self.permissions.admit_foreign(&caller) {
            if let Phase::Ready(app) = &*self.phase.borrow() {
                app.audit.refused(&caller, method, &(), &refusal);
            }
            return Err(refusal);
        }
        Ok(self.permissions.watch_foreign(caller))
    }

    /// What operations work with, or UNAVAILABLE.
    pub(crate) fn app(&self) -> Result<Arc<App>, Error> {
        self.not_stopping()?;
        self.ready()
    }

    /// Waits for this, unless the server begins to stop meanwhile.
    pub(crate) async fn unless_stopping<T>(
        &self,
        waiting: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let waited = self.stopping.run_until_cancelled(waiting).await;
        waited.unwrap_or_else(|| Err(Error::Unavailable("the server is stopping".to_owned())))
    }

    fn ready(&self) -> Result<Arc<App>, Error> {
        match &*self.phase.borrow() {
            Phase::Ready(app) => Ok(Arc::clone(app)),
            Phase::Starting(doing) => Err(Error::Unavailable(format!("starting: {doing}"))),
        }
    }

    fn not_stopping(&self) -> Result<(), Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Unavailable("the server is stopping".to_owned()));
        }
        Ok(())
    }

    /// Runs a handler on a blocking thread.
    pub(super) async fn blocking<Q, A>(
        &self,
        method: &'static str,
        Admitted { caller, entry, changes_files }: Admitted,
        request: Q,
        handler: fn(&App, &Caller, Q) -> Result<A, Error>,
    ) -> Result<A, Error>
    where
        Q: Send + 'static,
        A: Send + 'static,
    {
        let app = self.app()?;
        let working = Arc::clone(&app);
        let work = move || {
            // The call may have waited for a thread.
            caller.still_waits()?;
            let recorded = if changes_files {
                working.audit.begin_on_disk(entry, &caller)?
            } else {
                working.audit.begin(entry, &caller)?
            };
            let answer = handler(&working, &caller, request);
            let written = recorded.ended(&answer);
            answer.map(|answer| (answer, written))
        };
        let answer = self.executor.run(method, work).await;
        let_out(&app, answer).await
    }

    /// Carries out a call, unless an earlier one with its key was: then its answer is that of the
    /// earlier one. Waits for the payment, if the request says so, with neither thread nor place.
    pub(super) async fn once<Q: Once, F>(
        &self,
        method: &'static str,
        call: Admitted,
        request: Q,
        execute: impl FnOnce(Admitted, Q) -> F,
    ) -> Result<Q::Reply, Error>
    where
        F: Future<Output = Result<Q::Reply, Error>>,
    {
        let timeout = match once::timeout(&request) {
            Ok(timeout) => timeout,
            Err(refusal) => return self.asynchronous(call, (), |_, ()| ready(Err(refusal))).await,
        };
        let until = timeout.map(|timeout| waits::until(&call.caller, timeout));
        let answer = self.execute_once(method, call, request, execute).await?;
        let Some((id, until)) = answer.payment().zip(until) else { return Ok(answer) };
        // Whatever comes of waiting, the payment was made: that is what is answered.
        let waited = self.wait_for_payment(id, until).await;
        let waited = waited.inspect_err(|error| warn!(%error, "no outcome of a payment"));
        Ok(match waited {
            Ok(Some(Waited { latest, timed_out })) => {
                answer.with_outcome(wire::payment::outcome(&latest, timed_out))
            },
            _ => answer,
        })
    }

    async fn wait_for_payment(
        &self,
        id: PaymentId,
        until: Instant,
    ) -> Result<Option<Waited<Payment>>, Error> {
        waits::payments::payment_made(&self.ready()?, id, until, &self.stopping).await
    }

    async fn execute_once<Q: Once, F>(
        &self,
        method: &'static str,
        call: Admitted,
        request: Q,
        execute: impl FnOnce(Admitted, Q) -> F,
    ) -> Result<Q::Reply, Error>
    where
        F: Future<Output = Result<Q::Reply, Error>>,
    {
        if request.key().is_empty() {
            return execute(call, request).await;
        }
        let answer = match self.begin_once(method, &request).await {
            Ok(Begun::New(claim)) => {
                let caller = call.caller.with_claim(claim);
                let answer = execute(Admitted { caller, ..call }, request).await;
                crash_points::reached(CrashPoint::Answer);
                return answer;
            },
            Ok(Begun::Before(answer)) => once::repeated(&answer),
            Err(refusal) => Err(refusal),
        };
        // It is recorded as any other.
        self.asynchronous(call, (), |_, ()| ready(answer)).await
    }

    async fn begin_once<Q: Once>(&self, method: &'static str, request: &Q) -> Result<Begun, Error> {
        let app = self.app()?;
        app.intents.begin(once::intent(method, request, &Defaults::of(&app))?).await
    }

    /// Runs a handler that needs no node on a blocking thread, while the server starts, too.
    pub(super) async fn blocking_without_node<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        handler: fn(Q) -> Result<A, Error>,
    ) -> Result<A, Error>
    where
        Q: Send + 'static,
        A: Send + 'static,
    {
        self.not_stopping()?;
        self.executor.run(method, move || handler(request)).await
    }

    /// Awaits a handler.
    pub(super) async fn asynchronous<Q, A, F>(
        &self,
        Admitted { caller, entry, .. }: Admitted,
        request: Q,
        handler: impl FnOnce(Call, Q) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<A, Error>>,
    {
        self.not_stopping()?;
        let app = self.ready()?;
        let recorded = app.audit.begin(entry, &caller)?;
        let answer = handler(Call { dispatcher: self.clone(), caller }, request).await;
        let written = recorded.ended(&answer);
        // Whether or not the server stops by now: what was done is told.
        let_out(&app, answer.map(|answer| (answer, written))).await
    }

    /// Awaits a handler whose answer is a stream.
    pub(super) async fn stream<Q, T, F>(
        &self,
        Admitted { caller, entry, .. }: Admitted,
        request: Q,
        handler: impl FnOnce(Call, Q) -> F,
    ) -> Result<Stream<T>, Error>
    where
        F: Future<Output = Result<Stream<T>, Error>>,
        T: Send + 'static,
    {
        let recorded = self.app()?.audit.begin(entry, &caller)?;
        let call = Call { dispatcher: self.clone(), caller: caller.clone() };
        let stream = handler(call, request).await;
        // What it sends comes from the disk, and the entry was queued before that was.
        recorded.ended(&stream);
        Ok(stream?.until(self.stopping.clone(), caller))
    }
}

/// Returns the answer when all that it reports is on disk.
async fn let_out<A>(app: &App, answer: Result<(A, Written), Error>) -> Result<A, Error> {
    crash_points::reached(CrashPoint::Written);
    app.store.all_durable().await.map_err(|error| Error::Unavailable(error.to_string()))?;
    let (answer, written) = answer?;
    written.on_disk().await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::api::DecodeOfferRequest;

    use super::*;
    use crate::api::rpc;

    fn starting() -> (watch::Sender<Phase>, Dispatcher, CancellationToken) {
        let (phase, receiver) = watch::channel(Phase::Starting("loading".to_owned()));
        let stopping = CancellationToken::new();
        let permissions = Permissions::with_api_key("aa");
        let dispatcher = Dispatcher::new(receiver, Executor::new(1), stopping.clone(), permissions);
        (phase, dispatcher, stopping)
    }

    #[tokio::test]
    async fn before_the_node_runs_only_calls_that_need_none_are_answered() {
        let (_phase, dispatcher, stopping) = starting();
        let caller = || Caller::with_api_key();
        let info = dispatcher.call(rpc::GetNodeInfo, caller(), Default::default()).await;
        assert_eq!(info.unwrap_err().to_string(), "starting: loading");
        let events = dispatcher.call(rpc::SubscribeEvents, caller(), Default::default()).await;
        assert!(matches!(events.err(), Some(Error::Unavailable(_))));
        let request = DecodeOfferRequest { offer: "lno".to_owned() };
        let decoded = dispatcher.call(rpc::DecodeOffer, caller(), request.clone()).await;
        assert!(matches!(decoded.unwrap_err(), Error::InvalidArgument { .. }));
        stopping.cancel();
        let decoded = dispatcher.call(rpc::DecodeOffer, caller(), request).await;
        assert!(matches!(decoded.unwrap_err(), Error::Unavailable(_)));
    }
}
