//! Who may do what: the API keys, the runes, and how often and how much their holders may.

mod api_keys;
mod facts;
mod messages;
mod meter;
mod runes;

pub use api_keys::{ApiKeys, FIRST, Signed};
pub use messages::request;
pub use runes::{Genuine, Refusal, Runes};

use std::sync::Arc;

use ldk_server_grpc::rune::{Demand, Limit};
use prost::Message;

use crate::access::{Access, DemandedBudget, Grant};
use crate::caller::{Caller, Identity};
use crate::certificate::ClientCertificates;
use crate::clock::unix_secs;
use crate::error::Error;
use facts::CallFacts;
use meter::{Meter, Pace, Refused};

/// What is known of those who may call. Clones are the same.
#[derive(Clone)]
pub struct Permissions {
    /// The API keys.
    pub api_keys: ApiKeys,
    /// The runes.
    pub runes: Runes,
    /// The certificates of clients, if they are asked for one.
    pub client_certificates: Option<ClientCertificates>,
    /// The access groups of the calls.
    pub groups: Groups,
    meter: Arc<Meter>,
}

/// Finds the name of a call in the proto file and its access group, by that name.
pub type Groups = fn(&str) -> Option<(&'static str, Access)>;

impl Permissions {
    /// With these keys and runes; nobody has called yet.
    pub fn new(
        api_keys: ApiKeys,
        runes: Runes,
        client_certificates: Option<ClientCertificates>,
        groups: Groups,
    ) -> Self {
        Self { api_keys, runes, client_certificates, groups, meter: Arc::default() }
    }

    /// With this API key only.
    #[cfg(test)]
    pub(crate) fn with_api_key(text: &str) -> Self {
        Self::new(ApiKeys::with_first(text), Runes::new(&[7; 32]).unwrap(), None, |_| None)
    }

    /// Lets a call pass and counts it, or says which condition does not hold. What is returned must be
    /// kept by whatever the call spends.
    pub fn admit<M: Message>(
        &self,
        caller: &Caller,
        method: (&'static str, Access),
        request: &M,
    ) -> Result<Vec<DemandedBudget>, Error> {
        let (paces, budgets) = split(demands(caller, method, request)?);
        self.meter
            .admit(&paces)
            .map_err(|refused| too_often(caller.identity(), &paces, refused))?;
        if let Identity::Rune { id, .. } = caller.identity() {
            self.runes.used(*id);
        }
        Ok(budgets)
    }

    /// The same caller of a call whose answer is a stream, which ends when a rune or a key is revoked or its
    /// time is over.
    pub fn watch<M: Message>(
        &self,
        caller: Caller,
        method: (&'static str, Access),
        request: &M,
    ) -> Caller {
        if matches!(caller.identity(), Identity::ApiKey(name) if &**name == FIRST) {
            return caller;
        }
        // What was decoded can be decoded again.
        let Ok(request) = messages::request(method.0, &request.encode_to_vec()) else {
            return caller;
        };
        let (permissions, watched) = (self.clone(), caller.clone());
        caller.with_recheck(move || permissions.withdrawal(&watched, method, &request))
    }

    fn withdrawal<M: Message>(
        &self,
        caller: &Caller,
        method: (&'static str, Access),
        request: &M,
    ) -> Option<Error> {
        let is_revoked = match caller.identity() {
            Identity::Rune { id, .. } => self.runes.is_revoked(*id),
            Identity::ApiKey(name) => !self.api_keys.has(name),
            Identity::Unknown | Identity::ClientCertificate { .. } | Identity::LocalUser { .. } => {
                false
            },
        };
        if is_revoked {
            let reason = format!("{}: it was revoked", caller.identity());
            return Some(Error::PermissionDenied(reason));
        }
        self.refusal(caller, method, request)
    }

    /// Says why a call would not be allowed to whoever has this grant, and counts nothing.
    pub fn refusal<M: Message>(
        &self,
        caller: &Caller,
        method: (&'static str, Access),
        request: &M,
    ) -> Option<Error> {
        demands(caller, method, request).err()
    }
}

/// The limits that a call must keep, or why it may not be made at all.
fn demands<M: Message>(
    caller: &Caller,
    method: (&'static str, Access),
    request: &M,
) -> Result<Vec<Demand>, Error> {
    let identity = caller.identity();
    match caller.grant() {
        Grant::Everything => Ok(Vec::new()),
        Grant::Nothing => Err(Error::PermissionDenied(format!("{identity}: nothing is allowed"))),
        Grant::Restricted(restricted) => {
            let facts = CallFacts::new(method, request, identity.label(), unix_secs())
                .also_called(caller.other_name());
            restricted.evaluate(&facts).map_err(|denial| {
                let restriction = denial.restriction();
                Error::PermissionDenied(format!("{identity}: {restriction}: {denial}"))
            })
        },
    }
}

/// Limits on how often, and limits on how much.
fn split(demands: Vec<Demand>) -> (Vec<(String, Pace)>, Vec<DemandedBudget>) {
    let (mut paces, mut budgets) = (Vec::new(), Vec::new());
    for Demand { limit, scope } in demands {
        match limit {
            Limit::Rate { per_minute } => paces.push((scope, Pace::PerMinute(per_minute))),
            Limit::Interval(time) => paces.push((scope, Pace::OncePer(time))),
            Limit::Budget(budget) => budgets.push(DemandedBudget { scope, budget }),
        }
    }
    (paces, budgets)
}

fn too_often(identity: &Identity, paces: &[(String, Pace)], refused: Refused) -> Error {
    match refused {
        Refused::TooOften(at) => {
            let limit = match paces.get(at).map(|(_, pace)| *pace) {
                Some(Pace::PerMinute(most)) => format!("rate={most}"),
                Some(Pace::OncePer(time)) => format!("per={}msec", time.as_millis()),
                None => "rate".to_owned(),
            };
            Error::PermissionDenied(format!("{identity}: {limit}: too many calls; try again later"))
        },
        Refused::TooMany => Error::ResourceExhausted(
            "too many callers have limits on their rate; try again later".to_owned(),
        ),
    }
}
