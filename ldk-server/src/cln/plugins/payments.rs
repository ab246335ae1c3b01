//! The hook `invoice_payment`: plugins decide on payments before the server claims them.
//!
//! A payment is held until all have agreed, and sent back when one rejects it. One that waits for a plugin
//! holds up no other, unless that plugin has as many to decide on as it may have.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Plugin;
use super::hooks::{Hook, PaymentAnswer};
use super::places::{Next, Plugins};
use crate::app::App;
use crate::hold::{Held, HoldError};
use crate::store::InvoiceName;

/// The payments that a plugin is asked about at once; others wait.
const MAX_ASKED: usize = 32;
/// How long until a plugin is asked again that has not answered, or not as it must.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether a payment was decided otherwise, by its deadline or a caller.
const LOOK: Duration = Duration::from_secs(2);

/// Asks plugins about payments.
struct Asker {
    app: Arc<App>,
    plugins: Plugins,
    /// The bound of each plugin.
    places: Vec<Semaphore>,
}

/// What comes of a payment.
#[derive(Clone, Copy)]
enum Decision {
    Claim,
    SendBack,
}

/// Asks about payments until `stop` is cancelled.
pub(super) async fn run(app: Arc<App>, plugins: Plugins, number: usize, stop: CancellationToken) {
    let Some(mut arriving) = app.held.unapproved() else { return };
    let places = (0..number).map(|_| Semaphore::new(MAX_ASKED)).collect();
    let asker = Asker { app, plugins, places };
    let following = asker.follow_plugins();
    let mut following = std::pin::pin!(following);
    let (mut asking, mut under_way) = (FuturesUnordered::new(), HashSet::new());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = &mut following => {},
            Some(hash) = arriving.recv() => {
                // The library may tell of a payment twice.
                if under_way.insert(hash) {
                    let asker = &asker;
                    asking.push(async move {
                        asker.decide(hash).await;
                        hash
                    });
                }
            },
            Some(hash) = asking.next(), if !asking.is_empty() => {
                under_way.remove(&hash);
            },
        }
    }
}

impl Asker {
    /// Keeps it known whether anybody is there to ask, for ever.
    async fn follow_plugins(&self) {
        let mut changes = self.plugins.changes();
        loop {
            changes.mark_unchanged();
            self.app.held.set_approval_wanted(self.plugins.may_ask(Hook::InvoicePayment));
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Has a payment decided, unless it is decided otherwise meanwhile.
    async fn decide(&self, hash: PaymentHash) {
        let decision = tokio::select! {
            decision = self.ask_all(hash) => decision,
            () = self.decided_otherwise(hash) => None,
        };
        let Some(decision) = decision else { return };
        let app = Arc::clone(&self.app);
        let done = spawn_blocking(move || carry_out(&app, hash, decision));
        match done.await.map_err(HoldError::from).flatten() {
            Ok(()) => {},
            Err(error) => {
                tracing::error!(payment_hash = %hash, %error, "a payment is not decided on");
            },
        }
    }

    async fn decided_otherwise(&self, hash: PaymentHash) {
        while self.app.held.is_open(&hash) {
            sleep(LOOK).await;
        }
    }

    /// Asks all plugins in their order, until one rejects the payment. `None` if nobody decides.
    async fn ask_all(&self, hash: PaymentHash) -> Option<Decision> {
        let payment = self.read(hash).await?;
        let mut asked = Vec::new();
        loop {
            match self.plugins.next(Hook::InvoicePayment, &asked).await {
                Next::Nobody => return Some(Decision::Claim),
                Next::LeftOut(plugin) => {
                    tracing::error!(
                        plugin, payment_hash = %hash,
                        "a payment is held until its deadline: the plugin that decides on it is left out"
                    );
                    return None;
                },
                Next::Ask(place, plugin) => match self.ask(place, &plugin, &payment).await {
                    Some(PaymentAnswer::Continue) => asked.push(place),
                    Some(PaymentAnswer::Reject) => {
                        let plugin = &plugin.name;
                        tracing::info!(plugin, payment_hash = %hash, "a plugin rejects a payment");
                        return Some(Decision::SendBack);
                    },
                    None => sleep(PAUSE).await,
                },
            }
        }
    }

    /// What a plugin says; `None` if it has to be asked again.
    async fn ask(&self, place: usize, plugin: &Plugin, payment: &Value) -> Option<PaymentAnswer> {
        let _turn = self.places.get(place)?.acquire().await.ok()?;
        let name = &plugin.name;
        match plugin.link.ask(Hook::InvoicePayment.name(), payment).await {
            Ok(answer) => {
                let read = PaymentAnswer::read(&answer);
                if read.is_none() {
                    // Not what it has said: that may repeat the preimage.
                    tracing::error!(plugin = name, "a plugin has not said what comes of a payment");
                }
                read
            },
            Err(error) => {
                let reason = error.message();
                tracing::warn!(plugin = name, reason, "a plugin is asked about a payment again");
                None
            },
        }
    }

    /// What plugins are told of a payment, if it is still undecided.
    async fn read(&self, hash: PaymentHash) -> Option<Value> {
        let app = Arc::clone(&self.app);
        let reading = spawn_blocking(move || {
            let Some((held, preimage)) = app.held.undecided(&hash)? else { return Ok(None) };
            let invoice = app.store.invoice(&InvoiceName::PaymentHash(hash.0))?;
            let label = invoice.and_then(|invoice| invoice.notes.label);
            Ok(Some(params(label, &held, &preimage)))
        });
        match reading.await.map_err(HoldError::from).flatten() {
            Ok(payment) => payment,
            Err(error) => {
                tracing::error!(payment_hash = %hash, %error, "plugins are not asked about a payment");
                None
            },
        }
    }
}

fn carry_out(app: &App, hash: PaymentHash, decision: Decision) -> Result<(), HoldError> {
    match decision {
        Decision::Claim => {
            app.held.approve(hash)?;
        },
        Decision::SendBack => {
            if app.held.reject(hash)?
                && let Some(invoice) = app.store.invoice(&InvoiceName::PaymentHash(hash.0))?
            {
                // The library takes the invoice for failed, and this node then, too.
                app.store.cancel_invoice(invoice.number)?;
            }
        },
    }
    Ok(())
}

/// The parameters of the hook. An invoice that was made without a label has its hash as its label.
fn params(label: Option<String>, held: &Held, preimage: &PaymentPreimage) -> Value {
    let mut payment = json!({
        "label": label.unwrap_or_else(|| hex::encode(held.payment_hash.0)),
        "preimage": hex::encode(preimage.0),
        "msat": held.claimable_amount_msat,
    });
    if !held.custom_records.is_empty() {
        let records = held.custom_records.iter().map(|record| {
            let (length, value) = (record.value.len(), hex::encode(&record.value));
            json!({"type": record.type_num, "length": length, "value": value})
        });
        payment["extratlvs"] = records.collect();
    }
    json!({ "payment": payment })
}

#[cfg(test)]
mod tests {
    use ldk_node::CustomTlvRecord;

    use super::*;

    #[test]
    fn a_payment_is_told_with_what_its_payer_has_sent_along() {
        let mut held = Held {
            payment_hash: PaymentHash([0xaa; 32]),
            claimable_amount_msat: 7,
            claim_deadline: None,
            custom_records: Vec::new(),
        };
        let preimage = PaymentPreimage([0xbb; 32]);
        let expected =
            json!({"payment": {"label": "cake", "preimage": "bb".repeat(32), "msat": 7}});
        assert_eq!(params(Some("cake".to_owned()), &held, &preimage), expected);
        held.custom_records = vec![CustomTlvRecord { type_num: 65_537, value: vec![1, 2] }];
        let told = params(None, &held, &preimage);
        assert_eq!(told["payment"]["label"], "aa".repeat(32));
        let record = json!({"type": 65_537, "length": 2, "value": "0102"});
        assert_eq!(told["payment"]["extratlvs"], json!([record]));
    }
}
