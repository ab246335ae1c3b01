//! Paying whatever it is: of the ways that payment instructions name, the first that works.

use bitcoin_payment_instructions::amount::Amount as UriAmount;
use bitcoin_payment_instructions::hrn_resolution::DummyHrnResolver;
use bitcoin_payment_instructions::{PaymentInstructions, PaymentMethod};
use ldk_node::bitcoin::{Address, Network};
use ldk_node::lightning::offers::offer::Offer;
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_server_grpc::api::unified_send_response::PaymentResult;
use ldk_server_grpc::api::{OnchainSendRequest, UnifiedSendRequest, UnifiedSendResponse};

use super::amount::{self, Amount};
use super::attempt::NotPaid;
use super::{App, Calls, Names, bolt11, bolt12, fields, names, onchain, route};
use crate::error::Error;

/// What to pay, with every field checked that can be without looking at the ways.
#[derive(Debug)]
pub(super) struct Bill {
    ways: Vec<Way>,
    amount: Amount,
    limits: RouteParametersConfig,
}

/// A way to pay.
#[derive(Debug)]
enum Way {
    Offer(Box<Offer>),
    Invoice(Box<Bolt11Invoice>),
    Address {
        address: Address,
        /// What the payee asks for, if it is told.
        least_msat: Option<u64>,
    },
}

/// Reads the request; a name is looked up for that.
pub(super) async fn parse(
    names: &Names,
    network: Network,
    calls: &Calls,
    route_defaults: RouteParametersConfig,
    request: UnifiedSendRequest,
) -> Result<Bill, Error> {
    let UnifiedSendRequest { uri, amount_msat, route_parameters, allow_overpayment } = request;
    let amount = Amount::parse(amount_msat, allow_overpayment)?;
    let limits = route::limits(route_defaults, route_parameters)?;
    let instructions = if names::is_name(&uri) {
        calls.look_up(names.resolve(&uri, network)).await?
    } else {
        names::read_here(&uri, network).await?
    };
    let ways = ways(instructions, amount).await?;
    Ok(Bill { ways, amount, limits })
}

/// The ways in the order of preference: offers, invoices, and the first address.
async fn ways(instructions: PaymentInstructions, amount: Amount) -> Result<Vec<Way>, Error> {
    let (fixed, has_amount) = match instructions {
        PaymentInstructions::FixedAmount(fixed) => (fixed, true),
        PaymentInstructions::ConfigurableAmount(open) => {
            // Only to get at the ways: nothing is paid by this amount, and nothing looked up.
            let fixed = open.set_amount(UriAmount::ZERO, &DummyHrnResolver).await;
            (fixed.map_err(|reason| Error::invalid("uri", reason))?, false)
        },
    };
    let onchain_msat = fixed.onchain_payment_amount().map(|amount| amount.milli_sats());
    let (mut offers, mut invoices, mut address) = (Vec::new(), Vec::new(), None);
    for method in fixed.methods() {
        match method {
            PaymentMethod::LightningBolt12(offer) => {
                offers.push(Way::Offer(Box::new(offer.clone())));
            },
            PaymentMethod::LightningBolt11(invoice) => {
                invoices.push(Way::Invoice(Box::new(invoice.clone())));
            },
            PaymentMethod::OnChain(found) if address.is_none() => {
                let least_msat = onchain_msat.filter(|_| has_amount);
                address = Some(Way::Address { address: found.clone(), least_msat });
            },
            PaymentMethod::OnChain(_) | PaymentMethod::Bark(_) | PaymentMethod::Cashu(_) => {},
        }
    }
    // The reader leaves an amount in the URI alone when there is no address that it could be for.
    let asked_msat = onchain_msat.filter(|_| !has_amount && address.is_none());
    match (has_amount, amount.msat, asked_msat) {
        (false, None, _) => {
            return Err(Error::invalid(
                amount::FIELD,
                "must be set: the uri names no amount for it",
            ));
        },
        (false, Some(_), Some(asked_msat)) => {
            amount.to_pay("uri", asked_msat)?;
        },
        _ => {},
    }
    offers.append(&mut invoices);
    offers.extend(address);
    Ok(offers)
}

/// Begins to pay in one of the ways. Goes on to the next only if nothing at all was sent.
pub(super) fn pay(app: &App, bill: Bill) -> Result<UnifiedSendResponse, Error> {
    let Bill { ways, amount, limits } = bill;
    let mut refusals = Vec::new();
    for way in ways {
        match way.pay(app, amount, limits) {
            Ok(result) => return Ok(UnifiedSendResponse { payment_result: Some(result) }),
            Err(NotPaid::Untouched(error)) => {
                tracing::info!("UnifiedSend does not pay {}: {error}", way.name());
                refusals.push((way.name(), error));
            },
            Err(NotPaid::Unsure(error)) => return Err(of_the_uri(error)),
        }
    }
    Err(no_way(refusals))
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Offer(_) => "by offer",
            Self::Invoice(_) => "by invoice",
            Self::Address { .. } => "on chain",
        }
    }

    fn pay(
        &self,
        app: &App,
        amount: Amount,
        limits: RouteParametersConfig,
    ) -> Result<PaymentResult, NotPaid> {
        match self {
            Self::Offer(offer) => {
                let offer = fields::on_network("uri", offer, app.network)?;
                let quantity = offer.expects_quantity().then_some(1);
                let id = bolt12::pay(app, offer, amount, quantity, None, limits)?;
                Ok(PaymentResult::Bolt12PaymentId(hex::encode(id.0)))
            },
            Self::Invoice(invoice) => {
                let invoice = fields::of_network("uri", invoice, app.network)?;
                let id = bolt11::pay(app, invoice, amount, limits)?;
                Ok(PaymentResult::Bolt11PaymentId(hex::encode(id.0)))
            },
            Self::Address { address, least_msat } => {
                let request = OnchainSendRequest {
                    address: address.to_string(),
                    amount_sats: Some(whole_sats(amount, *least_msat)?),
                    ..Default::default()
                };
                let sent = onchain::send(app, request).map_err(|error| match error {
                    Error::InvalidArgument { .. } | Error::FailedPrecondition(_) => {
                        NotPaid::Untouched(error)
                    },
                    other => NotPaid::Unsure(other),
                })?;
                Ok(PaymentResult::Txid(sent.txid))
            },
        }
    }
}

fn whole_sats(amount: Amount, asked_msat: Option<u64>) -> Result<u64, Error> {
    let amount_msat = match (amount.msat, asked_msat) {
        (_, Some(asked_msat)) => amount.to_pay("uri", asked_msat)?,
        (Some(chosen_msat), None) => chosen_msat,
        (None, None) => return Err(Error::invalid(amount::FIELD, "must be set")),
    };
    if amount_msat.is_multiple_of(1000) {
        Ok(amount_msat / 1000)
    } else {
        let reason = format!("{amount_msat} is not a number of whole satoshis, as needed on chain");
        Err(Error::invalid(amount::FIELD, reason))
    }
}

/// One refusal for those of all ways.
fn no_way(mut refusals: Vec<(&'static str, Error)>) -> Error {
    let all_invalid =
        refusals.iter().all(|(_, error)| matches!(error, Error::InvalidArgument { .. }));
    if refusals.is_empty() {
        return Error::FailedPrecondition(
            "the uri names no way to pay that this node knows: offer, invoice or address"
                .to_owned(),
        );
    }
    if refusals.len() == 1 || all_invalid {
        return of_the_uri(refusals.swap_remove(0).1);
    }
    let reasons: Vec<String> =
        refusals.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    Error::FailedPrecondition(format!("none of the ways to pay works; {}", reasons.join("; ")))
}

/// The error with the field of this request, where it names one of another call's.
fn of_the_uri(error: Error) -> Error {
    match error {
        Error::InvalidArgument { field: "amount_sats", reason } => {
            Error::invalid(amount::FIELD, format!("on chain, in satoshis: {reason}"))
        },
        Error::InvalidArgument { field: "address" | "invoice" | "offer", reason } => {
            Error::invalid("uri", reason)
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::names::fake::{self, Book};
    use super::*;

    const ADDRESS: &str = "bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x";
    const NAME: &str = "alice@example.com";

    fn offer(amount_msat: Option<u64>) -> String {
        use ldk_node::bitcoin::secp256k1::PublicKey;
        use ldk_node::lightning::offers::offer::OfferBuilder;
        let key: PublicKey =
            "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619".parse().unwrap();
        let builder = OfferBuilder::new(key).chain(Network::Regtest);
        match amount_msat {
            Some(amount) => builder.amount_msats(amount).build().unwrap().to_string(),
            None => builder.build().unwrap().to_string(),
        }
    }

    fn invoice(amount_msat: Option<u64>) -> String {
        use ldk_node::bitcoin::hashes::{Hash as _, sha256};
        use ldk_node::bitcoin::secp256k1::{Secp256k1, SecretKey};
        use ldk_node::lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
        let key = SecretKey::from_slice(&[7; 32]).unwrap();
        let builder = InvoiceBuilder::new(Currency::Regtest)
            .description("coffee".to_owned())
            .payment_hash(sha256::Hash::hash(&[1]))
            .payment_secret(PaymentSecret([2; 32]))
            .current_timestamp()
            .min_final_cltv_expiry_delta(144);
        let builder = match amount_msat {
            Some(amount) => builder.amount_milli_satoshis(amount),
            None => builder,
        };
        builder
            .build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
            .unwrap()
            .to_string()
    }

    /// The ways that a name of this meaning leads to, by their names.
    async fn led_to(result: String, msat: Option<u64>) -> Result<Vec<&'static str>, String> {
        let amount = Amount { msat, allow_overpayment: false };
        let instructions = fake::resolve(NAME, &Book { name: NAME, result }).await;
        let ways = match instructions {
            Ok(instructions) => ways(instructions, amount).await,
            Err(error) => Err(error),
        };
        ways.map(|ways| ways.iter().map(Way::name).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_order_is_offer_invoice_chain() {
        let (invoice, offer) = (invoice(None), offer(None));
        let uri = format!("bitcoin:{ADDRESS}?lightning={invoice}&lno={offer}");
        let all = led_to(uri, Some(1)).await;
        assert_eq!(all, Ok(vec!["by offer", "by invoice", "on chain"]));
        assert_eq!(led_to(format!("bitcoin:?lno={offer}"), Some(1)).await, Ok(vec!["by offer"]));
        let twice = format!("bitcoin:{ADDRESS}?lno={offer}&lno={offer}");
        assert_eq!(led_to(twice, Some(1)).await, Ok(vec!["by offer", "by offer", "on chain"]));
    }

    #[tokio::test]
    async fn an_amount_must_come_from_somewhere() {
        let uri = format!("bitcoin:{ADDRESS}");
        let refused = led_to(uri.clone(), None).await.unwrap_err();
        assert!(refused.starts_with("amount_msat: must be set"), "{refused}");
        assert!(led_to(uri.clone(), Some(1)).await.is_ok());
        assert!(led_to(format!("{uri}?amount=0.001"), None).await.is_ok());
        let all = format!(
            "{uri}?amount=0.00001&lightning={}&lno={}",
            invoice(Some(1_000_000)),
            offer(Some(1_000_000))
        );
        assert_eq!(led_to(all, None).await.map(|ways| ways.len()), Ok(3));
    }

    #[tokio::test]
    async fn the_amount_of_the_uri_is_the_least_for_an_offer_without_one() {
        let uri = format!("bitcoin:?amount=0.00001&lno={}", offer(None));
        let refused = led_to(uri.clone(), Some(999_999)).await.unwrap_err();
        assert!(refused.contains("999999 is less than the uri's 1000000"), "{refused}");
        assert!(led_to(uri, Some(1_000_000)).await.is_ok());
    }

    #[test]
    fn on_chain_amounts_are_whole_and_enough() {
        let whole_sats =
            |msat, asked_msat| whole_sats(Amount { msat, allow_overpayment: false }, asked_msat);
        assert_eq!(whole_sats(Some(5_000), None).ok(), Some(5));
        assert_eq!(whole_sats(None, Some(6_000)).ok(), Some(6));
        assert_eq!(whole_sats(Some(7_000), Some(6_000)).ok(), Some(7));
        for (amount, least, words) in [
            (Some(5_001), None, "whole satoshis"),
            (Some(5_000), Some(6_000), "less than the uri's 6000"),
            (Some(13_000), Some(6_000), "more than twice the uri's 6000"),
            (None, None, "must be set"),
        ] {
            let refused = whole_sats(amount, least).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn the_refusals_of_all_ways_are_told_in_one() {
        let precondition = |words: &str| Error::FailedPrecondition(words.to_owned());
        assert!(matches!(no_way(Vec::new()), Error::FailedPrecondition(_)));
        let one = no_way(vec![("on chain", Error::invalid("amount_sats", "1 is dust"))]);
        assert_eq!(one.to_string(), "amount_msat: on chain, in satoshis: 1 is dust");
        let both = no_way(vec![
            ("by offer", precondition("no peer")),
            ("on chain", Error::invalid("amount_sats", "1 is dust")),
        ]);
        assert!(matches!(both, Error::FailedPrecondition(_)), "{both:?}");
        assert!(both.to_string().contains("by offer: no peer; on chain: amount_sats: 1 is dust"));
        let invalid = no_way(vec![
            ("by offer", Error::invalid("amount_msat", "too little")),
            ("by invoice", Error::invalid("amount_msat", "too little")),
        ]);
        assert_eq!(invalid.to_string(), "amount_msat: too little");
    }
}
