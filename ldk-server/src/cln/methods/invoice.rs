//! `invoice`.

use ldk_node::bitcoin::hashes::{Hash as _, sha256};
use ldk_server_grpc::api::{Bolt11ReceiveRequest, GetInvoiceRequest};
use ldk_server_grpc::types::Bolt11InvoiceDescription;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use serde::Serialize;
use serde_json::Value;

use super::Method;
use super::open_channels::parse_scid;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::{Args, Label, MsatOrAny, Param, Secret};
use crate::cln::error::{RpcError, code};
use crate::error::Error;

/// A week, as in Core Lightning.
const DEFAULT_EXPIRY_SECS: u32 = 604_800;

/// `invoice`: makes a BOLT 11 invoice.
pub(super) struct Invoice {
    amount_msat: Option<u64>,
    label: String,
    description: String,
    expiry_secs: u32,
    preimage: Option<String>,
    is_hash_only: bool,
}

#[derive(Serialize)]
pub(super) struct Made {
    payment_hash: String,
    expires_at: u64,
    bolt11: String,
    payment_secret: String,
    created_index: u64,
}

/// Whether channels that are not announced are named in the invoice, or which of them. The library decides
/// that.
struct Exposed;

impl Param for Exposed {
    const EXPECTED: &'static str = "'true', 'false', or short channel ids; the node library chooses the channels that an invoice names";

    fn read(value: &Value) -> Option<Self> {
        let is_well_formed = match value {
            Value::Array(ids) => ids.iter().all(is_scid),
            value => is_scid(value) || bool::read(value).is_some(),
        };
        is_well_formed.then_some(Self)
    }
}

fn is_scid(value: &Value) -> bool {
    value.as_str().and_then(parse_scid).is_some()
}

impl Method for Invoice {
    const NAME: &'static str = "invoice";
    const USAGE: &'static str = "amount_msat label description [expiry] [fallbacks] [preimage] \
                                 [exposeprivatechannels] [cltv] [deschashonly]";
    type Answer = Made;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let is_fixed = "the node library sets it";
        args.refuse(&["cltv"], is_fixed)?;
        args.refuse(&["fallbacks"], "the node library names no on-chain addresses in invoices")?;
        args.optional::<Exposed>("exposeprivatechannels")?;
        Ok(Self {
            amount_msat: args.required::<MsatOrAny>("amount_msat")?.0,
            label: args.required::<Label>("label")?.0,
            description: args.required("description")?,
            expiry_secs: args.optional("expiry")?.unwrap_or(DEFAULT_EXPIRY_SECS),
            preimage: args.optional::<Secret>("preimage")?.map(|preimage| preimage.0),
            is_hash_only: args.optional("deschashonly")?.unwrap_or(false),
        })
    }

    async fn run(self, call: Call) -> Result<Made, RpcError> {
        let by_label = || GetInvoiceRequest { label: self.label.clone(), ..Default::default() };
        if is_there(&call, by_label()).await? {
            return Err(self.duplicate_label());
        }
        if let Some(payment_hash) = self.preimage.as_deref().and_then(hash_of) {
            let by_hash = GetInvoiceRequest { payment_hash, ..Default::default() };
            if is_there(&call, by_hash).await? {
                let used = code::INVOICE_PREIMAGE_ALREADY_EXISTS;
                return Err(RpcError::new(used, "preimage already used"));
            }
        }
        let made = call.ask(rpc::Bolt11Receive, self.request()).await;
        let made = made.map_err(|error| match error {
            Error::AlreadyExists(_) => self.duplicate_label(),
            other => other.into(),
        })?;
        let stored = call.ask(rpc::GetInvoice, by_label()).await?.invoice.unwrap_or_default();
        Ok(Made {
            payment_hash: made.payment_hash,
            expires_at: stored.expires_at.unwrap_or_default(),
            bolt11: made.invoice,
            payment_secret: made.payment_secret,
            created_index: stored.number,
        })
    }
}

impl Invoice {
    fn request(&self) -> Bolt11ReceiveRequest {
        let kind = if self.is_hash_only {
            Kind::Hash(sha256::Hash::hash(self.description.as_bytes()).to_string())
        } else {
            Kind::Direct(self.description.clone())
        };
        Bolt11ReceiveRequest {
            amount_msat: self.amount_msat,
            description: Some(Bolt11InvoiceDescription { kind: Some(kind) }),
            expiry_secs: self.expiry_secs,
            label: self.label.clone(),
            // An invoice with a preimage that the library has not chosen can be deleted before it is paid.
            preimage: self.preimage.clone().unwrap_or_else(new_preimage),
            ..Default::default()
        }
    }

    fn duplicate_label(&self) -> RpcError {
        let reason = format!("Duplicate label '{}'", self.label);
        RpcError::new(code::INVOICE_LABEL_ALREADY_EXISTS, reason)
    }
}

async fn is_there(call: &Call, request: GetInvoiceRequest) -> Result<bool, Error> {
    match call.ask(rpc::GetInvoice, request).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn hash_of(preimage: &str) -> Option<String> {
    Some(sha256::Hash::hash(&hex::decode(preimage).ok()?).to_string())
}

fn new_preimage() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn channels_to_be_named_are_a_choice_of_the_library() {
        for (value, is_read) in [
            (json!(true), true),
            (json!("false"), true),
            (json!("1x2x3"), true),
            // As the gRPC service has it.
            (json!(["1x2x3", "4x5x6"]), true),
            (json!([]), true),
            (json!(["1x2"]), false),
            (json!([7]), false),
            (json!("some"), false),
        ] {
            assert_eq!(Exposed::read(&value).is_some(), is_read, "{value}");
        }
    }
}
