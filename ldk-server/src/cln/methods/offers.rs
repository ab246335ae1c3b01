//! `offer` and `listoffers`.

use ldk_server_grpc::api::{Bolt12ReceiveRequest, ListInvoicesRequest};
use ldk_server_grpc::types::{Invoice, InvoiceKind, InvoiceState};
use serde::Serialize;

use super::invoices::all;
use super::{Method, expiry};
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Hash, Label, MsatOrAny};
use crate::cln::error::RpcError;

const NO_RECURRENCE: &str = "the node library knows no payments that recur";

/// `offer`: makes an offer, which can be paid again and again.
pub(super) struct Offer {
    amount_msat: Option<u64>,
    description: String,
    label: Option<String>,
    quantity_max: Option<u64>,
    expiry_secs: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Made {
    offer_id: String,
    active: bool,
    single_use: bool,
    bolt12: String,
    used: bool,
    created: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl Method for Offer {
    const NAME: &'static str = "offer";
    const USAGE: &'static str = "amount [description] [issuer] [label] [quantity_max] [absolute_expiry] \
                                 [recurrence] [recurrence_base] [recurrence_paywindow] \
                                 [recurrence_limit] [single_use] [proportional_amount] \
                                 [optional_recurrence] [fronting_nodes] [dev_paths]";
    type Answer = Made;

    fn read(args: &Args) -> Result<Self, RpcError> {
        args.refuse(&["issuer"], "the node library makes offers without one")?;
        let recurrences = [
            "recurrence",
            "recurrence_base",
            "recurrence_paywindow",
            "recurrence_limit",
            "proportional_amount",
            "optional_recurrence",
        ];
        args.refuse(&recurrences, NO_RECURRENCE)?;
        args.refuse(&["fronting_nodes", "dev_paths"], "the node library chooses the paths")?;
        if args.optional("single_use")? == Some(true) {
            let reason = "the node library answers for an offer until it expires; make an invoice";
            args.refuse(&["single_use"], reason)?;
        }
        let quantity_max = args.optional::<u64>("quantity_max")?;
        if quantity_max == Some(0) {
            args.refuse(&["quantity_max"], "the most items must be named, so at least 1")?;
        }
        Ok(Self {
            amount_msat: args.required::<MsatOrAny>("amount")?.0,
            description: args.optional("description")?.unwrap_or_default(),
            label: args.optional::<Label>("label")?.map(|label| label.0),
            quantity_max,
            expiry_secs: expiry::left(args, "absolute_expiry")?,
        })
    }

    async fn run(self, call: Call) -> Result<Made, RpcError> {
        let request = Bolt12ReceiveRequest {
            description: self.description,
            amount_msat: self.amount_msat,
            expiry_secs: self.expiry_secs,
            quantity: self.quantity_max,
            // Other than a label of the API's, one of Core Lightning's offers may be there twice.
            external_id: self.label.clone().unwrap_or_default(),
            ..Default::default()
        };
        let made = call.ask(rpc::Bolt12Receive, request).await?;
        Ok(Made {
            offer_id: made.offer_id,
            active: true,
            single_use: false,
            bolt12: made.offer,
            used: false,
            created: true,
            label: self.label,
        })
    }
}

/// `listoffers`: the offers that this node has made, in their order.
pub(super) struct ListOffers {
    offer_id: Option<String>,
    is_active_only: bool,
}

#[derive(Serialize)]
pub(super) struct Listed {
    offers: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    offer_id: String,
    active: bool,
    single_use: bool,
    /// The library has no other nodes stand in front of it.
    force_paths: bool,
    bolt12: String,
    used: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl Row {
    fn of(offer: Invoice) -> Option<Self> {
        Some(Self {
            active: offer.state() == InvoiceState::Open,
            offer_id: offer.offer_id?,
            single_use: false,
            force_paths: false,
            bolt12: offer.invoice,
            used: offer.amount_received_msat.is_some(),
            description: Some(offer.description).filter(|text| !text.is_empty()),
            label: offer.external_id.or(offer.label),
        })
    }
}

impl Method for ListOffers {
    const NAME: &'static str = "listoffers";
    const USAGE: &'static str = "[offer_id] [active_only]";
    type Answer = Listed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self {
            offer_id: args.optional::<Hash>("offer_id")?.map(|id| id.0),
            is_active_only: args.optional("active_only")?.unwrap_or(false),
        })
    }

    async fn run(self, call: Call) -> Result<Listed, RpcError> {
        let kinds = vec![InvoiceKind::Bolt12Offer.into()];
        let mut offers = all(&call, ListInvoicesRequest { kinds, ..Default::default() }).await?;
        offers.sort_by_key(|offer| offer.number);
        let rows = offers.into_iter().filter_map(Row::of).filter(|row| {
            self.offer_id.as_ref().is_none_or(|id| *id == row.offer_id)
                && (row.active || !self.is_active_only)
        });
        Ok(Listed { offers: rows.collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn offer(params: Value) -> Result<Offer, RpcError> {
        Offer::read(&Args::of(Offer::USAGE, Some(params)).unwrap())
    }

    #[test]
    fn an_offer_is_what_the_library_can_make() {
        let read = offer(json!(["any", "tea", null, "l", 3])).unwrap();
        assert_eq!((read.amount_msat, read.quantity_max), (None, Some(3)));
        assert_eq!((read.description.as_str(), read.label.as_deref()), ("tea", Some("l")));
        offer(json!({"amount": "1sat", "single_use": false})).unwrap();
        for params in [
            json!({"amount": "1EUR"}),
            json!({"amount": 1, "issuer": "me"}),
            json!({"amount": 1, "single_use": true}),
            json!({"amount": 1, "recurrence": "1day"}),
            json!({"amount": 1, "quantity_max": 0}),
            json!({"amount": 1, "absolute_expiry": 1}),
        ] {
            assert_eq!(offer(params).err().unwrap().code, -32602);
        }
    }

    #[test]
    fn an_offer_that_has_expired_is_not_active() {
        let row = |state: InvoiceState| {
            let (state, offer_id) = (state.into(), Some("00".to_owned()));
            Row::of(Invoice { state, offer_id, ..Default::default() }).unwrap()
        };
        assert!(row(InvoiceState::Open).active);
        assert!(!row(InvoiceState::Expired).active);
        assert!(Row::of(Invoice::default()).is_none());
    }
}
