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
        let is_part = caller.foreign_call().is_some();
        if is_part {
            // The whole may have been going on for long.
            self.is_not_revoked(caller)?;
        }
        self.count(caller, paces)?;
        if !is_part {
            self.used(caller);
        }
        Ok(budgets)
    }

    /// Lets a call of other software pass and counts it, or says which condition does not hold. Each of the
    /// calls of the API that it is made of is admitted, too.
    pub fn admit_foreign(&self, caller: &Caller) -> Result<(), Error> {
        let (paces, _) = split(foreign_demands(caller)?);
        self.count(caller, paces)?;
        self.used(caller);
        Ok(())
    }

    /// The same caller, who is asked again and again while it waits whether it still may.
    pub fn watch_foreign(&self, caller: Caller) -> Caller {
        let (permissions, watched) = (self.clone(), caller.clone());
        caller.with_recheck(move || {
            let revoked = permissions.is_not_revoked(&watched);
            revoked.and_then(|()| foreign_demands(&watched)).err()
        })
    }

    /// Counts a call for these limits: one of other software once, whatever it is made of.
    fn count(&self, caller: &Caller, paces: Vec<(String, Pace)>) -> Result<(), Error> {
        let call = caller.foreign_call();
        let paces = match call {
            Some(call) => call.not_counted(paces),
            None => paces,
        };
        self.meter
            .admit(&paces)
            .map_err(|refused| too_often(caller.identity(), &paces, refused))?;
        if let Some(call) = call {
            call.was_counted(paces);
        }
        Ok(())
    }

    fn used(&self, caller: &Caller) {
        if let Identity::Rune { id, .. } = caller.identity() {
            self.runes.used(*id);
        }
    }

    fn is_not_revoked(&self, caller: &Caller) -> Result<(), Error> {
        match caller.identity() {
            Identity::Rune { id, .. } if self.runes.is_revoked(*id) => {
                let reason = format!("{}: it was revoked", caller.identity());
                Err(Error::PermissionDenied(reason))
            },
            _ => Ok(()),
        }
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
            Identity::Unknown
            | Identity::ClientCertificate { .. }
            | Identity::Password { .. }
            | Identity::LocalUser { .. } => false,
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
                .also_called(caller.other_name())
                .part_of(caller.foreign_call());
            restricted.evaluate(&facts).map_err(|denial| {
                let restriction = denial.restriction();
                Error::PermissionDenied(format!("{identity}: {restriction}: {denial}"))
            })
        },
    }
}

/// The limits that a call of other software must keep, or why it may not be made at all.
fn foreign_demands(caller: &Caller) -> Result<Vec<Demand>, Error> {
    match (caller.grant(), caller.foreign_call()) {
        (Grant::Everything, _) => Ok(Vec::new()),
        (Grant::Restricted(restricted), Some(call)) => {
            let facts = call.facts(caller.identity().label(), unix_secs());
            let demands = restricted.evaluate(&facts);
            demands.map_err(|denial| Error::PermissionDenied(denial.to_string()))
        },
        (Grant::Restricted(_), None) | (Grant::Nothing, _) => {
            let reason = format!("{}: nothing is allowed", caller.identity());
            Err(Error::PermissionDenied(reason))
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

#[cfg(test)]
mod tests {
    use ldk_server_grpc::api::{Bolt11SendRequest, GetNodeInfoRequest, ListPeersRequest};
    use ldk_server_grpc::rune::{Fact, Restriction};

    use super::*;
    use crate::access::ForeignCall;

    /// A call of `method` with these restrictions, which may be made.
    fn admitted(
        permissions: &Permissions,
        method: &str,
        restrictions: &str,
    ) -> Result<Caller, Error> {
        let restrictions = Restriction::parse_list(restrictions).unwrap();
        let grant = Grant::named("shop".to_owned(), restrictions);
        let parameters = vec![("amount_msat".to_owned(), Fact::number(5_000))];
        let caller = Caller::known(Identity::ApiKey("shop".into()), grant)
            .with_foreign_call(ForeignCall::new(method.to_owned(), parameters));
        permissions.admit_foreign(&caller).map(|()| caller)
    }

    #[test]
    fn what_a_call_of_others_is_made_of_is_allowed_with_it() {
        let permissions = Permissions::with_api_key("aa");
        let caller = admitted(&permissions, "pay", "method=pay&pnameamountmsat<5001").unwrap();
        let sends = Bolt11SendRequest { amount_msat: Some(9_999), ..Default::default() };
        for (name, group) in [("Bolt11Send", Access::Pay), ("ListPayments", Access::Read)] {
            permissions.admit(&caller, (name, group), &sends).unwrap();
        }
        let refused = admitted(&permissions, "xpay", "method=pay").unwrap_err();
        assert_eq!(refused.to_string(), "method is not equal to pay");
        assert!(admitted(&permissions, "pay", "pname_amount_msat<5000").is_err());
    }

    #[test]
    fn groups_and_the_names_of_the_api_limit_what_it_is_made_of() {
        let permissions = Permissions::with_api_key("aa");
        let sends = Bolt11SendRequest::default();
        for restrictions in ["group=info|group=read", "method/Bolt11Send", "group/pay"] {
            let caller = admitted(&permissions, "pay", restrictions).unwrap();
            let (reading, paying) = (("ListPeers", Access::Read), ("Bolt11Send", Access::Pay));
            permissions.admit(&caller, reading, &ListPeersRequest {}).unwrap();
            assert!(permissions.admit(&caller, paying, &sends).is_err(), "{restrictions}");
        }
    }

    #[test]
    fn it_counts_once() {
        let permissions = Permissions::with_api_key("aa");
        for _ in 0..2 {
            let caller = admitted(&permissions, "getinfo", "method=getinfo&rate=2").unwrap();
            for _ in 0..5 {
                let part = ("GetNodeInfo", Access::Info);
                permissions.admit(&caller, part, &GetNodeInfoRequest {}).unwrap();
            }
        }
        let refused = admitted(&permissions, "getinfo", "method=getinfo&rate=2").unwrap_err();
        assert!(refused.to_string().contains("too many calls"), "{refused}");
    }

    #[test]
    fn a_budget_is_kept_by_what_it_is_made_of() {
        let permissions = Permissions::with_api_key("aa");
        let caller = admitted(&permissions, "pay", "method=pay&budget=10sat/day").unwrap();
        let paying = ("Bolt11Send", Access::Pay);
        let budgets = permissions.admit(&caller, paying, &Bolt11SendRequest::default()).unwrap();
        assert_eq!(budgets.len(), 1);
    }
}
