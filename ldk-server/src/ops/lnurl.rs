//! Pays LNURL services, and is paid by them.

use std::sync::Arc;

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_invoice::Bolt11Invoice;

use super::amount::{self, Amount};
use super::bolt11;
use super::labels::Noted;
use super::route::RouteLimits;
use super::terms::Terms;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::lnurl::{Asked, Failed, Link, Offered, PayTerms, WithdrawTerms};
use crate::store::{PaymentNotes, with_notes};

/// An invoice that was handed to a service.
pub struct Withdrawn {
    /// The id of its payment.
    pub id: PaymentId,
    /// The invoice.
    pub invoice: String,
    /// Why it is not known whether the service has accepted it, if so.
    pub unconfirmed_reason: Option<String>,
}

/// An invoice of a service that is to be paid.
pub struct Payment {
    /// The invoice.
    pub invoice: Bolt11Invoice,
    /// What it must ask for, in millisatoshis.
    pub amount_msat: u64,
    /// The limits of the route.
    pub limits: RouteLimits,
    /// What the caller notes with the payment.
    pub notes: PaymentNotes,
}

/// Asks what an LNURL is for.
pub async fn resolve(app: &App, link: &Link) -> Result<Offered, Error> {
    app.lnurl.resolve(link).await.map_err(failed)
}

/// The same for one that is to be paid.
pub async fn pay_terms(app: &App, link: &Link) -> Result<PayTerms, Error> {
    match resolve(app, link).await? {
        Offered::Pay(terms) => Ok(terms),
        Offered::Withdraw(_) => {
            Err(Error::invalid("lnurl", "pays out: use LnurlWithdraw (lnurl-withdraw)"))
        },
    }
}

/// The same for one that pays out.
pub async fn withdraw_terms(app: &App, link: &Link) -> Result<WithdrawTerms, Error> {
    match resolve(app, link).await? {
        Offered::Withdraw(terms) => Ok(terms),
        Offered::Pay(_) => Err(Error::invalid("lnurl", "is to be paid: use LnurlPay (lnurl-pay)")),
    }
}

/// The amount, if the service takes it. Without one, the service must leave no choice.
pub fn amount_within(amount_msat: Option<u64>, min_msat: u64, max_msat: u64) -> Result<u64, Error> {
    let accepted = format!("the service takes {min_msat} to {max_msat}");
    match amount_msat {
        None if min_msat == max_msat => Ok(min_msat),
        None => Err(Error::invalid(amount::FIELD, format!("must be set: {accepted}"))),
        Some(amount) if (min_msat..=max_msat).contains(&amount) => Ok(amount),
        Some(amount) => {
            Err(Error::invalid(amount::FIELD, format!("{amount} is not accepted: {accepted}")))
        },
    }
}

/// Asks for an invoice.
pub async fn invoice(
    app: &App,
    terms: &PayTerms,
    amount_msat: u64,
    comment: Option<&str>,
) -> Result<Asked, Error> {
    let max_chars = terms.max_comment_chars;
    let chars = comment.map_or(0, |comment| comment.chars().count());
    if u64::try_from(chars).unwrap_or(u64::MAX) > max_chars {
        let reason = format!("has {chars} characters; the service takes at most {max_chars}");
        return Err(Error::invalid("comment", reason));
    }
    app.lnurl.invoice(terms, amount_msat, comment).await.map_err(failed)
}

/// Starts paying an invoice of this network, if it is what was asked for.
pub async fn pay(
    app: &Arc<App>,
    caller: Caller,
    terms: &PayTerms,
    payment: Payment,
) -> Result<PaymentId, Error> {
    let Payment { invoice, amount_msat, limits, notes } = payment;
    if let Some(fault) = terms.fault_of(&invoice, amount_msat) {
        let reason = format!("nothing was paid to the LNURL service: {fault}");
        return Err(Error::FailedPrecondition(reason));
    }
    let working = Arc::clone(app);
    let asked = Amount { msat: None, allow_overpayment: false };
    let work = move || {
        caller.still_waits()?;
        with_notes(&notes, || bolt11::send(&working, &caller, &invoice, asked, limits))
    };
    Ok(app.executor.run("lnurl_pay", work).await?)
}

/// Makes an invoice and hands it to a service. After a failure the service has not accepted it.
pub async fn withdraw(
    app: &Arc<App>,
    terms: &WithdrawTerms,
    invoice_terms: Terms,
) -> Result<Withdrawn, Error> {
    let working = Arc::clone(app);
    let make = move || bolt11::receive(&working, &invoice_terms, Noted::nothing());
    let made = app.executor.run::<_, Error, _>("lnurl_withdraw", make).await?;
    let (id, invoice) = (PaymentId(made.payment_hash().to_byte_array()), made.to_string());
    let unconfirmed_reason = match app.lnurl.withdraw(terms, &invoice).await {
        Ok(()) => None,
        Err(Failed::Unknown(reason)) => Some(reason),
        Err(refused @ (Failed::NotAsked(_) | Failed::Refused(_))) => return Err(failed(refused)),
    };
    Ok(Withdrawn { id, invoice, unconfirmed_reason })
}

fn failed(failed: Failed) -> Error {
    Error::FailedPrecondition(failed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_is_one_that_the_service_takes() {
        assert_eq!(amount_within(None, 5, 5), Ok(5));
        assert_eq!(amount_within(Some(7), 5, 7), Ok(7));
        for (amount, reason) in
            [(None, "must be set"), (Some(4), "4 is not"), (Some(8), "8 is not")]
        {
            let refused = amount_within(amount, 5, 7).unwrap_err().to_string();
            assert!(refused.contains(reason) && refused.contains("takes 5 to 7"), "{refused}");
        }
    }
}
