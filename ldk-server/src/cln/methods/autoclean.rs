//! `autoclean-once` and `delexpiredinvoice`: old invoices are deleted.

use ldk_server_grpc::api::{
    DeleteExpiredInvoicesRequest, DeleteInvoiceRequest, ListInvoicesRequest,
};
use ldk_server_grpc::types::InvoiceState;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Method;
use super::invoices::all;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::clock::unix_secs;
use crate::error::Error;

/// What can be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subsystem {
    ExpiredInvoices,
    PaidInvoices,
}

/// `autoclean-once`: deletes what is older than this.
pub(super) struct AutocleanOnce {
    subsystem: Subsystem,
    age_secs: u64,
}

#[derive(Serialize)]
pub(super) struct Cleaned {
    autoclean: Map<String, Value>,
}

impl Subsystem {
    fn read(args: &Args) -> Result<Self, RpcError> {
        match args.required::<String>("subsystem")?.as_str() {
            "expiredinvoices" => Ok(Self::ExpiredInvoices),
            "paidinvoices" => Ok(Self::PaidInvoices),
            "succeededforwards" | "failedforwards" | "succeededpays" | "failedpays"
            | "networkevents" => {
                let reason = "subsystem: is not supported: the node keeps its history of payments and \
                              forwards, and has no events of the network; expiredinvoices and \
                              paidinvoices can be cleaned";
                Err(RpcError::params(reason))
            },
            _ => Err(RpcError::params("subsystem: unknown subsystem")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ExpiredInvoices => "expiredinvoices",
            Self::PaidInvoices => "paidinvoices",
        }
    }

    fn state(self) -> InvoiceState {
        match self {
            Self::ExpiredInvoices => InvoiceState::Expired,
            Self::PaidInvoices => InvoiceState::Paid,
        }
    }
}

impl Method for AutocleanOnce {
    const NAME: &'static str = "autoclean-once";
    const USAGE: &'static str = "subsystem age";
    type Answer = Cleaned;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let age_secs = args.required::<u64>("age")?;
        if age_secs == 0 {
            return Err(RpcError::params("age: must be non-zero"));
        }
        Ok(Self { subsystem: Subsystem::read(args)?, age_secs })
    }

    async fn run(self, call: Call) -> Result<Cleaned, RpcError> {
        let until = unix_secs().saturating_sub(self.age_secs);
        let cleaned = match self.subsystem {
            Subsystem::ExpiredInvoices => delete_expired(&call, Some(until)).await?,
            Subsystem::PaidInvoices => delete_paid(&call, until).await?,
        };
        let uncleaned = in_state(&call, self.subsystem.state()).await?.len();
        let counts = json!({"cleaned": cleaned, "uncleaned": uncleaned});
        let autoclean = Map::from_iter([(self.subsystem.name().to_owned(), counts)]);
        Ok(Cleaned { autoclean })
    }
}

async fn delete_expired(call: &Call, max_expiry: Option<u64>) -> Result<u64, RpcError> {
    let request = DeleteExpiredInvoicesRequest { max_expiry };
    Ok(call.ask(rpc::DeleteExpiredInvoices, request).await?.deleted)
}

/// Deletes those that were paid by this time, and receipts as well.
async fn delete_paid(call: &Call, until: u64) -> Result<u64, RpcError> {
    let mut deleted = 0;
    let paid = in_state(call, InvoiceState::Paid).await?.into_iter();
    for invoice in paid.filter(|invoice| invoice.paid_at.is_some_and(|at| at <= until)) {
        // A receipt of an offer that has no hash stays.
        let Some(payment_hash) = invoice.payment_hash else { continue };
        let state = InvoiceState::Paid.into();
        let request = DeleteInvoiceRequest { label: String::new(), payment_hash, state };
        match call.ask(rpc::DeleteInvoice, request).await {
            Ok(_) => deleted += 1,
            // Somebody else has deleted it.
            Err(Error::NotFound(_)) => {},
            Err(error) => return Err(error.into()),
        }
    }
    Ok(deleted)
}

async fn in_state(
    call: &Call,
    state: InvoiceState,
) -> Result<Vec<ldk_server_grpc::types::Invoice>, RpcError> {
    all(call, ListInvoicesRequest { states: vec![state.into()], ..Default::default() }).await
}

/// `delexpiredinvoice`, which newer versions of Core Lightning do not have any more.
pub(super) struct DelExpiredInvoice {
    max_expiry: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Nothing {}

impl Method for DelExpiredInvoice {
    const NAME: &'static str = "delexpiredinvoice";
    const USAGE: &'static str = "[maxexpirytime]";
    type Answer = Nothing;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let max_expiry: Option<u64> = args.optional("maxexpirytime")?;
        // What expires later has not expired.
        Ok(Self { max_expiry: max_expiry.filter(|at| *at < unix_secs()) })
    }

    async fn run(self, call: Call) -> Result<Nothing, RpcError> {
        delete_expired(&call, self.max_expiry).await?;
        Ok(Nothing {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invoices_are_cleaned() {
        let read =
            |params| AutocleanOnce::read(&Args::of(AutocleanOnce::USAGE, Some(params)).unwrap());
        let clean = read(json!(["expiredinvoices", "60"])).unwrap();
        assert_eq!((clean.subsystem, clean.age_secs), (Subsystem::ExpiredInvoices, 60));
        for (subsystem, age, reason) in [
            ("failedpays", 1, "keeps its history"),
            ("nosuch", 1, "unknown subsystem"),
            ("paidinvoices", 0, "must be non-zero"),
        ] {
            let refused = read(json!([subsystem, age])).err().unwrap();
            assert!(refused.message.contains(reason), "{refused:?}");
        }
    }

    #[test]
    fn nothing_expires_later_than_now() {
        let read = |params| {
            DelExpiredInvoice::read(&Args::of(DelExpiredInvoice::USAGE, Some(params)).unwrap())
        };
        assert_eq!(read(json!([5])).unwrap().max_expiry, Some(5));
        assert_eq!(read(json!([u64::MAX])).unwrap().max_expiry, None);
        assert_eq!(read(json!([])).unwrap().max_expiry, None);
    }
}
