//! The amounts that a request names.

use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage as _};

use crate::permissions;

/// What a call is about; `None` where the request names no amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    /// In millisatoshis.
    pub(super) msat: Option<u64>,
    /// In satoshis.
    pub(super) sats: Option<u64>,
}

/// The fields that are amounts; the others that have such a unit are limits.
fn unit(field: &str) -> Option<Unit> {
    if field.ends_with("amount_msat") || field == "push_to_counterparty_msat" {
        Some(Unit::Msat)
    } else if field.ends_with("amount_sats") {
        Some(Unit::Sats)
    } else {
        None
    }
}

enum Unit {
    Msat,
    Sats,
}

/// The amounts in the request of this call, by the names of its fields.
pub(super) fn named<M: Message>(method: &str, request: &M) -> Amounts {
    permissions::request(method, &request.encode_to_vec())
        .map_or_else(|_| Amounts::default(), |request| in_message(&request))
}

fn in_message(message: &DynamicMessage) -> Amounts {
    let mut amounts = Amounts::default();
    for field in message.descriptor().fields() {
        if !message.has_field(&field) {
            continue;
        }
        let amount = || message.get_field(&field).as_u64();
        match unit(field.name()) {
            Some(Unit::Msat) => amounts.msat = amount(),
            Some(Unit::Sats) => amounts.sats = amount(),
            None => {},
        }
    }
    amounts
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::RPC_NAMES;
    use ldk_server_grpc::api::{
        Bolt11ReceiveRequest, Bolt11ReceiveViaJitChannelRequest, OnchainSendRequest,
        OpenChannelRequest, SpliceOutRequest,
    };

    use super::*;

    #[test]
    fn amounts_are_known_by_the_names_of_their_fields() {
        let request = Bolt11ReceiveRequest { amount_msat: Some(7), ..Default::default() };
        assert_eq!(named("Bolt11Receive", &request), Amounts { msat: Some(7), sats: None });
        let request = Bolt11ReceiveRequest::default();
        assert_eq!(named("Bolt11Receive", &request), Amounts::default());
        let request = OnchainSendRequest { amount_sats: Some(9), ..Default::default() };
        assert_eq!(named("OnchainSend", &request), Amounts { msat: None, sats: Some(9) });
        let request = SpliceOutRequest { splice_amount_sats: 11, ..Default::default() };
        assert_eq!(named("SpliceOut", &request), Amounts { msat: None, sats: Some(11) });
        let request =
            OpenChannelRequest { push_to_counterparty_msat: Some(5), ..Default::default() };
        assert_eq!(named("OpenChannel", &request), Amounts { msat: Some(5), sats: None });
    }

    #[test]
    fn a_limit_is_not_an_amount() {
        let request = Bolt11ReceiveViaJitChannelRequest {
            amount_msat: 3,
            max_total_lsp_fee_limit_msat: Some(1_000),
            ..Default::default()
        };
        let expected = Amounts { msat: Some(3), sats: None };
        assert_eq!(named("Bolt11ReceiveViaJitChannel", &request), expected);
    }

    #[test]
    fn every_amount_is_a_number_and_no_call_has_two_of_one_unit() {
        for name in RPC_NAMES {
            let request = permissions::request(name, &[]).unwrap();
            let units: Vec<_> = request
                .descriptor()
                .fields()
                .filter(|field| unit(field.name()).is_some())
                .inspect(|field| assert!(!field.is_list(), "{name}"))
                .map(|field| field.name().rsplit('_').next().unwrap().to_owned())
                .collect();
            let mut distinct = units.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(units.len(), distinct.len(), "{name}: {units:?}");
        }
    }
}
